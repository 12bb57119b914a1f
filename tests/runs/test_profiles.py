"""Models that rows share, profiles that leave them out, and changes from the command line."""

import pytest

import benchkit as bk
from benchkit.config.changes import apply_changes
from benchkit.config.suite import Suite, load_suite
from benchkit.errors import ConfigError
from benchkit.runs.settings.profiles import apply_profile, choose_profile, merge_tables
from benchkit.runs.validation import validate_path

METHODS = (
    {"method": "popularity"},
    {"method": "zero-shot"},
    {"method": "sft", "config": {"candidates": 20}},
    {"label": "gemma", "method": "sft", "model": "gemma"},
)
MODELS = {
    "default": {
        "backbone": "org/large", "engine": {"kind": "hf", "dtype": "bfloat16"},
        "train": {"processes": 2, "learning_rate": 1e-5}, "candidates": 10,
    },
    "gemma": {"backbone": "org/gemma", "train": {"learning_rate": 2e-5}},
}  # fmt: skip


def suite(methods=METHODS, models=MODELS):
    return Suite(
        name="s", title="T", datasets=({"name": "toy", "source": "toy"},), methods=methods,
        models=models,
    )  # fmt: skip


def configs(profile, **parts):
    return {row.name: row.config for row in apply_profile(suite(**parts), profile).methods}


def test_rows_take_the_settings_that_they_have_and_their_own_come_first():
    rows = configs("paper")
    assert rows["popularity"] == {}
    assert set(rows["zero-shot"]) == {"backbone", "engine"}  # it trains nothing
    assert rows["sft"] == {**MODELS["default"], "candidates": 20}
    assert rows["gemma"]["backbone"] == "org/gemma"
    assert rows["gemma"]["train"] == {"processes": 2, "learning_rate": 2e-5}
    assert rows["gemma"]["engine"] == MODELS["default"]["engine"]


def test_the_laptop_leaves_out_models_and_says_so():
    methods = (*METHODS, {"method": "s-dpo", "config": {"backbone": "x", "negatives": 2}})
    rows = configs("laptop", methods=methods)
    assert rows == {
        "popularity": {}, "zero-shot": {}, "sft": {"candidates": 20}, "gemma": {"candidates": 10},
        "s-dpo": {"negatives": 2, "candidates": 10},
    }  # fmt: skip
    changed = apply_profile(suite(), "laptop")
    assert "laptop" in changed.title and "nano" in changed.title
    assert changed.decoding.constrained
    unchanged = apply_profile(suite(), "paper")
    assert unchanged.title == "T" and not unchanged.decoding.constrained


@pytest.mark.parametrize(
    ("profile", "device", "expected"),
    [
        ("auto", "cpu", "laptop"), ("auto", "cuda", "paper"), ("auto", "cuda:1", "paper"),
        ("paper", "cpu", "paper"), ("laptop", "cuda", "laptop"),
    ],
)  # fmt: skip
def test_the_device_chooses_where_nobody_else_does(profile, device, expected):
    assert choose_profile(suite(), profile, device) == expected


def test_a_suite_without_models_is_what_it_says():
    plain = suite(models={})
    assert choose_profile(plain, "auto", "cpu") == "paper"
    assert apply_profile(plain, "paper") is plain
    with pytest.raises(ConfigError, match=r"no \[models\] tables"):
        choose_profile(plain, "laptop", "cpu")


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"default": {"backbon": "x"}, "gemma": {}}, "backbone"),
        ({"default": {}, "gemma": {"lora": {}}}, "models.gemma"),
        ({"default": {}}, "model of 'gemma'"),
    ],
)
def test_misspelt_settings_and_models_are_named(models, message):
    with pytest.raises(ConfigError) as error:
        apply_profile(suite(models=models), "paper")
    assert message in str(error.value)


def test_code_of_a_user_takes_the_model_that_it_names(tmp_path):
    row = {"label": "mine", "method": f"{tmp_path}/mine.py:Mine"}
    assert configs("paper", methods=(*METHODS, row))["mine"] == {}
    named = {**row, "model": "gemma"}
    assert configs("paper", methods=(*METHODS, named))["mine"]["backbone"] == "org/gemma"


def test_another_kind_of_engine_takes_nothing_of_the_former():
    before = {"engine": {"kind": "hf", "dtype": "bfloat16"}}
    assert merge_tables(before, {"engine": {"kind": "vllm"}}) == {"engine": {"kind": "vllm"}}
    assert merge_tables(before, {"engine": {"batch": 2}})["engine"] == {
        "kind": "hf", "dtype": "bfloat16", "batch": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "place", "value"),
    [
        ("seeds=[1, 2]", ("seeds",), [1, 2]),
        ("decoding.n = 3", ("decoding", "n"), 3),
        ("models.default.backbone=Qwen/Qwen3-4B", ("models", "default", "backbone"),
         "Qwen/Qwen3-4B"),
        ("models.default.train={lora = {r = 4}}", ("models", "default", "train", "lora", "r"), 4),
        ("methods.c-apo.config.beta=0.2", ("methods", 0, "config", "beta"), 0.2),
        ("methods.rec-r1/query.label=q", ("methods", 1, "label"), "q"),
        ('methods."v1.0".config.beta=1', ("methods", 2, "config", "beta"), 1),
        ("methods.1.method=sft", ("methods", 1, "method"), "sft"),
        ("datasets.toy.k_core=5", ("datasets", 0, "k_core"), 5),
        ("title=A = B", ("title",), "A = B"),
    ],
)  # fmt: skip
def test_a_change_goes_where_its_key_leads(change, place, value):
    values = {
        "datasets": [{"name": "toy"}],
        "methods": [{"method": "c-apo", "config": {"beta": 0.1}}, {"method": "rec-r1/query"},
                    {"method": "dpo", "label": "v1.0"}],
    }  # fmt: skip
    apply_changes(values, [change])
    for key in place:
        values = values[key]
    assert values == value


@pytest.mark.parametrize(
    "change", ["seeds", "=3", "methods.nobody.config.x=1", "title.x=1", "methods.nobody=1"]
)
def test_a_change_that_leads_nowhere_is_an_error(change):
    with pytest.raises(ConfigError):
        apply_changes({"title": "T", "methods": [{"method": "sft"}]}, [change])


def test_a_changed_suite_is_checked_like_any_other():
    assert load_suite("quickstart", changes=["seeds=[3]"]).seeds == (3,)
    with pytest.raises(ConfigError, match="decoding"):
        load_suite("quickstart", changes=["decoding.temprature=1"])
    with pytest.raises(ConfigError, match="names code"):
        load_suite("quickstart", changes=["methods.sft.method=/elsewhere/mine.py:Mine"])


def test_who_changes_a_model_means_it_on_a_cpu_too(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(
        'datasets = [{ name = "toy", source = "toy" }]\nmethods = [{ method = "zero-shot" }]\n'
        '[models.default]\nbackbone = "nano"\nprompt_tokens = 4096\n'
    )
    folders = {"store": tmp_path / "runs", "data": tmp_path / "data"}
    (laptop,) = bk.plan(path, **folders)
    (paper,) = bk.plan(path, changes=["models.default.prompt_tokens=2048"], **folders)
    (chosen,) = bk.plan(path, profile="paper", **folders)
    assert len({laptop.run_id, paper.run_id, chosen.run_id}) == 3
    (same,) = bk.plan(path, profile="laptop", **folders)
    assert same.run_id == laptop.run_id


def test_rows_beside_the_suites_have_its_models(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(
        'datasets = [{ name = "toy", source = "toy" }]\nmethods = [{ method = "zero-shot" }]\n'
        "[models.default]\nprompt_tokens = 4096\n"
    )
    folders = {"store": tmp_path / "runs", "data": tmp_path / "data", "methods": "sft"}
    (with_model,) = bk.plan(path, profile="paper", **folders)
    (without,) = bk.plan(path, profile="laptop", **folders)
    assert with_model.run_id != without.run_id


def test_validate_looks_at_the_rows_of_both_profiles(tmp_path):
    path = tmp_path / "s.toml"
    start = (
        'datasets = [{ name = "toy", source = "toy" }]\nmethods = [{ method = "zero-shot" }]\n'
        "[models.default]\n"
    )
    path.write_text(start + "prompt_tokens = 0\n")
    (check,) = list(validate_path(path))
    assert not check.ok and "prompt_tokens" in check.detail
    path.write_text(start + "promt_tokens = 10\n")
    (check,) = list(validate_path(path))
    assert not check.ok and "promt_tokens" in check.detail


C_APO_SUITES = (
    "amazon5", "movielens", "transfer", "serendipity", "ablation", "sweep", "scaling", "complexity",
)  # fmt: skip


@pytest.mark.parametrize("name", C_APO_SUITES)
def test_the_papers_encoder_is_that_of_c_apo_and_not_of_the_laptop(name):
    paper, laptop = (apply_profile(load_suite(name), profile) for profile in ("paper", "laptop"))
    rows = [row for row in paper.methods if row.method == "c-apo"]
    encoders = {row.config.get("encoder") for row in rows}
    assert rows and encoders == {"sentence-transformers/all-mpnet-base-v2"}
    assert not any("encoder" in row.config for row in paper.methods if row.method != "c-apo")
    assert not any("encoder" in row.config for row in laptop.methods)

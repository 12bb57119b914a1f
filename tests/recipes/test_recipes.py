"""The recipes, and the suites around preference training: they load, with valid settings."""

import tomllib
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from benchkit import cards
from benchkit.config.suite import load_suite
from benchkit.errors import ConfigError

RECIPES = Path(__file__).parents[2] / "recipes"
SUITES = ["ablation", "scaling", "sweep", *map(str, sorted(RECIPES.glob("c-apo-*.toml")))]


def configs(name):
    """Label -> validated config of each method."""
    suite = load_suite(name)
    try:
        by_label = {m.name: (cards.find_card(m.method), m.config) for m in suite.methods}
    except ConfigError as error:
        pytest.skip(f"a method has no card yet: {error.cause}")
    return {label: cards.build_config(card, own) for label, (card, own) in by_label.items()}


@pytest.mark.parametrize("name", SUITES)
def test_every_method_and_setting_is_known(name):
    found = configs(name)
    suite = load_suite(name)
    assert len(found) == len(suite.methods) >= 7
    assert {"random", "popularity"} <= set(found)
    assert suite.title and suite.description


@pytest.mark.parametrize("name", SUITES)
def test_every_method_can_be_constructed(name):
    suite, found = load_suite(name), configs(name)
    for method in suite.methods:
        card = cards.find_card(method.method)
        if not card.missing_packages:
            assert cards.construct_recommender(card, found[method.name]).capabilities


@pytest.mark.parametrize("name", SUITES)
def test_labels_have_folders_of_their_own(name):
    from benchkit.io import slug

    labels = [method.name for method in load_suite(name).methods]
    assert len({slug(label) for label in labels}) == len(labels)


def test_the_ablation_has_the_papers_variants():
    found = configs("ablation")
    letters = {label.split()[0]: config for label, config in found.items() if " " in label}
    assert list(letters) == ["A", "B", "C", "C'", "D", "E", "F", "F'"]
    assert letters["A"].rationale and letters["B"].train_rationale and letters["B"].infer_rationale
    preferring = [letters[x] for x in ("C", "C'", "D", "E", "F", "F'")]
    assert [own.negatives for own in preferring] == [2] * 6
    assert [own.pairing for own in preferring] == ["one_random"] + ["each"] * 5
    assert [own.ties for own in preferring] == ["drop", "drop", None, None, None, None]
    assert all(own.rationale for own in preferring)
    # One fine-tuning for all: B's.
    assert {own.sft for own in preferring} == {letters["B"].train}
    assert [letters[x].calibrator for x in ("E", "F", "F'")] == ["raw", "joint", "frozen"]
    assert {config.backbone for config in letters.values()} == {"nano"}


def test_the_sweep_changes_one_setting_a_row():
    found = configs("sweep")
    betas = {label: c.beta for label, c in found.items() if label.startswith("c-apo")}
    assert list(betas.values()) == [0.1, 0.5, 1, 2, 5]
    found = configs("recpo-lambda")
    margins = {label: c.margin for label, c in found.items() if label.startswith("lambda")}
    assert list(margins.values()) == [0, 0.5, 1, 2, 3]
    for label, value in {**betas, **margins}.items():
        assert value == float(label.partition("=")[2])


def test_the_scaling_study_changes_users_or_size():
    found = configs("scaling")
    own = {label: c for label, c in found.items() if label.startswith("c-apo")}
    assert [c.limit_users for c in own.values()] == [1100, 3400, None, None, None]
    assert [c.nano.hidden for c in own.values()] == [64, 64, 64, 32, 128]


def test_the_papers_settings_are_the_papers():
    found = configs(str(RECIPES / "c-apo-gemma3-4b.toml"))
    for label in ("s-dpo", "c-apo frozen", "c-apo"):
        config = found[label]
        assert config.backbone == "google/gemma-3-4b-it"
        train = config.train
        assert (train.batch_size, train.micro_batch_size, train.epochs) == (48, 6, 3)
        assert (config.sft.batch_size, config.sft.micro_batch_size, config.sft.epochs) == (32, 4, 2)
        assert (config.rationale, config.negatives, config.beta) == (True, 2, 1)
        assert config.ties == ("drop" if label == "s-dpo" else None)  # c-apo's own default
        for stage in (config.sft, train):
            assert (stage.lora.r, stage.lora.alpha, stage.lora.dropout) == (8, 16, 0)
            assert (stage.learning_rate, stage.schedule) == (5e-5, "cosine_with_min_lr")
            assert (stage.warmup, stage.optimizer) == (0.05, "paged_adamw_8bit")
            assert (stage.precision, stage.gradient_checkpointing) == ("bfloat16", True)
            assert stage.max_length == 12_000
    assert found["rationale-sft"].train == found["c-apo"].sft
    assert found["c-apo frozen"].train == found["c-apo"].train


def test_the_papers_data_are_where_fetching_puts_them():
    options = load_suite(str(RECIPES / "c-apo-gemma3-4b.toml")).dataset("grocery").options
    assert options == load_suite("amazon5").dataset("grocery").options


def test_the_papers_optimizer_is_one_that_transformers_knows():
    arguments = pytest.importorskip("transformers.training_args")
    assert "paged_adamw_8bit" in {name.value for name in arguments.OptimizerNames}


def test_the_teacher_is_a_teacher():
    from benchkit.lm.teachers import TeacherConfig

    text = (RECIPES / "teacher-gemma3-27b.toml").read_text(encoding="utf-8")
    teacher = TypeAdapter(TeacherConfig).validate_python(tomllib.loads(text))
    assert (teacher.kind, teacher.prompt, teacher.decoding.temperature) == ("llm", "c-apo", 0)


def test_the_launcher_file_makes_the_papers_step():
    path = RECIPES / "accelerate-2gpu.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    train = configs(str(RECIPES / "c-apo-gemma3-4b.toml"))["c-apo"].train
    deepspeed = settings["deepspeed_config"]
    assert (settings["num_processes"], settings["mixed_precision"]) == (2, "bf16")
    assert (settings["distributed_type"], deepspeed["zero_stage"]) == ("DEEPSPEED", 2)
    steps = (
        settings["num_processes"]
        * train.micro_batch_size
        * deepspeed["gradient_accumulation_steps"]
    )
    assert steps == train.batch_size
    assert deepspeed["gradient_clipping"] == train.max_grad_norm


def test_the_launcher_file_is_read_by_accelerate():
    config = pytest.importorskip("accelerate.commands.config.config_args")
    read = config.load_config_from_file(str(RECIPES / "accelerate-2gpu.yaml"))
    assert read.num_processes == 2


def test_the_readme_lists_every_recipe_and_says_what_is_not_supported():
    text = (RECIPES / "README.md").read_text(encoding="utf-8")
    for path in RECIPES.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in text, path.name
    assert "A run is one process, but its trainings can use several" in text

"""The demo of a suite: what is changed, and of what there is none."""

import pytest

from benchkit.config.demo import demo_name, demo_suite, split_demo_name
from benchkit.config.suite import Suite, list_shipped_suites, load_suite
from benchkit.config.suite_outline import outline_suite
from benchkit.errors import ConfigError


def make_suite(**dataset):
    return Suite(
        name="mine", title="Mine", datasets=({"name": "data", **dataset},), methods=("random",)
    )


@pytest.mark.parametrize("name", sorted(list_shipped_suites()))
def test_every_shipped_suite_maps_to_its_demo(name):
    suite, demo = load_suite(name), load_suite(f"{name}@demo300")
    assert demo.name == f"{name}@demo300"
    assert demo.title == f"SYNTHETIC: {suite.title}"
    assert [spec.name for spec in demo.datasets] == [spec.name for spec in suite.datasets]
    assert {spec.demo_users for spec in demo.datasets} == {300}
    changed = {"name", "title", "datasets"}
    assert demo.model_dump(exclude=changed) == suite.model_dump(exclude=changed)
    assert outline_suite(f"{name}@demo300").suite == demo


def test_names_of_demos():
    assert demo_name("amazon5") == "amazon5@demo300"
    assert split_demo_name("amazon5@demo120") == ("amazon5", 120)
    assert split_demo_name("x/mine.toml@demo120") == ("x/mine.toml", 120)
    for name in ("amazon5", "amazon5@50users", "amazon5@demo", "@demo9x", "mine.toml"):
        assert split_demo_name(name) == (name, None)


def test_a_suite_file_has_a_demo_whose_files_are_below_its_own_folder(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        '[[datasets]]\nname = "a"\nsource = "amazon2018"\n'
        'options = { reviews = "raw/Books_5.json.gz", meta = "raw/meta_Books.json.gz" }\n'
        '[[methods]]\nmethod = "random"\n'
    )
    (spec,) = load_suite(f"{file}@demo100").datasets
    assert spec.options["reviews"] == "raw/Books_5.json.gz"  # wherever the data folder has it
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "Books_5.json.gz").touch()  # now it is found beside the suite
    (spec,) = load_suite(f"{file}@demo100").datasets
    assert spec.options["reviews"] == "amazon2018/Books_5.json.gz"
    assert spec.options["meta"] == "raw/meta_Books.json.gz"


def test_a_name_cannot_pretend_to_be_a_demo():
    with pytest.raises(ConfigError, match="--limit-users or --demo"):
        Suite(name="mine@demo300", datasets=make_suite(source="toy").datasets, methods=("random",))


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ({"source": "table", "options": {"interactions": "x.csv"}}, "no published format"),
        ({"source": "ml-100k", "candidates": {"file": "lists.jsonl"}}, "lists and splits"),
    ],
)
def test_data_of_ones_own_have_no_demo(dataset, message):
    with pytest.raises(ConfigError, match=message):
        demo_suite(make_suite(**dataset))


def test_too_few_users_are_refused():
    with pytest.raises(ConfigError, match="100"):
        load_suite("amazon5@demo99")

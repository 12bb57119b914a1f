"""Demo files: prepared by the code of real data, apart from them, and written once."""

import json

import pytest

from benchkit.config.demo import demo_suite
from benchkit.config.suite import Suite, list_shipped_suites, load_suite
from benchkit.data.demo import DEMO_FORMATS
from benchkit.data.preparation.cache import (
    clear_dataset_cache,
    dataset_dir,
    identify_dataset,
    load_or_prepare,
)

USERS = 100


def demo_spec(source="ml-100k", **settings):
    suite = Suite(
        name="mine",
        datasets=({"name": "data", "source": source, **settings},),
        methods=("popularity",),
    )
    return demo_suite(suite, USERS).datasets[0]


def test_equal_arguments_give_equal_bytes():
    for name in set(DEMO_FORMATS) - {"toy"}:
        demo = DEMO_FORMATS.load(name)
        first = demo.generate(USERS, **demo.options)
        assert first == demo.generate(USERS, **demo.options)
        assert first and all(first.values())


@pytest.mark.parametrize(
    ("source", "malformed"),
    [
        ("amazon2018", ["malformed_lines", "meta_malformed_lines", "meta_junk_titles"]),
        ("amazon2023", ["malformed_lines", "meta_malformed_lines", "reviews_repeated_in_file"]),
        ("beeradvocate", ["reviews_malformed"]),
        ("lastfm", ["user_artists_malformed"]),
        ("ml-100k", []),
        ("movielens", ["ratings_malformed"]),
        ("steam", ["reviews_malformed", "games_malformed", "reviews_without_hours"]),
    ],
)
def test_each_format_is_read_by_its_source(source, malformed, tmp_path):
    spec = demo_spec(source, k_core=5, duplicates="last", untitled="drop")
    dataset = load_or_prepare(spec, tmp_path)
    assert 0.9 * USERS <= len(dataset.users) <= 1.1 * USERS
    assert len(dataset.test) >= 0.9 * USERS
    assert dataset.test.candidates.shape[1] == 30
    assert len(set(dataset.catalog.texts["title"])) > 0.9 * len(dataset.catalog)
    assert all(dataset.report[name] > 0 for name in malformed)
    if source not in ("ml-100k", "movielens", "lastfm"):
        reviews = dataset.interactions.review
        assert sum(bool(text) for text in reviews) == len(dataset.interactions)


def test_a_demo_says_that_it_is_synthetic_and_lies_apart(tmp_path):
    spec = demo_spec()
    dataset = load_or_prepare(spec, tmp_path)
    assert dataset.is_synthetic
    assert dataset.caveats[0].startswith("SYNTHETIC: ")
    folder = dataset_dir(spec, tmp_path)
    assert folder.parent == tmp_path / "demo-100"
    assert json.loads((folder / "dataset.json").read_text())["is_synthetic"] is True
    manifest = json.loads((tmp_path / "demo-100" / "raw" / "SYNTHETIC.json").read_text())
    assert manifest["what"].startswith("SYNTHETIC")
    assert set(manifest["files"]) == {"ml-100k/ml-100k.inter", "ml-100k/ml-100k.item"}
    assert [path.name for path in tmp_path.iterdir()] == ["demo-100"]


def test_what_identifies_a_demo_needs_no_file(tmp_path):
    spec = demo_spec()
    before = identify_dataset(spec, tmp_path)
    assert not list(tmp_path.iterdir())
    load_or_prepare(spec, tmp_path)
    assert identify_dataset(spec, tmp_path) == before
    real = spec.model_copy(update={"demo_users": None, "options": {}})
    other = spec.model_copy(update={"demo_users": 200})
    assert len({before, *(identify_dataset(s, tmp_path) for s in (real, other))}) == 3


def test_files_that_were_changed_are_written_anew(tmp_path):
    spec = demo_spec()
    fingerprint = load_or_prepare(spec, tmp_path).fingerprint
    raw = tmp_path / "demo-100" / "raw" / "ml-100k"
    content = (raw / "ml-100k.inter").read_bytes()
    (raw / "ml-100k.inter").write_bytes(content[:500])
    (raw / "ml-100k.item").unlink()
    clear_dataset_cache()
    assert load_or_prepare(spec, tmp_path).fingerprint == fingerprint
    assert (raw / "ml-100k.inter").read_bytes() == content
    assert (raw / "ml-100k.item").exists()
    (raw.parent / "SYNTHETIC.json").write_text("[]")
    load_or_prepare(spec, tmp_path)
    assert len(json.loads((raw.parent / "SYNTHETIC.json").read_text())["files"]) == 2


def test_datasets_of_one_file_share_it(tmp_path):
    for path in load_suite("cold-start@demo100").datasets:
        load_or_prepare(path, tmp_path)
    raw = tmp_path / "demo-100" / "raw" / "amazon2018"
    assert len(list(raw.iterdir())) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(list_shipped_suites()))
def test_every_shipped_suite_has_a_demo(name, tmp_path):
    for spec in load_suite(f"{name}@demo{USERS}").datasets:
        dataset = load_or_prepare(spec, tmp_path)
        assert 0.9 * USERS <= len(dataset.users) <= 1.1 * USERS, spec.name
        assert len(dataset.test), spec.name

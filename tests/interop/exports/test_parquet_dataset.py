"""Parquet with card and Croissant: out and in is the same dataset, and others read it."""

import json

import polars as pl
import pytest

from benchkit.config.suite import load_suite
from benchkit.data.preparation.cache import load_or_prepare
from benchkit.interop.exports.dataset_tables import DatasetFacts, list_tables
from benchkit.interop.exports.parquet_dataset import export_parquet_dataset
from tests.support.hostile_data import hostile_dataset

FACTS = DatasetFacts("cc-by-4.0", "https://example.org/x", "@misc{x}", "Asked for.", "None: ids.")


@pytest.mark.parametrize("options", [{}, {"with_times": False}, {"with_ratings": False}], ids=str)
def test_out_and_in_is_the_same_dataset(tmp_path, options):
    dataset, spec = hostile_dataset(**options)
    assert export_parquet_dataset(dataset, spec, tmp_path).is_same
    suite = load_suite(str(tmp_path / "suite.toml"))
    again = load_or_prepare(suite.datasets[0], tmp_path / "data")
    assert again.fingerprint == dataset.fingerprint


def test_a_split_of_files_has_a_file_a_part(tmp_path):
    parts = {"train": "u,a\nv,b\nw,d\nw,a\n", "valid": "u,b\nv,c\n", "test": "u,c\nv,a\n"}
    for part, rows in parts.items():
        (tmp_path / f"{part}.csv").write_text(f"user,item\n{rows}")
    (tmp_path / "items.csv").write_text("item,title\n" + "".join(f"{i},T{i}\n" for i in "abcd"))
    from benchkit.data.preparation.pipeline import prepare_dataset
    from benchkit.data.preparation.split_tables import read_tables
    from benchkit.data.spec import DatasetSpec

    spec = DatasetSpec(
        name="given", source="table", options={"items": str(tmp_path / "items.csv")},
        split={part: str(tmp_path / f"{part}.csv") for part in parts}, candidates={"count": 2},
    )  # fmt: skip
    dataset = prepare_dataset(read_tables(spec, spec.options), spec)
    written = export_parquet_dataset(dataset, spec, tmp_path / "out")
    assert written.is_same
    splits = [(entry.config, entry.split) for entry in list_tables(dataset, spec)]
    assert splits == [
        ("interactions", "train"), ("interactions", "validation"), ("interactions", "test"),
        ("items", "whole"), ("cases", "validation"), ("cases", "test"),
    ]  # fmt: skip


def test_cases_say_what_is_asked_and_answered(tmp_path):
    dataset, spec = hostile_dataset()
    export_parquet_dataset(dataset, spec, tmp_path)
    table = pl.read_parquet(tmp_path / "cases-test.parquet")
    requests = list(dataset.requests(dataset.test))
    assert table["case_id"].to_list() == [request.case_id for request in requests]
    assert table["candidates"].to_list() == [list(request.candidates) for request in requests]
    assert table["history"].to_list() == [[e.item for e in r.history] for r in requests]
    assert table["target"].to_list() == [dataset.catalog.ids[code] for code in dataset.test.target]


def test_hugging_face_reads_it(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    dataset, spec = hostile_dataset()
    export_parquet_dataset(dataset, spec, tmp_path / "out", FACTS)
    options = {"cache_dir": str(tmp_path / "cache")}
    cases = datasets.load_dataset(str(tmp_path / "out"), "cases", split="test", **options)
    assert cases["case_id"] == list(dataset.test.ids)
    items = datasets.load_dataset(str(tmp_path / "out"), "items", split="whole", **options)
    assert items["title"] == dataset.catalog.texts["title"]
    assert items["blurb"] == dataset.catalog.texts["blurb"]


def test_the_card_says_what_is_known_and_nothing_else(tmp_path):
    yaml = pytest.importorskip("yaml")
    dataset, spec = hostile_dataset()
    export_parquet_dataset(dataset, spec, tmp_path)
    _, head, body = (tmp_path / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    metadata = yaml.safe_load(head)
    assert "license" not in metadata and "Citation" not in body
    assert [config["config_name"] for config in metadata["configs"]] == [
        "interactions", "items", "cases",
    ]  # fmt: skip
    assert dataset.fingerprint in body and "holds the answers" in body
    export_parquet_dataset(dataset, spec, tmp_path, FACTS)
    _, head, body = (tmp_path / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "cc-by-4.0" and "@misc{x}" in body


def test_croissant_holds_the_facts(tmp_path):
    dataset, spec = hostile_dataset()
    export_parquet_dataset(dataset, spec, tmp_path)
    described = json.loads((tmp_path / "croissant.json").read_text(encoding="utf-8"))
    for unknown in ("license", "url", "citeAs", "rai:dataCollection",
                    "rai:personalSensitiveInformation"):  # fmt: skip
        assert unknown not in described
    assert described["identifier"] == dataset.fingerprint
    assert described["rai:dataLimitations"][:-1] == list(dataset.caveats)
    assert "split is leave-one-out" in described["rai:dataPreprocessingProtocol"][0]
    names = [record["name"] for record in described["recordSet"]]
    assert names == ["interactions", "items", "cases-validation", "cases-test"]


def test_mlcroissant_accepts_it(tmp_path):
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset, spec = hostile_dataset()
    export_parquet_dataset(dataset, spec, tmp_path, FACTS)
    loaded = mlcroissant.Dataset(jsonld=str(tmp_path / "croissant.json"))
    assert not loaded.metadata.ctx.issues.errors
    assert loaded.metadata.personal_sensitive_information in (FACTS.personal, [FACTS.personal])
    rows = list(loaded.records("interactions"))
    users = [row["interactions/user"].decode() for row in rows]
    assert users == [dataset.users[code] for code in dataset.interactions.user]
    cases = list(loaded.records("cases-test"))
    assert len(cases) == len(dataset.test)


def test_generated_data_say_so(tmp_path):
    from dataclasses import replace

    dataset, spec = hostile_dataset()
    export_parquet_dataset(replace(dataset, is_synthetic=True), spec, tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "- synthetic" in card and "Generated, not real" in card
    described = json.loads((tmp_path / "croissant.json").read_text(encoding="utf-8"))
    assert described["rai:dataCollection"] == "Generated by a program."

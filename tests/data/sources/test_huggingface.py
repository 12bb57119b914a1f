"""Folders that Hugging Face's datasets saved are read as tables are, without a network."""

import pytest

from benchkit.data.preparation.cache import load_or_prepare
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.raw import RawData
from benchkit.data.sources.huggingface import read_saved_datasets, saved_files
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError
from tests.support.hostile_data import hostile_tables

datasets = pytest.importorskip("datasets")
SETTINGS = {
    "duplicates": "keep", "similar_ids": "keep", "rating_scale": (0, 5), "candidates": {"count": 5},
}  # fmt: skip


def test_what_was_saved_is_what_is_read(tmp_path):
    interactions, items = hostile_tables()
    datasets.Dataset.from_polars(interactions).save_to_disk(str(tmp_path / "i"), max_shard_size=1)
    saved = datasets.DatasetDict({"all_items": datasets.Dataset.from_polars(items)})
    saved.save_to_disk(str(tmp_path / "t"))
    options = {"interactions": str(tmp_path / "i"), "items": str(tmp_path / "t")}
    spec = DatasetSpec(name="odd", source="huggingface", options=options, **SETTINGS)
    plain = DatasetSpec(name="odd", source="toy", **SETTINGS)
    expected = prepare_dataset(RawData(interactions, items), plain)
    assert load_or_prepare(spec, tmp_path / "data").fingerprint == expected.fingerprint
    assert len(saved_files(**options)) > 4


def test_columns_and_splits_are_named(tmp_path):
    table = datasets.Dataset.from_dict({"uid": ["u"], "item": ["i"]})
    datasets.DatasetDict(train=table, test=table).save_to_disk(str(tmp_path / "i"))
    folder = str(tmp_path / "i")
    raw = read_saved_datasets(folder, split="train", columns={"user": "uid"})
    assert raw.items is None
    assert raw.interactions.rows() == [("u", "i")] and raw.interactions.columns == ["user", "item"]
    with pytest.raises(DataError, match="several splits; it has 'train', 'test'"):
        read_saved_datasets(folder)
    with pytest.raises(DataError, match="no split 'dev'"):
        read_saved_datasets(folder, split="dev")


def test_what_is_no_such_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        read_saved_datasets(str(tmp_path / "none"))
    with pytest.raises(DataError, match="cannot be read"):
        read_saved_datasets(str(tmp_path))

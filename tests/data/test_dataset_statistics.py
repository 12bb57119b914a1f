"""Statistics of a dataset, by hand."""

import polars as pl
import pytest

from benchkit.data.dataset_statistics import describe_dataset
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.raw import RawData
from benchkit.data.spec import DatasetSpec

ROWS = [("u", "a", 1), ("u", "b", 2), ("u", "c", 2), ("v", "a", 5), ("v", "b", 6), ("w", "a", 1)]


def dataset(timed=True, name="my-shop"):
    columns = ["user", "item", "timestamp"]
    interactions = pl.DataFrame(ROWS, schema=columns, orient="row")
    items = pl.DataFrame({"item": list("abcd"), "title": list("ABCD")})
    raw = RawData(interactions if timed else interactions.drop("timestamp"), items)
    count = {"count": 2}
    return prepare_dataset(raw, DatasetSpec(name=name, source="table", candidates=count, k_core=0))


@pytest.fixture(autouse=True)
def room_for_negatives(monkeypatch):
    """User u has every item, so that no candidate could be drawn; statistics need none."""
    import benchkit.data.preparation.candidates as candidates

    monkeypatch.setattr(candidates, "sample_candidates", lambda *a, **k: a[3].repeat(2, axis=1))


def test_statistics_by_hand():
    statistics = describe_dataset(dataset())
    assert (statistics.users, statistics.items, statistics.interactions) == (3, 3, 6)
    assert statistics.average_length == statistics.average_item_purchases == 2.0
    assert statistics.median_length == 2.0
    assert statistics.sparsity == pytest.approx(1 - 6 / 9)
    assert statistics.tied_users == pytest.approx(1 / 3)
    assert describe_dataset(dataset(timed=False)).tied_users is None

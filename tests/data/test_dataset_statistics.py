"""Dataset statistics by hand, and beside what papers print."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from benchkit.data.dataset_statistics import (
    PublishedStatistics,
    describe_dataset,
    match_published_statistics,
    read_published_statistics,
    render_statistics,
)
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.raw import RawData
from benchkit.data.spec import DatasetSpec
from benchkit.errors import ConfigError, DataError

PUBLISHED = Path(__file__).parents[2] / "leaderboards/published"
ROWS = [("u", "a", 1), ("u", "b", 2), ("u", "c", 2), ("v", "a", 5), ("v", "b", 6), ("w", "a", 1)]
PRINTED = """paper,table,domain,method,metric,value,variant,note
c-apo,table1,my_shop,-,users,11028,,count
c-apo,table1,my_shop,-,average_length,6.50,,interactions
c-apo,table2,my_shop,SASRec,hr@1,3.47,,percent
recpo,table3,other,-,sequences,12,,count
"""


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

    monkeypatch.setattr(
        candidates, "sample_candidates", lambda *a, **k: a[2][:, None].repeat(2, axis=1)
    )


def test_statistics_by_hand():
    own = describe_dataset(dataset())
    assert (own.users, own.items, own.interactions) == (3, 3, 6)
    assert own.average_length == own.average_item_purchases == 2.0
    assert own.median_length == 2.0
    assert own.sparsity == pytest.approx(1 - 6 / 9)
    assert own.tied_users == pytest.approx(1 / 3)
    assert describe_dataset(dataset(timed=False)).tied_users is None


@pytest.fixture
def published(tmp_path):
    path = tmp_path / "c-apo.csv"
    path.write_text(PRINTED)
    return read_published_statistics([path])


def test_published_statistics_are_matched_by_paper_and_domain(published):
    assert published == [
        PublishedStatistics("c-apo", "my_shop", (("users", "11028"), ("average_length", "6.50"))),
        PublishedStatistics("recpo", "other", (("users", "12"),)),
    ]
    own = describe_dataset(dataset())
    assert match_published_statistics([own], published) == [(own, published[0])]
    assert match_published_statistics([own], published, paper="recpo") == [(own, None)]
    assert match_published_statistics([replace(own, name="Other")], published)[0][1] == published[1]


def test_the_table_in_every_format(published):
    own = describe_dataset(dataset(name="my_shop"))
    pairs = match_published_statistics([own], [*published, replace(published[0], paper="eapo")])
    lines = render_statistics(pairs, "md").splitlines()
    assert lines[2] == r"| my\_shop | measured | 3 | 3 | 6 | 2.00 | 2.00 | 2.00 | 0.3333 | 0.3333 |"
    assert lines[3] == r"| my\_shop | c-apo | 11,028 |  |  | 6.50 |  |  |  |  |"
    assert lines[4].startswith(r"| my\_shop | eapo |")
    read = list(csv.DictReader(io.StringIO(render_statistics(pairs, "csv"))))
    assert [row["source"] for row in read] == ["measured", "c-apo", "eapo"]
    assert float(read[0]["sparsity"]) == own.sparsity and read[1]["users"] == "11028"
    latex = render_statistics(pairs, "latex")
    assert r"my\_shop & c-apo & 11,028 &  &  & 6.50 &  &  &  &  \\" in latex
    assert "whole sequences" in latex and "whole sequences" in render_statistics(pairs, "md")
    for kind in ("md", "csv", "latex"):
        assert render_statistics(pairs, kind) == render_statistics(list(pairs), kind)
    with pytest.raises(ConfigError, match="unknown format 'html'"):
        render_statistics(pairs, "html")


def test_what_is_said_of_broken_files(tmp_path):
    (tmp_path / "a.csv").write_text("paper,domain\nx,y\n")
    with pytest.raises(DataError, match="no column 'metric'"):
        read_published_statistics([tmp_path / "a.csv"])
    with pytest.raises(DataError, match="cannot be read"):
        read_published_statistics([tmp_path / "none.csv"])


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="no published results in this checkout")
def test_the_shipped_figures_are_read():
    rows = {
        (row.paper, row.domain): dict(row.values)
        for row in read_published_statistics(PUBLISHED.glob("*.csv"))
    }
    assert rows["c-apo", "grocery"]["average_item_purchases"] == "21.02"
    assert rows["recpo", "steam"] == {"users": "3171", "items": "4251", "interactions": "82072"}
    assert not any(domain == "production" for _, domain in rows)

"""Dataset statistics beside what papers print."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from benchkit.data.dataset_statistics import DatasetStatistics
from benchkit.errors import DataError
from benchkit.report.core.latex import render_latex
from benchkit.report.core.text_table import render_markdown
from benchkit.report.paper.dataset_statistics import (
    PublishedStatistics,
    match_published_statistics,
    read_published_statistics,
    statistics_csv,
    statistics_table,
)

PUBLISHED = Path(__file__).parents[3] / "leaderboards/published"
STATISTICS = DatasetStatistics("my_shop", 3, 3, 6, 2.0, 2.0, 2.0, 1 - 6 / 9, 1 / 3, "1-5")
PRINTED = """paper,table,domain,method,metric,value,variant,note
c-apo,table1,my_shop,-,users,11028,,count
c-apo,table1,my_shop,-,average_length,6.50,,interactions
c-apo,table2,my_shop,SASRec,hr@1,3.47,,percent
recpo,table3,other,-,sequences,12,,count
"""


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
    assert match_published_statistics([STATISTICS], published) == [(STATISTICS, published[0])]
    assert match_published_statistics([STATISTICS], published, paper="recpo") == [
        (STATISTICS, None)
    ]
    assert (
        match_published_statistics([replace(STATISTICS, name="Other")], published)[0][1]
        == published[1]
    )


def test_the_table_in_every_format(published):
    pairs = match_published_statistics(
        [STATISTICS], [*published, replace(published[0], paper="eapo")]
    )
    table = statistics_table(pairs)
    lines = render_markdown([table]).splitlines()
    assert (
        lines[4]
        == r"| my\_shop | measured | 3 | 3 | 6 | 2.00 | 2.00 | 2.00 | 0.3333 | 0.3333 | 1-5 |"
    )
    assert lines[5] == r"| my\_shop | c-apo | 11,028 |  |  | 6.50 |  |  |  |  |  |"
    assert lines[6].startswith(r"| my\_shop | eapo |")
    read = list(csv.DictReader(io.StringIO(statistics_csv(pairs))))
    assert [row["source"] for row in read] == ["measured", "c-apo", "eapo"]
    assert float(read[0]["sparsity"]) == STATISTICS.sparsity and read[1]["users"] == "11028"
    latex = render_latex([table])
    assert r"my\_shop & c-apo & 11,028 &  &  & 6.50 &  &  &  &  &  \\" in latex
    assert "whole sequences" in latex and "whole sequences" in lines[-1]
    without_times = statistics_table([(replace(STATISTICS, tied_users=None), None)])
    assert without_times.rows[0][-2] == ""


def test_broken_files_are_named(tmp_path):
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

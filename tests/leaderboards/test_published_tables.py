"""The files of the published papers are complete: their form, rows, headings, units and grids."""

import csv
import math
import re
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from tests.support.published_results import FOLDER, PAPERS, read_paper

HEADER = ["paper", "table", "domain", "method", "group", "metric", "value", "variant", "note"]

COUNTS = {
    "c-apo": {
        "abstract": 1,
        "section1": 1,
        "table1": 25,
        "table2": 300,
        "section4.3": 7,
        "section4.4": 2,
        "figure4": 3,
        "section4.6": 14,
        "table3": 20,
        "section4.7": 4,
        "sectionD": 6,
        "table5": 12,
        "sectionF": 6,
        "sectionG": 2,
        "table6": 54,
        "table7": 18,
    },
    "twice-rec": {
        "abstract": 1,
        "rq1": 8,
        "table1": 456,
        "rq2": 2,
        "figure4": 2,
        "table2": 12,
    },
    "recpo": {"table1": 72, "section6.2": 2, "table2": 12, "section6.3": 2, "table3": 12},
    "eapo": {
        "section1": 1,
        "table1": 90,
        "section4.2": 3,
        "table2": 27,
        "section4.3": 1,
        "sectionC.2": 8,
        "table3": 27,
        "table4": 9,
        "sectionC.3": 2,
    },
    "rationale-integration": {
        "section3": 6,
        "table1": 60,
        "section4.1": 2,
        "figure1": 2,
        "section4.3": 2,
    },
}

# The unit is the part of the note before the first semicolon.
RANGES = {
    "percent": (0.0, 100.0),
    "percentage_points": (-100.0, 100.0),
    "ratio": (0.0, 1.0),
    "probability": (0.0, 1.0),
    "coefficient": (-1.0, 1.0),
    "grade_0_3": (0.0, 3.0),
    "factor": (1.0, 10.0),
    "count": (1.0, math.inf),
    "thousands": (0.0, math.inf),
    "interactions": (1.0, math.inf),
    "parts": (1.0, 10.0),
    "milliseconds_per_call": (1.0, math.inf),
    "z_score": (-math.inf, math.inf),
}

# How many methods a table has under each heading, in its order.
GROUPS = {
    ("c-apo", "table2"): {"CF Rec": 10, "LLM Rec": 10},
    ("twice-rec", "table1"): {"CF Rec": 9, "LLM Rec": 10},
    ("rationale-integration", "table1"): {"CF Rec": 5, "LLM Rec": 5},
    ("eapo", "table1"): {"Traditional": 3, "LM-based": 5, "PO-based": 2},
    ("recpo", "table1"): {"Traditional": 3, "LLM-based": 5, "Ours": 1},
}


def test_every_paper_has_its_file():
    assert {path.stem for path in FOLDER.glob("*.csv")} >= set(PAPERS)


@pytest.mark.parametrize("paper", PAPERS)
def test_format(paper):
    raw = (FOLDER / f"{paper}.csv").read_bytes()
    assert b"\r" not in raw
    assert raw.endswith(b"\n")
    assert not raw.startswith(b"\xef\xbb\xbf")
    records = list(csv.reader(raw.decode("utf-8").splitlines()))
    assert records[0] == HEADER
    assert {len(record) for record in records} == {len(HEADER)}
    assert {record[0] for record in records[1:]} == {paper}
    for record in records[1:]:
        assert all(cell == cell.strip() for cell in record)
        cells = dict(zip(HEADER, record, strict=True))
        assert all(cells[name] for name in HEADER if name not in {"group", "variant", "note"})
        assert re.fullmatch(r"-|[a-z0-9]+(-[a-z0-9]+)*", cells["domain"]), record
        assert re.fullmatch(r"[a-z0-9_@]+", cells["metric"]), record


@pytest.mark.parametrize("paper", PAPERS)
def test_row_counts(paper):
    tables = [row["table"] for row in read_paper(paper)]
    assert Counter(tables) == COUNTS[paper]
    # Each table's rows lie together, in the order of COUNTS.
    assert list(dict.fromkeys(tables)) == list(COUNTS[paper])
    assert sum(a != b for a, b in pairwise(tables)) == len(COUNTS[paper]) - 1


def test_rows_stand_under_the_headings_of_their_table():
    headings = defaultdict(dict)
    for paper in PAPERS:
        for row in read_paper(paper):
            headings[paper, row["table"]][row["method"], row["group"]] = None
    grouped = {key: list(rows) for key, rows in headings.items() if any(g for _, g in rows)}
    assert {key: Counter(group for _, group in rows) for key, rows in grouped.items()} == GROUPS
    for key, rows in grouped.items():
        order = [group for _, group in rows]
        assert list(dict.fromkeys(order)) == list(GROUPS[key])
        assert order == sorted(order, key=list(GROUPS[key]).index)


@pytest.mark.parametrize("paper", PAPERS)
def test_keys_are_unique(paper):
    keys = Counter(
        tuple(row[c] for c in HEADER if c not in {"value", "note"}) for row in read_paper(paper)
    )
    assert [key for key, count in keys.items() if count > 1] == []


@pytest.mark.parametrize("paper", PAPERS)
def test_values_lie_in_the_range_of_their_unit(paper):
    for row in read_paper(paper):
        assert re.fullmatch(r"\d+(\.\d+)?", row["value"]), row
        unit, *remark = row["note"].split("; ")
        low, high = RANGES[unit]
        assert low <= float(row["value"]) <= high, row
        assert remark in ([], ["approximate"], ["lower bound"]), row
        if unit == "count":
            assert row["value"].isdigit(), row


def test_tables_are_full_grids():
    for paper, table, domains, methods in (
        ("c-apo", "table2", 5, 20),
        ("c-apo", "table6", 2, 9),
        ("c-apo", "table7", 1, 6),
        ("twice-rec", "table1", 8, 19),
        ("recpo", "table1", 4, 9),
        ("recpo", "table2", 4, 3),
        ("eapo", "table1", 3, 10),
        ("eapo", "table4", 1, 3),
        ("rationale-integration", "table1", 2, 10),
    ):
        rows = [row for row in read_paper(paper) if row["table"] == table]
        cells = {(row["domain"], row["method"], row["metric"]) for row in rows}
        metrics = {row["metric"] for row in rows}
        assert len({cell[0] for cell in cells}) == domains
        assert len({cell[1] for cell in cells}) == methods
        assert len(cells) == len(rows) == domains * methods * len(metrics)

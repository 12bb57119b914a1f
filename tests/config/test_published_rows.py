"""Every method of a published table has a row in the suite that points at the table."""

import csv
from pathlib import Path

import pytest

from benchkit.config.suite import list_shipped_suites, load_suite
from benchkit.report.paper.published_values import read_published_table, same_method

FOLDER = Path(__file__).resolve().parents[2] / "leaderboards" / "published"
SUITES = {name: load_suite(name) for name in list_shipped_suites()}
POINTED_AT = {table: name for name, suite in SUITES.items() for table in suite.published}
RATES = {"hr@1", "hr@5", "ndcg@5", "valid_ratio"}


def published_tables():
    tables = {}
    for path in sorted(FOLDER.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                # What was measured in production needs its customers, not a suite.
                if row["metric"] in RATES and row["method"] != "-":
                    tables.setdefault(f"{row['paper']}:{row['table']}", set()).add(row["method"])
    return tables


TABLES = published_tables()


def test_every_published_table_has_a_suite():
    assert {name for name in TABLES if name not in POINTED_AT} == set()
    assert len(TABLES) == 11


@pytest.mark.parametrize("table", TABLES)
def test_every_published_method_has_a_row(table):
    suite = SUITES[POINTED_AT[table]]
    missing = [
        method
        for method in TABLES[table]
        if not any(same_method(row.name, method) for row in suite.methods)
    ]
    assert not missing


@pytest.mark.parametrize("table", TABLES)
def test_rows_stand_in_the_papers_order(table):
    """The main tables; rows of ours stand before the paper's or among them."""
    suite = SUITES[POINTED_AT[table]]
    if suite.published[0] != table:
        pytest.skip("a further table of its suite")
    labels = [row.name for row in suite.methods]
    places = []
    for method in dict.fromkeys(value.method for value in read_published_table(FOLDER, table)):
        spelt = [i for i, label in enumerate(labels) if same_method(label, method)]
        places.append(max(spelt))
    assert places == sorted(places)


@pytest.mark.parametrize("name", [name for name in SUITES if SUITES[name].published])
def test_suites_have_the_controls(name):
    labels = {row.name for row in SUITES[name].methods}
    assert {"random", "popularity"} <= labels

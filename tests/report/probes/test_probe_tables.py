"""Probes in words: "none found" and "too few to tell" read differently, on screen and in files."""

import csv
import json
import re

import polars as pl
import pytest
from rich.console import Console

from benchkit.judging.probes.probe_run import PROBE_COLUMNS
from benchkit.judging.probes.probe_summary import summarize_probes
from benchkit.report.core.terminal_table import print_tables
from benchkit.report.core.text_table import render_markdown
from benchkit.report.probes.files import write_probes
from benchkit.report.probes.tables import describe_outcome, probe_tables

UNMEASURED = pl.DataFrame(
    {"judge": ["strict"] * 2, "probe": ["parts reversed", "self-preference"],
     "reason": ["it reads no rubric", "there is one judge"]}
)  # fmt: skip


def make_summary(n=40, criteria=("rating",)):
    """A judge that likes padding and orders, is steady else, and is unstable."""
    moves = {
        ("padded", "no change"): lambda i: i % 2,
        ("item first", "no change"): lambda i: 0,
        ("injection", "no rise"): lambda i: -(i % 2),
        ("another's rationale", "fall"): lambda i: 0,
        ("asked again", "same grade"): lambda i: (i % 3 == 0) * (-1) ** i,
    }
    rows = [
        ("strict", f"c{i}", f"c{i}", *probe, criterion, 1.0, 1.0 + move(i), 1.0, 3.0)
        for probe, move in moves.items()
        for criterion in criteria
        for i in range(n)
    ]
    schema = {"judge": pl.String, **PROBE_COLUMNS}
    return summarize_probes(pl.DataFrame(rows, schema=schema, orient="row"))


def sentences(summary):
    return {row["probe"]: describe_outcome(row) for row in summary.to_dicts()}


def test_sentences_of_enough_cases():
    summary = make_summary(60)
    said = sentences(summary)
    assert said["padded"] == "padded: biased: grades rise by 0.50."
    assert re.fullmatch(
        r"item first: no bias found; shifts above 0\.\d\d would have been seen\.",
        said["item first"],
    )
    assert said["injection"] == "injection: grades fall, as they may."
    assert re.fullmatch(
        r"another's rationale: no fall found, where one of 0\.\d\d would have been seen\.",
        said["another's rationale"],
    )
    assert said["asked again"] == "asked again: unstable: 33 % of the grades change."


def test_sentences_of_too_few_cases():
    said = sentences(make_summary(16))
    assert re.fullmatch(
        r"item first: too few cases to tell: only a shift of the mean above 0\.\d\d would have been"
        r" seen, and 0\.30 matters\.",
        said["item first"],
    )
    least = sentences(make_summary(5))
    expected = "too few cases to tell: no effect, however large, could be seen."
    assert least["item first"] == f"item first: {expected}"
    assert "a share of changed grades above" in least["asked again"]


def test_a_fall_that_ought_to_be_and_a_fall_that_is_a_bias():
    summary = make_summary(60)
    row = summary.row(by_predicate=pl.col("probe") == "injection", named=True)
    assert describe_outcome(row | {"expected": "fall"}).endswith("grades fall, as they ought to.")
    worse = row | {"expected": "no change", "outcome": "biased"}
    assert describe_outcome(worse) == "injection: biased: grades fall by 0.50."


@pytest.mark.parametrize("criteria", [("rating",), ("grounding", "persuasiveness")])
def test_tables_fit_into_80_columns(criteria, capsys):
    tables = list(probe_tables(make_summary(40, criteria), UNMEASURED))
    assert [table.title for table in tables] == [
        "Probes of judge strict", "Probes of judge strict: what grades did"
    ]  # fmt: skip
    assert len(tables[0].rows) == 5 * len(criteria)
    print_tables(Console(width=80), tables)
    screen = capsys.readouterr().out
    assert "padded" in screen and "no bias found" in " ".join(screen.split())
    table_lines = [line for line in screen.splitlines() if re.search(r"\[[-+]?\d", line)]
    assert table_lines and max(map(len, table_lines)) <= 80
    notes = " ".join(tables[0].notes)
    assert "Not measured: parts reversed: it reads no rubric." in notes
    assert f"among {5 * len(criteria)} tests" in notes
    assert ("padded, grounding: biased" in notes) == (len(criteria) > 1)


def test_files_hold_the_same_figures(tmp_path):
    summary = make_summary()
    paths = write_probes(summary, UNMEASURED, tmp_path)
    names = ["probes-strict.md", "probes-strict.csv", "probes-strict.json"]
    assert [path.name for path in paths] == names
    record = json.loads(paths[2].read_text())
    assert (record["level"], record["power"], record["tests"]) == (0.05, 0.8, 5)
    assert record["probes"] == summary.to_dicts()
    assert record["not_measured"][0]["reason"] == "it reads no rubric"
    rows = list(csv.DictReader(paths[1].read_text().splitlines()))
    assert [row["probe"] for row in rows] == summary["probe"].to_list()
    assert float(rows[0]["effect"]) == summary["effect"][0] == 0.5
    text = render_markdown(list(probe_tables(summary, UNMEASURED)))
    assert paths[0].read_text() == text and "no bias found" in text


def test_each_judge_has_its_files_and_all_tests_are_adjusted_together(tmp_path):
    one = make_summary()
    both = pl.concat([one, one.with_columns(judge=pl.lit("other"))])
    paths = write_probes(both, UNMEASURED, tmp_path, {"other": ("a caveat",)}, is_synthetic=True)
    assert len(paths) == 6
    record = json.loads((tmp_path / "probes-other.json").read_text())
    assert (record["tests"], record["synthetic"], record["caveats"]) == (10, True, ["a caveat"])
    assert {row["judge"] for row in record["probes"]} == {"other"}
    text = (tmp_path / "probes-other.md").read_text()
    assert "SYNTHETIC: Probes of judge other" in text and "Judge other: a caveat." in text
    assert "among 10 tests" in text and "judge strict" not in text


def test_a_few_equal_changes_have_no_interval():
    for n, interval in ((3, "[unknown]"), (30, "[")):
        rows = [("strict", f"c{i}", f"c{i}", "padded", "no change", "rating", 1.0, 2.0, 1.0, 3.0)
                for i in range(n)]  # fmt: skip
        schema = {"judge": pl.String, **PROBE_COLUMNS}
        summary = summarize_probes(pl.DataFrame(rows, schema=schema, orient="row"))
        tests, _ = probe_tables(summary, UNMEASURED.clear())
        assert tests.rows[0][2].startswith(f"+1.00 {interval}")
        assert any(note.startswith("[unknown]: with fewer") for note in tests.notes) == (n == 3)


def test_no_fall_is_an_outcome_of_its_own():
    tests, _ = probe_tables(make_summary(60), UNMEASURED)
    by_probe = {row[0]: row for row in tests.rows}
    assert by_probe["another's rationale"][-2:] == ("1.000", "no fall found")


def test_what_was_never_graded_is_said_so(tmp_path):
    rows = [("strict", "c", "c", "padded", "no change", "rating", None, None, 1.0, 3.0)]
    schema = {"judge": pl.String, **PROBE_COLUMNS}
    summary = summarize_probes(pl.DataFrame(rows, schema=schema, orient="row"))
    tests, counts = probe_tables(summary, UNMEASURED.clear())
    assert tests.rows[0][-1] == "not graded"
    assert counts.rows[0][-1] == "1"
    assert "padded: not graded: no answer has a grade both as it is and changed." in tests.notes
    assert not any("too few" in note for note in tests.notes)
    _, as_csv, as_json = write_probes(summary, UNMEASURED.clear(), tmp_path)
    assert [r["outcome"] for r in csv.DictReader(as_csv.open())] == ["not graded"]
    assert [r["outcome"] for r in json.loads(as_json.read_text())["probes"]] == ["not graded"]


def test_no_judges_files_are_overwritten_by_anothers(tmp_path):
    labels = ("a-b", "a b", "a/b", "A-b", "a.b")
    for label in labels:
        write_probes(make_summary().with_columns(judge=pl.lit(label)), UNMEASURED, tmp_path)
    judges = [json.loads(p.read_text())["probes"][0]["judge"] for p in tmp_path.glob("*.json")]
    assert sorted(judges) == sorted(labels) and (tmp_path / "probes-a-b.json").exists()


def test_a_judge_that_has_nothing_to_grade_is_named(tmp_path):
    other = UNMEASURED.with_columns(judge=pl.lit("idle"))
    both = pl.concat([UNMEASURED, other])
    *_, idle = probe_tables(make_summary(), both, is_synthetic=True)
    assert (idle.title, idle.rows) == ("SYNTHETIC: Probes of judge idle", ())
    assert idle.notes == ("There are no answers that it judges.",)
    paths = write_probes(make_summary(), both, tmp_path)
    assert [path.name for path in paths if "idle" in path.name] == []

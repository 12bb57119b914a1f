"""What raters are compared, and what a report of it says, holds and draws."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from benchkit.errors import ConfigError
from benchkit.report.agreement import MEAN, assess
from benchkit.report.agreement_files import (
    CSV_COLUMNS,
    agreement_csv,
    agreement_json,
    confusion_names,
    write_agreement,
)
from benchkit.report.agreement_tables import grids
from benchkit.report.confusion import write_confusions
from benchkit.report.grade_sheets import Sheet
from benchkit.report.grid import markdown

NAN = float("nan")


def people(n=60, raters=("ann", "bob", "gpt"), seed=0, systems=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    grades = np.column_stack(
        [np.searchsorted([-1, 0, 1], truth + 0.6 * rng.normal(size=n)) for _ in raters]
    ).astype(float)
    items = tuple(f"i{k // systems if systems else k}" for k in range(n))
    named = tuple(f"s{k % systems}" for k in range(n)) if systems else None
    return Sheet(items, named, tuple(raters), grades)


# What is compared


def test_without_a_reference_all_pairs_are_compared():
    report = assess(people())
    assert [(p.first, p.second) for p in report.pairs] == [
        ("ann", "bob"), ("ann", "gpt"), ("bob", "gpt"),
    ]  # fmt: skip
    assert [group.raters for group in report.groups] == [("ann", "bob", "gpt")]
    assert report.categories == (0, 1, 2, 3) and report.inferred
    assert report.pairs[0].sample.estimates["kappa"].value > 0.3


def test_one_reference_is_compared_with_each():
    report = assess(people(), ["gpt"])
    assert [(p.first, p.second) for p in report.pairs] == [("gpt", "ann"), ("gpt", "bob")]
    assert report.annotators == ("ann", "bob", "gpt")


def test_several_references_are_compared_by_their_mean_and_among_each_other():
    sheet = people()
    sheet.grades[0, :2] = NAN
    sheet.grades[1] = [NAN, 1, 2]
    sheet.grades[2] = [1, 2, 2]
    report = assess(sheet, ["ann", "bob"], [0, 1, 2, 3])
    assert [(p.first, p.second) for p in report.pairs] == [(MEAN, "gpt"), ("ann", "bob")]
    assert [group.raters for group in report.groups] == [("ann", "bob"), ("ann", "bob", "gpt")]
    pair = report.pairs[0].sample
    with np.errstate(all="ignore"):
        means = np.array(
            [np.mean(r[~np.isnan(r)]) if any(r == r) else NAN for r in sheet.grades[:, :2]]
        )
    there = ~np.isnan(means)
    assert pair.n == there.sum() == 59 and pair.missing == (1, 0, 0)
    assert pair.rounded == (means[there] % 1 > 0).sum() > 0
    r = np.corrcoef(means[there], sheet.grades[there, 2])[0, 1]
    assert pair.estimates["pearson"].value == pytest.approx(r)
    assert report.groups[0].items == 58 and report.groups[0].single == 1
    assert report.groups[0].none == 1 and report.groups[0].icc.incomplete == 2


def test_systems_are_compared_by_means_and_within_items():
    report = assess(people(80, ("people", "gpt"), systems=4))
    pair = report.pairs[0]
    assert pair.systems == 4 and set(pair.by_system) == {"spearman", "kendall", "pearson"}
    assert 0 < pair.used["pearson"] <= 20 and pair.within["pearson"].value > 0.3
    text = markdown(list(grids(report)))
    assert "people and gpt, by system" in text and "mean grades of 4 systems" in text
    levels = {row["level"] for row in csv.DictReader(io.StringIO(agreement_csv(report)))}
    assert levels == {"group", "sample", "system", "within-item"}


def test_annotators_far_apart_are_listed():
    grades = np.array([[1.0, 7, 4], [2, 3, 7], [1, 6, NAN]])
    sheet = Sheet(("x", "y", "z"), None, ("ann", "bob", "gpt"), grades)
    report = assess(sheet, ["ann", "bob"], list(range(1, 8)))
    assert [(d.row, d.gap) for d in report.apart] == [(0, 6), (2, 5)]  # in y only the judge is off
    text = markdown(list(grids(report)))
    assert "More than 4 apart, for consensus: 2" in text
    assert "| x | 6 | 1 | 7 |" in text
    report = assess(people(), gap=4)
    assert "No two grades of this scale are more than 4 apart" in markdown(list(grids(report)))
    report = assess(sheet, ["ann", "bob"], list(range(1, 8)), gap=6)
    assert not report.apart
    report = assess(sheet.only(["bob", "gpt"]), categories=range(1, 8))
    assert "No item has grades more than 4 apart." in markdown(list(grids(report)))


@pytest.mark.parametrize(
    ("scale", "gap"), [(range(7), 4), (range(4), 2), (range(5), 8 / 3), (None, 2)]
)
def test_the_default_gap_is_two_thirds_of_the_scale(scale, gap):
    assert assess(people(), categories=scale).gap == pytest.approx(gap)


def test_grades_on_no_scale_have_a_gap_all_the_same():
    sheet = Sheet(("x", "y"), None, ("ann", "bob"), np.array([[0.5, 9.5], [3.0, NAN]]))
    report = assess(sheet)
    assert report.gap == pytest.approx(6) and [d.row for d in report.apart] == [0]


def test_the_scale_is_that_of_the_files():
    sheet = replace(people(), scales=("0-4",))
    report = assess(sheet)
    assert report.categories == (0, 1, 2, 3, 4) and not report.inferred
    assert "Scale: 0, 1, 2, 3, 4. " in markdown(list(grids(report)))
    assert assess(sheet, categories=range(4)).categories == (0, 1, 2, 3)
    same = replace(sheet, scales=("0-4", "0,1,2,3,4"))
    assert assess(same).categories == (0, 1, 2, 3, 4)
    with pytest.raises(ConfigError, match=r"several scales \(0-3, 1-5\)"):
        assess(replace(sheet, scales=("0-3", "1-5")))
    with pytest.raises(ConfigError, match="'large' is no scale"):
        assess(replace(sheet, scales=("large",)))


def weighted_sheet(raters=("ann", "gpt")):
    """Each of 20 cases answered by 3 systems; answers of system s0 weigh 9."""
    sheet = people(60, raters, systems=3)
    weights = np.where(np.array(sheet.systems) == "s0", 9.0, 1.0)
    items = tuple(f"x{place}" for place in range(60))
    return replace(sheet, items=items, clusters=sheet.items, weights=weights)


def test_weights_are_used_and_it_is_said_where():
    sheet = weighted_sheet()
    report = assess(sheet)
    a = sheet.grades[:, 0]
    value = report.pairs[0].sample.estimates["pearson"].value
    repeated = np.repeat(sheet.grades, sheet.weights.astype(int), axis=0)
    assert value == pytest.approx(np.corrcoef(repeated.T)[0, 1])
    text = markdown(list(grids(report)))
    assert "a grade counts for the 1 to 9 answers that its answer stands for" in text
    assert "Krippendorff α, ordinal (unweighted)" in text and "ICC(2,1) (unweighted)" in text
    assert "Values and intervals are weighted; p and n are not." in text
    assert "weighted mean grades of 3 systems" in text
    mean, share = np.average(a, weights=sheet.weights), np.average(a == 1, weights=sheet.weights)
    row = next(line for line in text.splitlines() if line.startswith("| ann "))
    cells = [cell.strip() for cell in row.split("|")]
    assert (cells[4], cells[7]) == (f"{mean:.2f}", f"{share:.3f}".lstrip("0"))
    plain = markdown(list(grids(assess(replace(sheet, weights=None)))))
    assert "weighted" not in plain and "stands for" not in plain


def test_the_csv_says_what_is_weighted():
    report = assess(weighted_sheet(("ann", "bob", "gpt")))
    rows = list(csv.DictReader(io.StringIO(agreement_csv(report))))
    weighted = {(row["level"], row["statistic"]) for row in rows if row["weighted"] == "true"}
    assert {level for level, _ in weighted} == {"group", "sample", "system"}
    assert {name for level, name in weighted if level == "group"} == {"mean_kappa"}
    assert {row["weighted"] for row in rows} == {"true", "false"}
    assert {s["weighted"] for s in agreement_json(report)["statistics"]} == {True, False}
    none = csv.DictReader(io.StringIO(agreement_csv(assess(people()))))
    assert {row["weighted"] for row in none} == {"false"}


def test_answers_to_a_case_go_together():
    """The same case under two names is no second case: clusters, not items, are resampled."""
    sheet = weighted_sheet()
    report = assess(replace(sheet, weights=None))
    by_item = assess(people(60, ("ann", "gpt"), systems=3))
    assert report.pairs[0].sample.estimates == by_item.pairs[0].sample.estimates
    assert report.pairs[0].within == by_item.pairs[0].within
    assert report.pairs[0].by_system == by_item.pairs[0].by_system
    text = markdown(list(grids(report)))
    assert "Intervals: clusters are resampled" in text and "| Within clusters |" in text
    assert "Intervals: items are resampled" in markdown(list(grids(by_item)))
    rows = csv.DictReader(io.StringIO(agreement_csv(report)))
    within = [row for row in rows if row["level"] == "within-item"]
    assert {int(row["n"]) + int(row["missing"]) for row in within} == {20}


def test_a_system_without_common_grades_is_missing():
    sheet = people(60, ("ann", "gpt"), systems=4)
    sheet.grades[np.array(sheet.systems) == "s3", 0] = NAN
    report = assess(sheet)
    assert report.pairs[0].systems == 3
    rows = csv.DictReader(io.StringIO(agreement_csv(report)))
    assert {(r["n"], r["missing"]) for r in rows if r["level"] == "system"} == {("3", "1")}


def test_of_two_raters_kappa_is_said_once():
    text = markdown(list(grids(assess(people(raters=("ann", "bob"))))))
    assert "Mean pairwise kappa" not in text and text.count("Kappa (quadratic)") == 1
    assert "Mean pairwise kappa" in markdown(list(grids(assess(people()))))


def test_one_rater_or_an_unknown_one_is_refused():
    with pytest.raises(ConfigError, match="needs two raters"):
        assess(people().only(["ann"]))
    with pytest.raises(ConfigError, match="no rater 'eve'"):
        assess(people(), ["eve"])


# What is said


def test_tables_show_marginals_missing_grades_and_reasons():
    sheet = people(raters=("ann", "bob"))
    sheet.grades[:5, 0] = NAN
    text = markdown(list(grids(assess(sheet, categories=range(4)))))
    assert "| ann | 55 | 5 |" in text
    assert "Missing: 0 without a grade by bob, 5 by ann, 0 by either." in text
    assert "Exact agreement by chance, given how often each uses each grade: ." in text
    assert "**Confusion: rows ann, columns bob**" in text and "| sum |" in text
    sheet.grades[:] = 2
    text = markdown(list(grids(assess(sheet, categories=range(4)))))
    assert (
        "Kappa (quadratic); Spearman ρ; Kendall τ-b; Pearson r: both raters are constant." in text
    )
    assert "all grades are the same" in text and "nan" not in text
    sheet.grades[:, 0] = NAN
    assert "no item was graded by both" in markdown(list(grids(assess(sheet))))


def test_many_pairs_become_one_table():
    report = assess(people(raters=("a", "b", "c", "d")), ["a", "b", "c"])
    text = markdown(list(grids(report)))
    assert "Pairs of raters" in text and "| b / c | 60 | 0 |" in text
    assert "Reference mean: of a, b, c, where they graded the item." in text
    assert text.count("**Confusion") == 1  # the judge's


def test_grades_on_no_scale_have_no_kappa_and_say_so():
    sheet = people(raters=("ann", "bob"))
    sheet.grades[0, 0] = 0.5
    report = assess(sheet)
    assert report.categories is None
    assert "without --scale there is no kappa" in markdown(list(grids(report)))
    assert report.groups[0].alphas["nominal"].reason == "grades are on no scale of categories"
    rounded = markdown(list(grids(assess(sheet, categories=range(4)))))
    assert "1 grades stand between categories" in rounded


def test_the_csv_and_the_json_hold_every_statistic():
    report = assess(people(raters=("ann", "bob")))
    rows = list(csv.DictReader(io.StringIO(agreement_csv(report))))
    assert tuple(rows[0]) == CSV_COLUMNS and len(rows) == 11
    kappa = next(row for row in rows if row["statistic"] == "kappa")
    assert float(kappa["value"]) == report.pairs[0].sample.estimates["kappa"].value
    assert (kappa["n"], kappa["missing"], kappa["first"]) == ("60", "0", "ann")
    told = json.loads(json.dumps(agreement_json(report), allow_nan=False))
    assert len(told["statistics"]) == 11 and told["categories"] == [0, 1, 2, 3]
    assert np.sum(told["confusions"][0]["counts"]) == 60
    assert next(s for s in told["statistics"] if s["statistic"] == "exact")["p"] is None


def test_files_are_written(tmp_path):
    sheet = people(raters=("ann", "org/judge 1"))
    sheet.grades[0] = [0, 3]
    report = assess(sheet, categories=range(4), gap=2)
    paths = write_agreement(report, tmp_path / "o")
    assert [path.name for path in paths] == [
        "agreement.csv", "disagreements.csv", "confusion-ann-org-judge-1.csv",
    ]  # fmt: skip
    table = list(csv.reader(paths[2].open()))
    assert table[0] == ["ann \\ org/judge 1", "0", "1", "2", "3", "sum"]
    assert table[-1][-1] == "60"
    apart = list(csv.reader(paths[1].open()))
    assert apart[0] == ["item", "gap", "ann", "org/judge 1"] and apart[1][:2] == ["i0", "3"]


def test_names_that_are_one_on_disk_stay_apart():
    report = assess(people(raters=("a", "b c", "b/c")))
    names = [name for _, name in confusion_names(report.pairs)]
    assert len(set(names)) == len(names) == 3


def test_confusions_are_drawn_the_same_each_time(tmp_path):
    pytest.importorskip("matplotlib")
    report = assess(people(raters=("ann", "a judge with $ signs_and a long, long name, indeed")))
    for folder in ("one", "two"):
        paths = write_confusions(report.pairs, tmp_path / folder)
        assert {path.suffix for path in paths} == {".svg", ".png"}
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()

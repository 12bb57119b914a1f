"""What raters are compared, and what a report of it says, holds and draws."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from benchkit.errors import ConfigError
from benchkit.report.agreement.confusion_plot import write_confusions
from benchkit.report.agreement.files import (
    AGREEMENT_CSV_COLUMNS,
    agreement_csv,
    agreement_json,
    confusion_file_names,
    write_agreement,
)
from benchkit.report.agreement.measurement import REFERENCE_MEAN, measure_agreement
from benchkit.report.agreement.ratings_io import RatingsTable
from benchkit.report.agreement.tables import agreement_tables
from benchkit.report.core.text_table import render_markdown

NAN = float("nan")


def people(n=60, raters=("ann", "bob", "gpt"), seed=0, systems=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    grades = np.column_stack(
        [np.searchsorted([-1, 0, 1], truth + 0.6 * rng.normal(size=n)) for _ in raters]
    ).astype(float)
    items = tuple(f"i{k // systems if systems else k}" for k in range(n))
    named = tuple(f"s{k % systems}" for k in range(n)) if systems else None
    return RatingsTable(items, named, tuple(raters), grades)


# What is compared


def test_without_a_reference_all_pairs_are_compared():
    report = measure_agreement(people())
    assert [(p.first, p.second) for p in report.pairs] == [
        ("ann", "bob"), ("ann", "gpt"), ("bob", "gpt"),
    ]  # fmt: skip
    assert [group.raters for group in report.groups] == [("ann", "bob", "gpt")]
    assert report.categories == (0, 1, 2, 3) and report.scale_inferred
    assert report.pairs[0].item_level.estimates["kappa"].value > 0.3


def test_one_reference_is_compared_with_each():
    report = measure_agreement(people(), ["gpt"])
    assert [(p.first, p.second) for p in report.pairs] == [("gpt", "ann"), ("gpt", "bob")]
    assert report.annotators == ("ann", "bob", "gpt")


def test_several_references_are_compared_by_their_mean_and_among_each_other():
    sheet = people()
    sheet.grades[0, :2] = NAN
    sheet.grades[1] = [NAN, 1, 2]
    sheet.grades[2] = [1, 2, 2]
    report = measure_agreement(sheet, ["ann", "bob"], [0, 1, 2, 3])
    assert [(p.first, p.second) for p in report.pairs] == [(REFERENCE_MEAN, "gpt"), ("ann", "bob")]
    assert [group.raters for group in report.groups] == [("ann", "bob"), ("ann", "bob", "gpt")]
    pair = report.pairs[0].item_level
    with np.errstate(all="ignore"):
        means = np.array(
            [np.mean(r[~np.isnan(r)]) if any(r == r) else NAN for r in sheet.grades[:, :2]]
        )
    is_graded = ~np.isnan(means)
    assert pair.n == is_graded.sum() == 59 and pair.missing == (1, 0, 0)
    assert pair.n_rounded == (means[is_graded] % 1 > 0).sum() > 0
    r = np.corrcoef(means[is_graded], sheet.grades[is_graded, 2])[0, 1]
    assert pair.estimates["pearson"].value == pytest.approx(r)
    assert report.groups[0].n_items == 58 and report.groups[0].n_single == 1
    assert report.groups[0].n_ungraded == 1 and report.groups[0].icc.incomplete == 2


def test_systems_are_compared_by_means_and_within_items():
    report = measure_agreement(people(80, ("people", "gpt"), systems=4))
    pair = report.pairs[0]
    assert pair.n_systems == 4 and set(pair.system_level) == {"spearman", "kendall", "pearson"}
    assert 0 < pair.within_item_counts["pearson"] <= 20 and pair.within_item["pearson"].value > 0.3
    text = render_markdown(list(agreement_tables(report)))
    assert "people and gpt, by system" in text and "mean grades of 4 systems" in text
    alone = render_markdown(list(agreement_tables(measure_agreement(people(9, systems=1)))))
    assert "mean grades of 1 system; p" in alone
    levels = {row["level"] for row in csv.DictReader(io.StringIO(agreement_csv(report)))}
    assert levels == {"group", "sample", "system", "within-item"}


def test_annotators_far_apart_are_listed():
    grades = np.array([[1.0, 7, 4], [2, 3, 7], [1, 6, NAN]])
    sheet = RatingsTable(("x", "y", "z"), None, ("ann", "bob", "gpt"), grades)
    report = measure_agreement(sheet, ["ann", "bob"], list(range(1, 8)))
    assert [(d.row, d.gap) for d in report.disagreements] == [
        (0, 6),
        (2, 5),
    ]  # in y only the judge is off
    text = render_markdown(list(agreement_tables(report)))
    assert "More than 4 apart, for consensus: 2" in text
    assert "| x | 6 | 1 | 7 |" in text
    report = measure_agreement(people(), gap=4)
    assert "No two grades of this scale are more than 4 apart" in render_markdown(
        list(agreement_tables(report))
    )
    report = measure_agreement(sheet, ["ann", "bob"], list(range(1, 8)), gap=6)
    assert not report.disagreements
    report = measure_agreement(sheet.select_raters(["bob", "gpt"]), categories=range(1, 8))
    assert "No item has grades more than 4 apart." in render_markdown(
        list(agreement_tables(report))
    )


@pytest.mark.parametrize(
    ("scale", "gap"), [(range(7), 4), (range(4), 2), (range(5), 8 / 3), (None, 2)]
)
def test_the_default_gap_is_two_thirds_of_the_scale(scale, gap):
    assert measure_agreement(people(), categories=scale).gap == pytest.approx(gap)


def test_grades_on_no_scale_have_a_gap_all_the_same():
    sheet = RatingsTable(("x", "y"), None, ("ann", "bob"), np.array([[0.5, 9.5], [3.0, NAN]]))
    report = measure_agreement(sheet)
    assert report.gap == pytest.approx(6) and [d.row for d in report.disagreements] == [0]


def test_the_scale_is_that_of_the_files():
    sheet = replace(people(), scales=("0-4",))
    report = measure_agreement(sheet)
    assert report.categories == (0, 1, 2, 3, 4) and not report.scale_inferred
    assert "Scale: 0, 1, 2, 3, 4. " in render_markdown(list(agreement_tables(report)))
    assert measure_agreement(sheet, categories=range(4)).categories == (0, 1, 2, 3)
    same = replace(sheet, scales=("0-4", "0,1,2,3,4"))
    assert measure_agreement(same).categories == (0, 1, 2, 3, 4)
    with pytest.raises(ConfigError, match=r"several scales \(0-3, 1-5\)"):
        measure_agreement(replace(sheet, scales=("0-3", "1-5")))
    with pytest.raises(ConfigError, match="'large' is not a scale"):
        measure_agreement(replace(sheet, scales=("large",)))


def weighted_sheet(raters=("ann", "gpt")):
    """Each of 20 cases answered by 3 systems; answers of system s0 weigh 9."""
    sheet = people(60, raters, systems=3)
    weights = np.where(np.array(sheet.systems) == "s0", 9.0, 1.0)
    items = tuple(f"x{place}" for place in range(60))
    return replace(sheet, items=items, clusters=sheet.items, weights=weights)


def test_weights_are_used_and_it_is_said_where():
    sheet = weighted_sheet()
    report = measure_agreement(sheet)
    a = sheet.grades[:, 0]
    value = report.pairs[0].item_level.estimates["pearson"].value
    repeated = np.repeat(sheet.grades, sheet.weights.astype(int), axis=0)
    assert value == pytest.approx(np.corrcoef(repeated.T)[0, 1])
    text = render_markdown(list(agreement_tables(report)))
    assert "each grade counts for the 1 to 9 answers that its answer represents" in text
    assert "Krippendorff α, ordinal (unweighted)" in text and "ICC(2,1) (unweighted)" in text
    assert "Values and intervals are weighted; p and n are not." in text
    assert "weighted mean grades of 3 systems" in text
    mean, share = np.average(a, weights=sheet.weights), np.average(a == 1, weights=sheet.weights)
    row = next(line for line in text.splitlines() if line.startswith("| ann "))
    cells = [cell.strip() for cell in row.split("|")]
    assert (cells[4], cells[7]) == (f"{mean:.2f}", f"{share:.3f}".lstrip("0"))
    plain = render_markdown(list(agreement_tables(measure_agreement(replace(sheet, weights=None)))))
    assert "weighted" not in plain and "stands for" not in plain


def test_the_csv_says_what_is_weighted():
    report = measure_agreement(weighted_sheet(("ann", "bob", "gpt")))
    rows = list(csv.DictReader(io.StringIO(agreement_csv(report))))
    weighted = {(row["level"], row["statistic"]) for row in rows if row["weighted"] == "true"}
    assert {level for level, _ in weighted} == {"group", "sample", "system"}
    assert {name for level, name in weighted if level == "group"} == {"mean_kappa"}
    assert {row["weighted"] for row in rows} == {"true", "false"}
    assert {s["weighted"] for s in agreement_json(report)["statistics"]} == {True, False}
    none = csv.DictReader(io.StringIO(agreement_csv(measure_agreement(people()))))
    assert {row["weighted"] for row in none} == {"false"}


def test_answers_to_a_case_go_together():
    """The same case under two names is no second case: clusters, not items, are resampled."""
    sheet = weighted_sheet()
    report = measure_agreement(replace(sheet, weights=None))
    by_item = measure_agreement(people(60, ("ann", "gpt"), systems=3))
    assert report.pairs[0].item_level.estimates == by_item.pairs[0].item_level.estimates
    assert report.pairs[0].within_item == by_item.pairs[0].within_item
    assert report.pairs[0].system_level == by_item.pairs[0].system_level
    text = render_markdown(list(agreement_tables(report)))
    assert "Intervals: clusters are resampled" in text and "| Within clusters |" in text
    assert "Intervals: items are resampled" in render_markdown(list(agreement_tables(by_item)))
    rows = csv.DictReader(io.StringIO(agreement_csv(report)))
    within = [row for row in rows if row["level"] == "within-item"]
    assert {int(row["n"]) + int(row["missing"]) for row in within} == {20}


def test_a_system_without_common_grades_is_missing():
    sheet = people(60, ("ann", "gpt"), systems=4)
    sheet.grades[np.array(sheet.systems) == "s3", 0] = NAN
    report = measure_agreement(sheet)
    assert report.pairs[0].n_systems == 3
    rows = csv.DictReader(io.StringIO(agreement_csv(report)))
    assert {(r["n"], r["missing"]) for r in rows if r["level"] == "system"} == {("3", "1")}


def test_of_two_raters_kappa_is_said_once():
    text = render_markdown(list(agreement_tables(measure_agreement(people(raters=("ann", "bob"))))))
    assert "Mean pairwise kappa" not in text and text.count("Kappa (quadratic)") == 1
    assert "Mean pairwise kappa" in render_markdown(
        list(agreement_tables(measure_agreement(people())))
    )


def test_one_rater_or_an_unknown_one_is_refused():
    with pytest.raises(ConfigError, match="needs two raters"):
        measure_agreement(people().select_raters(["ann"]))
    with pytest.raises(ConfigError, match="no rater 'eve'"):
        measure_agreement(people(), ["eve"])


# What is said


def test_tables_show_marginals_missing_grades_and_reasons():
    sheet = people(raters=("ann", "bob"))
    sheet.grades[:5, 0] = NAN
    text = render_markdown(list(agreement_tables(measure_agreement(sheet, categories=range(4)))))
    assert "| ann | 55 | 5 |" in text
    assert "Missing: 0 without a grade by bob, 5 by ann, 0 by either." in text
    assert "Exact agreement by chance, given how often each uses each grade: ." in text
    assert "**Confusion: rows ann, columns bob**" in text and "| sum |" in text
    sheet.grades[:] = 2
    text = render_markdown(list(agreement_tables(measure_agreement(sheet, categories=range(4)))))
    assert (
        "Kappa (quadratic); Spearman ρ; Kendall τ-b; Pearson r: both raters are constant." in text
    )
    assert "all grades are the same" in text and "nan" not in text
    trio = people(raters=("ann", "bob", "gpt"))
    trio.grades[:, 0] = NAN
    assert "no item was graded by both" in render_markdown(
        list(agreement_tables(measure_agreement(trio)))
    )


def test_many_pairs_become_one_table():
    report = measure_agreement(people(raters=("a", "b", "c", "d")), ["a", "b", "c"])
    text = render_markdown(list(agreement_tables(report)))
    assert "Pairs of raters" in text and "| b / c | 60 | 0 |" in text
    assert "Reference mean: of a, b, c, where they graded the item." in text
    assert text.count("**Confusion") == 1  # the judge's


def test_grades_on_no_scale_have_no_kappa_and_say_so():
    sheet = people(raters=("ann", "bob"))
    sheet.grades[0, 0] = 0.5
    report = measure_agreement(sheet)
    assert report.categories is None
    assert "without --scale there is no kappa" in render_markdown(list(agreement_tables(report)))
    assert report.groups[0].alphas["nominal"].reason == "grades are on no scale of categories"
    rounded = render_markdown(list(agreement_tables(measure_agreement(sheet, categories=range(4)))))
    assert "Between categories: 1 grade" in rounded


def test_the_csv_and_the_json_hold_every_statistic():
    report = measure_agreement(people(raters=("ann", "bob")))
    rows = list(csv.DictReader(io.StringIO(agreement_csv(report))))
    assert tuple(rows[0]) == AGREEMENT_CSV_COLUMNS and len(rows) == 11
    kappa = next(row for row in rows if row["statistic"] == "kappa")
    assert float(kappa["value"]) == report.pairs[0].item_level.estimates["kappa"].value
    assert (kappa["n"], kappa["missing"], kappa["first"]) == ("60", "0", "ann")
    message = json.loads(json.dumps(agreement_json(report), allow_nan=False))
    assert len(message["statistics"]) == 11 and message["categories"] == [0, 1, 2, 3]
    assert np.sum(message["confusions"][0]["counts"]) == 60
    assert next(s for s in message["statistics"] if s["statistic"] == "exact")["p"] is None


def test_files_are_written(tmp_path):
    sheet = people(raters=("ann", "org/judge 1"))
    sheet.grades[0] = [0, 3]
    report = measure_agreement(sheet, categories=range(4), gap=2)
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
    report = measure_agreement(people(raters=("a", "b c", "b/c")))
    names = [name for _, name in confusion_file_names(report.pairs)]
    assert len(set(names)) == len(names) == 3


def test_confusions_are_drawn_the_same_each_time(tmp_path):
    pytest.importorskip("matplotlib")
    report = measure_agreement(
        people(raters=("ann", "a judge with $ signs_and a long, long name, indeed"))
    )
    for folder in ("one", "two"):
        paths = write_confusions(report.pairs, tmp_path / folder)
        assert {path.suffix for path in paths} == {".svg", ".png"}
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()

"""Judges corrected by people, from a store with labels to what is printed and written."""

import csv
import io
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from benchkit.api.stored_results import load_results
from benchkit.errors import DataError
from benchkit.judging.annotation.population import find_judgements
from benchkit.report.agreement.ratings_io import read_ratings
from benchkit.report.calibration.files import CALIBRATION_CSV_COLUMNS, calibration_csv
from benchkit.report.calibration.judged_answers import (
    JudgedAnswers,
    answers_of_judgements,
    answers_of_ratings,
    join_labels,
)
from benchkit.report.calibration.measurement import measure_calibration
from benchkit.report.calibration.people_labels import read_people_labels
from benchkit.report.calibration.plan_table import plan_tables
from benchkit.report.calibration.tables import calibration_tables
from benchkit.report.core.text_table import render_markdown
from benchkit.report.grades.answers import answer_grades
from benchkit.report.grades.collection import collect_grades
from benchkit.report.grades.tables import grade_tables, grades_csv
from benchkit.runs.store import Store
from benchkit.stats.calibration.answer_group import make_group
from benchkit.stats.calibration.label_plan import GroupPlan, LabelPlan, plan_labels
from tests.support.labelled_store import METHODS, LabelledStore


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return LabelledStore(tmp_path_factory.mktemp("kind"))


@pytest.fixture(scope="module")
def favouring(tmp_path_factory):
    """The judge raises gamma, which people like least, above the others."""
    return LabelledStore(tmp_path_factory.mktemp("favouring"), favour=1)


def measure(store):
    labels = read_people_labels([store.labels])
    (answers,) = answers_of_judgements(find_judgements([store.store], "plum"), labels)
    return measure_calibration(answers)


def tables(report):
    return {table.title.split(":")[0]: table for table in calibration_tables([report])}


def test_the_corrected_means_cover_what_people_would_say(favouring):
    report = measure(favouring)
    assert report.answers.methods == METHODS
    for method in report.methods:
        truth = np.append(favouring.truth[method.method], 1).mean()  # and the missing one's grade 1
        corrected, judge = method.mean.corrected, method.mean.judge_alone
        assert (method.n_answers, method.n_labels) == (240, 60)
        assert corrected.low - 0.05 <= truth <= corrected.high + 0.05
        assert judge.low > truth and judge.value > corrected.high
        assert corrected.half_width <= method.mean.labels_alone.half_width
        assert 60 < method.mean.effective_labels < 240
    assert report.overall.corrected.half_width < report.methods[0].mean.corrected.half_width


def test_the_judge_s_order_is_corrected(favouring):
    report = measure(favouring)
    (best, *_), last = report.differences, report.differences[-1]
    assert (best.first, last.second) == ("alpha", "gamma")
    first_last = next(d for d in report.differences if (d.first, d.second) == ("alpha", "gamma"))
    assert first_last.estimate.judge_alone.high < 0 < first_last.estimate.corrected.low


def test_shares_are_corrected_and_add_up(store):
    for method in measure(store).methods:
        corrected = [share.corrected for share in method.shares]
        assert sum(share.judge for share in method.shares) == pytest.approx(1)
        assert sum(part.value for part in corrected if part) == pytest.approx(1, abs=0.1)
        truth = store.truth[method.method]
        covered = [
            part.low - 0.03 <= (truth == share.grade).mean() <= part.high + 0.03
            for share, part in zip(method.shares, corrected, strict=True)
            if part
        ]
        assert len(covered) >= 3 and all(covered)


def test_a_grade_that_nobody_gave_has_no_share(store):
    labels = read_people_labels([store.labels])
    none = replace(labels, table=labels.table.with_columns(pl.col("grade").clip(0, 2)))
    (answers,) = answers_of_judgements(find_judgements([store.store], "plum"), none)
    report = measure_calibration(answers)
    assert all(method.shares[3].corrected is None for method in report.methods)
    assert "-: people gave the grade to none" in render_markdown(calibration_tables([report]))


def test_equal_labels_do_not_look_exactly_known(store):
    labels = read_people_labels([store.labels])
    is_alpha = pl.col("system") == "alpha"
    grade = pl.when(is_alpha).then(2.0).otherwise("grade").alias("grade")
    equal = replace(labels, table=labels.table.with_columns(grade))
    (answers,) = answers_of_judgements(find_judgements([store.store], "plum"), equal)
    report = measure_calibration(answers)
    alpha = report.methods[0].mean
    assert alpha.corrected.half_width > 0.05 and alpha.effective_labels == pytest.approx(60)
    means = tables(report)["Means corrected by people"]
    assert "[" in means.rows[0][3] and "[" in means.rows[0][4]
    assert "alpha: people gave all 2; the interval allows" in " ".join(means.notes)
    difference = next(d for d in report.differences if {d.first, d.second} == {"alpha", "beta"})
    assert difference.estimate.corrected.half_width > report.methods[1].mean.corrected.half_width


def test_equal_labels_say_nothing_of_a_shift(store):
    labels = read_people_labels([store.labels])
    equal = replace(labels, table=labels.table.with_columns(grade=pl.lit(2.0)))
    (answers,) = answers_of_judgements(find_judgements([store.store], "plum"), equal)
    report = measure_calibration(answers)
    shown = tables(report)["Does the calibration of the others hold? toys, rating, judge stern"]
    assert [row[2:] for row in shown.rows] == [("-", "-", "open")] * 3
    assert any(note.startswith("-: labels that are all equal") for note in shown.notes)
    assert "The interval is of each method by itself, not adjusted as p is." in shown.notes
    assert "detectable" not in calibration_csv([report])


def test_synthetic_people_are_said_in_every_title(store):
    labels = read_people_labels([store.labels])
    table = labels.table.with_columns(rater=pl.format("SYNTHETIC {}", "rater"))
    synthetic = replace(labels, table=table)
    (answers,) = answers_of_judgements(find_judgements([store.store], "plum"), synthetic)
    shown = list(calibration_tables([measure_calibration(answers)]))
    shown += plan_tables(answers, plan_labels(answers.groups, 0.1), 0.5)
    assert len(shown) == 7 and all(t.title.startswith("SYNTHETIC: ") for t in shown)
    for table in (shown[0], shown[-1]):
        assert "SYNTHETIC: the labels are generated, and say nothing of people." in table.notes


def test_the_reports_tables_say_synthetic_of_labels_and_of_data(store, tmp_path):
    path = tmp_path / "synthetic.csv"
    table = pl.read_csv(store.labels, infer_schema=False)
    table.with_columns(rater=pl.format("SYNTHETIC {}", "rater")).write_csv(path)
    records = Store(store.store)
    plan = records.plan("plum")
    (table,) = collect_grades(records, plan, read_people_labels([path]))
    titles = [t.title for t in grade_tables(plan.title, [table])]
    assert titles[0].startswith("SYNTHETIC: Made: toys, grades")
    assert sum("corrected by people" in title for title in titles) == 3
    for title in titles:
        assert title.startswith("SYNTHETIC: ") or "corrected" not in title
    plan = plan.model_copy(update={"title": "SYNTHETIC: Made"})
    (table,) = collect_grades(records, plan, read_people_labels([store.labels]))
    titles = [t.title for t in grade_tables(plan.title, [table])]
    assert all(title.count("SYNTHETIC") == 1 for title in titles)


def test_a_width_that_is_not_reached_is_printed_as_wider():
    plan = LabelPlan(0.1, (GroupPlan(50, 0, 0, 0.4, 0.3, None, 50, 0.10004),), False, True)
    answers = JudgedAnswers(
        "toys", "stern", "rating", None, ("alpha",), (make_group([1.0, 2.0], [1.0, 2.0]),), (),
        *[np.zeros(0)] * 4,
    )  # fmt: skip
    (table,) = plan_tables(answers, plan, 0.5)
    assert "alpha (± 0.10004)" in " ".join(table.notes)


def test_a_favoured_method_does_not_get_the_calibration_of_the_others(store, favouring):
    shifts = {m.method: m.transport for m in measure(favouring).methods}
    assert shifts["gamma"].verdict == "shifted" and shifts["gamma"].high < -0.3
    assert min(shifts.values(), key=lambda check: check.shift) is shifts["gamma"]
    assert all(abs(m.transport.shift) < 0.25 for m in measure(store).methods)


def test_people_are_the_ceiling_and_no_kind_judge_replaces_them(store):
    report = measure(store)
    assert not report.replacement.passes and len(report.replacement.annotators) == 3
    kappa, *_ = report.ceiling
    assert kappa.judge.value < kappa.people.value and kappa.difference.high < 0


def test_methods_with_too_few_labels_say_why(store):
    labels = read_people_labels([store.labels])
    few = replace(
        labels,
        table=pl.concat(
            [labels.table.filter(system="alpha"), labels.table.filter(system="beta")[:15]]
        ),
    )
    (answers,) = answers_of_judgements(find_judgements([store.store], "plum"), few)
    report = measure_calibration(answers)
    alpha, beta, gamma = report.methods
    assert alpha.mean is not None and beta.mean is None and gamma.mean is None
    assert beta.reason == "people have graded only 5 answers; 20 are needed"
    assert gamma.reason == "no answer has a grade by people"
    assert report.overall is None and report.differences == ()
    means = tables(report)["Means corrected by people"]
    assert [len(row) for row in means.rows] == [6, 3, 3]
    text = " ".join(means.notes)
    assert (
        "Not corrected: beta: people have graded only 5" in text
        and "Not corrected: gamma: no answer" in text
    )


def test_labels_of_other_answers_are_counted_and_left_out(store):
    labels = read_people_labels([store.labels])
    alien = labels.table[:3].with_columns(case_id=pl.lit("elsewhere"), rater=pl.lit("x"))
    others = replace(labels, table=pl.concat([labels.table, alien]))
    (answers,) = answers_of_judgements(find_judgements([store.store], "plum"), others)
    assert answers.notes == ("1 labelled answer is not among the judged ones, and left out",)
    wrong_scale = replace(labels, table=labels.table.with_columns(scale=pl.lit("1-7")))
    (answers,) = answers_of_judgements(find_judgements([store.store], "plum"), wrong_scale)
    assert "on the scale 1-7 are left out" in answers.notes[0] and not len(answers.grades)


def test_answers_without_a_grade_by_the_judge_are_said(store):
    labels = read_people_labels([store.labels])
    judgements = find_judgements([store.store], "plum")
    criterion = judgements[0].manifest.rubric["criteria"][0]
    grades = {
        part.method: answer_grades([part.run], [part.manifest]).with_columns(
            pl.when(pl.int_range(pl.len()) % 5 > 1).then("grade rating")
        )
        for part in judgements
    }
    report = measure_calibration(join_labels("toys", "stern", criterion, grades, labels))
    alpha = report.methods[0]
    assert (alpha.n_answers, alpha.n_judged, alpha.n_labels) == (240, 144, 60)
    scored = grades["alpha"]["grade rating"].drop_nulls()
    for share in alpha.shares:
        assert share.judge == pytest.approx((scored == share.grade).mean())
    note = "alpha: the judge graded 144 of 240 answers"
    assert note in " ".join(tables(report)["Means corrected by people"].notes)


def test_older_labels_do_not_say_the_run(store):
    labels = read_people_labels([store.labels])
    table = labels.table.with_columns(run_id=pl.lit(None, dtype=pl.String))
    older = replace(labels, table=table)
    first, second = (
        next(answers_of_judgements(find_judgements([store.store], "plum"), part))
        for part in (labels, older)
    )
    assert np.array_equal(first.grades, second.grades)
    judgement = find_judgements([store.store], "plum")[0]
    grades = answer_grades([judgement.run], [judgement.manifest])
    seeds = pl.concat([grades, grades.with_columns(run_id=pl.lit("other"))])
    criterion = judgement.manifest.rubric["criteria"][0]
    with pytest.raises(DataError, match="of which of its 2 runs"):
        join_labels("toys", "stern", criterion, {"alpha": seeds}, older)
    joined = join_labels("toys", "stern", criterion, {"alpha": seeds}, labels)
    assert joined.groups[0].n_labelled_units == 60 and len(joined.groups[0].judge) == 480


def test_a_file_of_grades_is_enough_without_a_store(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 300)
    lines = ["item,system,rater,grade"]
    for i, grade in enumerate(truth):
        system = "ab"[i % 2]
        lines.append(f"i{i},{system},judge:kind,{min(3, grade + 1)}")
        lines += [f"i{i},{system},ann,{grade}"] * (i < 120)
    path = tmp_path / "grades.csv"
    path.write_text("\n".join(lines))
    answers = answers_of_ratings(read_ratings([path]), ["ann"], "judge:kind", (0, 1, 2, 3))
    report = measure_calibration(answers)
    assert [method.n_labels for method in report.methods] == [60, 60]
    for method, expected in zip(report.methods, (truth[::2], truth[1::2]), strict=True):
        assert method.mean.corrected.low < expected.mean() < method.mean.corrected.high
    titles = tables(report)
    assert "Could kind replace people? (alternative annotator test)" not in titles
    assert report.ceiling == ()


def test_a_judge_with_a_person_s_name_keeps_its_prefix(tmp_path):
    path = tmp_path / "grades.csv"
    lines = [f"i{i},{rater},{i % 4}" for i in range(4) for rater in ("judge:a", "a", "b")]
    path.write_text("\n".join(["item,rater,grade", *lines]))
    ratings = read_ratings([path])
    assert answers_of_ratings(ratings, ["a", "b"], "judge:a", None).judge == "judge:a"
    others = ratings.select_raters(["judge:a", "b"])
    assert answers_of_ratings(others, ["b"], "judge:a", None).judge == "a"


def test_files_and_tables_have_all_figures(favouring):
    report = measure(favouring)
    rows = list(csv.DictReader(io.StringIO(calibration_csv([report]))))
    assert tuple(rows[0]) == CALIBRATION_CSV_COLUMNS
    statistics = [row["statistic"] for row in rows]
    assert statistics.count("mean") == 4 and statistics.count("difference") == 3
    assert statistics.count("share 0") == statistics.count("transport") == 3
    assert {"winning rate", "advantage", "kappa people", "exact difference"} <= set(statistics)
    mean = next(row for row in rows if row["statistic"] == "mean")
    assert float(mean["value"]) == report.methods[0].mean.corrected.value
    text = render_markdown(calibration_tables([report]))
    for title in ("Means corrected", "Shares of grades", "Differences", "Does the calibration",
                  "Could stern replace people?", "Agreement of people as the ceiling"):  # fmt: skip
        assert title in text


def test_report_puts_corrected_means_beside_the_judge_s(favouring):
    plain = load_results(favouring.store, "plum").collected
    (table,) = load_results(favouring.store, "plum", labels=[favouring.labels]).collected.grades
    assert not plain.grades[0].calibrations and not plain.grades[0].rows[0].corrected
    report = measure(favouring)
    for row, method in zip(table.rows, report.methods, strict=True):
        cell = row.corrected["rating"]
        assert (cell.mean, cell.n) == (method.mean.corrected.value, 60)
    overview, *_ = printed = list(grade_tables("Made", [table]))
    assert overview.header[4:6] == ("Rating", "Corrected")
    assert all(row[4].startswith(f"{row_.means['rating'].mean:.2f}") for row, row_ in
               zip(overview.rows, table.rows, strict=True))  # fmt: skip
    assert any(part.title.startswith("Differences corrected") for part in printed)
    assert "corrected mean rating" in grades_csv("made", [table])
    assert "corrected" not in grades_csv("made", plain.grades)


def test_labels_must_say_which_answers_they_are_of(tmp_path):
    path = tmp_path / "plain.csv"
    path.write_text("item,rater,grade\na,ann,2\n")
    with pytest.raises(DataError, match="no column 'criterion'"):
        read_people_labels([path])


def test_labels_count_once(store, tmp_path):
    copy = tmp_path / "copy.csv"
    copy.write_bytes(store.labels.read_bytes())
    with pytest.raises(DataError, match="more than once"):
        read_people_labels([store.labels, copy])
    only_judges = tmp_path / "judges.csv"
    lines = store.labels.read_text().splitlines()
    only_judges.write_text("\n".join([lines[0], *(li for li in lines if ",judge:" in li)]))
    with pytest.raises(DataError, match="no grade by people"):
        read_people_labels([only_judges])


def test_a_balanced_sample_is_weighted_back(tmp_path):
    store = LabelledStore(tmp_path, balanced=True, n=240, annotators=2)
    report = measure(store)
    for method in report.methods:
        truth = np.append(store.truth[method.method], 1).mean()
        assert method.mean.corrected.low - 0.05 <= truth <= method.mean.corrected.high + 0.05
    assert np.ptp(report.answers.weights) > 0.5

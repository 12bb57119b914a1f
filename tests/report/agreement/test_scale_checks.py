"""Raters on different scales, signs for no grade, and ratings that compare nothing."""

import numpy as np
import pytest

from benchkit.errors import ConfigError, DataError
from benchkit.report.agreement.files import agreement_csv, agreement_json
from benchkit.report.agreement.measurement import measure_agreement
from benchkit.report.agreement.ratings_io import RatingsTable
from benchkit.report.agreement.scale_checks import compare_ranges
from benchkit.report.agreement.tables import agreement_tables
from benchkit.report.core.text_table import render_markdown

NAN = float("nan")


def table(**grades):
    columns = np.array(list(grades.values()), dtype=float).T
    return RatingsTable(tuple(f"i{n}" for n in range(len(columns))), None, tuple(grades), columns)


def text_of(report):
    return render_markdown(list(agreement_tables(report)))


@pytest.mark.parametrize(
    ("ann", "gpt", "cause", "scale"),
    [
        ([1, 3, 5], [0, 60, 100], "which one is 25 times the other", "--scale 0-100"),
        ([1, 3, 5], [6, 8, 10], "do not overlap", "--scale 1-10"),
        ([6, 8, 10], [1, 3, 5], "do not overlap", "--scale 1-10"),
        ([1, 3, 5], [0.1, 0.7, 0.9], "do not overlap", "--scale 0-5"),
        ([1, 3, 5], [0.1, 0.7, 1], "which one is 4.44 times the other", "--scale 0-5"),
        ([1, 3, 5], [0, 1, 1], "which one is 4 times the other", "--scale 0-5"),
        ([1, 3, 5], [80, 80, 80], "do not overlap", "--scale 1-80"),
    ],
)
def test_raters_on_different_scales_stop(ann, gpt, cause, scale):
    with pytest.raises(DataError, match=cause) as caught:
        measure_agreement(table(ann=ann, gpt=gpt))
    assert f"'ann' (from {ann[0]:g} to {ann[2]:g})" in caught.value.cause
    assert f"'gpt' (from {gpt[0]:g} to {gpt[2]:g})" in caught.value.cause
    assert scale in caught.value.hint and "--scale none" in caught.value.hint


def test_a_scale_that_is_named_is_believed():
    grades = table(ann=[1, 3, 5], gpt=[6, 8, 10])
    report = measure_agreement(grades, categories=range(1, 11))
    assert not report.caveats
    # The mean of (a - b)^2 is 25; by the margins 25 + 8 / 3 + 8 / 3 = 91 / 3.
    assert report.pairs[0].item_level.estimates["kappa"].value == pytest.approx(1 - 75 / 91)


def test_without_a_common_scale_there_are_correlations_alone():
    grades = table(ann=[1, 2, 4, 5], gpt=[0, 60, 50, 100])
    report = measure_agreement(grades, common_scale=False)
    estimates = report.pairs[0].item_level.estimates
    # ranks 1 2 3 4 and 1 3 2 4: 1 - 6 * (0 + 1 + 1 + 0) / (4 * 15)
    assert estimates["spearman"].value == pytest.approx(0.8)
    for name in ("kappa", "exact", "adjacent"):
        assert np.isnan(estimates[name].value)
    assert not report.groups and not report.disagreements
    text = text_of(report)
    assert "Raters have no common scale (--scale none): pairs have correlations alone." in text
    assert "more than" not in text and "Krippendorff" not in text and "ICC" not in text
    values = agreement_json(report)
    assert (values["common_scale"], values["gap"], values["categories"]) == (False, None, None)
    assert "group" not in agreement_csv(report)
    for wrong in ({"gap": 2}, {"reference": ["ann", "gpt"]}):
        with pytest.raises(ConfigError, match="neither distances"):
            measure_agreement(grades, common_scale=False, **wrong)


def test_a_narrow_rater_on_a_short_scale_is_a_caveat():
    report = measure_agreement(table(ann=[1, 3, 5], gpt=[4, 5, 4]))
    (caveat,) = report.caveats
    assert "'ann' (from 1 to 5) and 'gpt' (from 4 to 5) count as of one scale" in caveat
    assert caveat in text_of(report) and agreement_json(report)["caveats"] == [caveat]
    assert not measure_agreement(
        table(ann=[1, 3, 5], gpt=[4, 5, 4]), categories=range(1, 6)
    ).caveats


def test_ranges_that_are_usual_are_no_caveat():
    assert not compare_ranges(table(a=[1, 3, 5], b=[2, 4, 5]))
    assert not compare_ranges(table(a=[1, 3, 5], b=[3, 3, 3]))  # constant
    assert not compare_ranges(table(a=[1, 2, 2], b=[3, 3, 3]))  # constant, and next to it
    assert not compare_ranges(table(a=[1, 1, 1], b=[9, 9, 9]))
    assert not compare_ranges(table(a=[0.5, 3, NAN], b=[9.5, NAN, NAN]))  # one grade is no range


def test_of_many_pairs_the_first_caveats_are_said():
    raters = {f"r{n}": [2, 4, 3] for n in range(5)}
    caveats = compare_ranges(table(wide=[1, 5, 3], **raters))
    assert len(caveats) == 4
    assert caveats[-1] == "The same holds of 2 more pairs of raters."


@pytest.mark.parametrize(
    ("grades", "sign"),
    [
        ([1, 5, 3, -1], -1),
        ([0, 3, 1, -1], -1),
        ([1, 5, 99, 99], 99),
        ([1, 30, 999, 2], 999),
        ([1, 5, -9, 99], -9),
    ],
)
def test_a_sign_for_no_grade_stops(grades, sign):
    with pytest.raises(DataError, match=f"grade {sign} by 'gpt' may stand for no grade") as caught:
        measure_agreement(table(ann=[1, 3, 2, 2], gpt=grades))
    assert f"if {sign} stands for no grade, leave these cells empty" in caught.value.hint
    assert "if it is a grade, name the scale" in caught.value.hint


@pytest.mark.parametrize("gpt", [[-1, 0, 1, 1], [-2, -1, 2, 1], [30, 40, 99, 90]])
def test_grades_that_look_like_signs_are_grades(gpt):
    report = measure_agreement(table(ann=gpt, gpt=gpt))
    assert report.pairs[0].item_level.estimates["spearman"].value == pytest.approx(1)


def test_a_sign_off_a_named_scale_has_a_hint_and_a_rater():
    grades = table(ann=[1, 3, 2], gpt=[99, 3, 99])
    with pytest.raises(DataError) as caught:
        measure_agreement(grades, categories=range(1, 6))
    assert caught.value.cause == "grade 99 by 'gpt' is not on the scale from 1 to 5 (2 such grades)"
    assert "if 99 stands for no grade, leave these cells empty" in caught.value.hint
    with pytest.raises(DataError, match="grade 7 by 'gpt'") as caught:
        measure_agreement(table(ann=[1, 3], gpt=[7, 3]), categories=range(1, 6))
    assert caught.value.hint == "name the whole scale, or correct these grades"
    assert caught.value.cause.endswith("(1 such grade)")


def test_one_sign_and_one_grade_between_are_counted_as_one():
    with pytest.raises(DataError, match=r"may stand for no grade \(1 such grade\): all"):
        measure_agreement(table(ann=[1, 3, 5, 2], gpt=[99, 3, 4, 2]))
    fraction = measure_agreement(table(ann=[1, 2.5, 3, 4], gpt=[1, 2, 3, 4]))
    assert "(ann: 2.5, 1 such grade): without" in text_of(fraction)


def test_without_a_common_scale_a_sign_is_a_caveat():
    report = measure_agreement(table(ann=[1, 3, 5], gpt=[0.5, -1, 80]), common_scale=False)
    (caveat,) = report.caveats
    assert caveat.startswith("1 grade by gpt is -1; if -1 stands for no grade, leave")


def test_why_there_is_no_scale_is_said_truly():
    fractions = measure_agreement(table(ann=[1, 2.5, 3.5, 4], gpt=[1, 2, 3, 4]))
    assert "Not all grades are whole numbers (ann: 2.5, 2 such grades): without" in text_of(
        fractions
    )
    many = measure_agreement(table(ann=[10, 40, 80], gpt=[0, 50, 60]))
    assert (
        "Grades go from 0 (gpt) to 80 (ann), too many whole numbers to be taken for a scale:"
        in text_of(many)
    )


def test_ratings_without_a_common_item_stop():
    with pytest.raises(DataError, match="no item was graded by two raters") as caught:
        measure_agreement(table(ann=[1, 3, NAN, NAN], gpt=[NAN, NAN, 2, NAN]))
    assert "'ann' graded 2, such as 'i0'; 'gpt' graded 1, such as 'i2'" in caught.value.cause
    assert "--item" in caught.value.hint

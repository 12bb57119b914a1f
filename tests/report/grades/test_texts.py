"""Statistics of rationales beside the grades, by hand, and legible in 80 columns."""

import pytest

from benchkit.report.grades.collection import collect_grades
from benchkit.report.grades.tables import grade_tables, grades_csv
from tests.support.judged_store import Judged, answers, judge

TEXTS = ("Good green tea for you.", "Good green tea for me.", "It is new.")
REVIEWS = ("Lovely green tea.", None, "It is new.")


def collect(folder, *judges, reference=True):
    judged = Judged(folder)
    rows = answers("judged", [3, 2, 1])
    for row, text, review, similar in zip(rows, TEXTS, REVIEWS, (0.5, None, 1.0), strict=True):
        row["rationale"] = text
        if reference:
            row |= {"reference": review, "similarity": similar}
    run = judged.judged("one", rows, by=judges[0])
    for other in judges[1:]:
        judged.verdicts(run, rows, other)
    judged.run("silent", rationale=None)
    return collect_grades(judged.store, judged.plan(*judges))


def test_statistics_by_hand(tmp_path):
    (table,) = collect(tmp_path, judge())
    text = table.rows[0].text
    assert table.rows[1].text is None
    assert text.words.mean == pytest.approx(13 / 3)
    assert text.distinct_1 == 9 / 13
    assert text.distinct_2 == 7 / 10
    assert text.self_repetition == 0.5  # "good green tea for" of two texts with two sequences each
    assert (text.rouge_l.n, text.similarity.n) == (2, 2)
    assert text.rouge_l.mean == pytest.approx((2 * 2 / 8 + 1) / 2)
    assert text.similarity.mean == 0.75
    names = [line.split(",")[8] for line in grades_csv("made", [table]).splitlines()[1:]]
    assert [name for name in names if name.startswith("text ")] == [
        "text words", "text reading ease", "text distinct-1", "text distinct-2",
        "text self-repetition", "text ROUGE-L with the review", "text similarity with the review",
    ]  # fmt: skip


def test_a_review_without_words_is_compared_with_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.report.grades.test_texts.REVIEWS", ("👍 !!!", None, "It is new."))
    (table,) = collect(tmp_path, judge())
    text = table.rows[0].text
    assert (text.rouge_l.n, text.rouge_l.mean) == (1, 1.0)


def test_tables_come_once_a_task_and_never_as_a_judges(tmp_path):
    grids = list(grade_tables("Made", collect(tmp_path, judge("a", 1), judge("b", 2))))
    texts = [grid for grid in grids if "text statistics" in grid.title]
    assert [grid.title for grid in texts] == [
        "Made: tea, text statistics (not a judgement of quality)",
        "Made: tea, text statistics (not a judgement of quality), with the user's review",
    ]
    assert texts[1].rows[0][:2] == ("one", "2")
    for grid in texts:
        widths = [max(map(len, column)) for column in zip(grid.header, *grid.rows, strict=True)]
        assert sum(widths) + 3 * len(widths) <= 80


def test_without_reviews_there_are_only_the_statistics_that_need_none(tmp_path):
    (table,) = collect(tmp_path, judge(), reference=False)
    texts = [grid for grid in grade_tables("Made", [table]) if "text statistics" in grid.title]
    assert len(texts) == 1
    assert table.rows[0].text.rouge_l is None

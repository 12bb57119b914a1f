"""What is said of a judge over several runs: counts add up, and namesakes are not hidden."""

import pytest

from benchkit.judging.annotation.population import find_judgements
from benchkit.judging.rubric import load_rubric
from benchkit.report.calibration.judged_answers import plan_answers
from benchkit.report.grades.collection import collect_grades
from benchkit.report.grades.judge_caveats import combine_caveats
from benchkit.report.grades.tables import grade_tables
from tests.support.judged_store import Judged, answers, judge

RUBRIC = load_rubric("rationale-0-3").model_dump(mode="json")
FITTED = "{} of the {} rationales it graded are of users whose labels it was fitted to"


@pytest.fixture
def judged(tmp_path):
    return Judged(tmp_path)


def notes_of(judged, plan):
    return " ".join(next(grade_tables("made", collect_grades(judged.store, plan))).notes)


@pytest.mark.parametrize(
    ("caveats", "expected"),
    [
        (
            ("39 of 39 escalated (100.0 %)", "1 of 3 escalated (33.3%)"),
            "40 of 42 escalated (95.2 %)",
        ),
        (("x: 1,999 of 2,000 escalated (99.9 %)",) * 2, "x: 3,998 of 4,000 escalated (100.0 %)"),
        ((FITTED.format(3, 20), FITTED.format(0, 10)), FITTED.format(3, 30)),
        (("2 of 4 judges are the same model",) * 2, "2 of 4 judges are the same model"),
        (("by rules", "in {} words"), "one: by rules"),
    ],
)
def test_counts_of_runs_add_up_and_other_caveats_are_said_once(judged, caveats, expected):
    manifests = []
    for method, caveat in zip(("one", "other"), caveats, strict=True):
        run = judged.judged(method, answers("judged", [1]), caveats=("graded by m", caveat))
        manifests.append((method, run.judgement("strict", judge().judge_id)))
    first, second, *more = combine_caveats(manifests)
    assert (first, second) == ("graded by m", expected)
    assert more == (["other: in {} words"] if expected == "one: by rules" else [])


def test_a_table_counts_the_runs_that_it_shows(judged):
    for method, share in (
        ("one", "2 of 2 escalated (100.0 %)"),
        ("other", "0 of 2 escalated (0 %)"),
    ):
        judged.judged(method, answers("judged", [1, 2]), caveats=(share,), rubric=RUBRIC)
    judged.judged("broken", [], status="failed", caveats=("9 of 9 escalated (100.0 %)",))
    plan = judged.plan()
    assert "2 of 4 escalated (50.0 %)" in notes_of(judged, plan)
    (part,) = plan_answers(find_judgements([judged.store.root], "made"), None)
    assert part.caveats == ("2 of 4 escalated (50.0 %)",)


def test_the_former_judge_of_a_label_is_named(judged):
    run = judged.judged("one", answers("judged", [3, 3]), by=judge("quality", 1), rubric=RUBRIC)
    assert "another judge" not in notes_of(judged, judged.plan(judge("quality", 1)))
    judged.verdicts(run, answers("judged", [1, 1]), judge("quality", 2), kind="llm", rubric=RUBRIC)
    judged.verdicts(
        run, answers("judged", [1, 1]), judge("quality-x", 3), kind="llm", rubric=RUBRIC
    )
    notes = notes_of(judged, judged.plan(judge("quality", 2)))
    assert "another judge has the label quality, too, and is not shown: heuristic" in notes
    assert "id 0000000000000001; to see both" in notes
    assert notes.count("another judge") == 1  # quality-x has a label of its own
    (part,) = plan_answers(find_judgements([judged.store.root], "made"), None)
    assert "another judge has the label quality" in part.caveats[0]

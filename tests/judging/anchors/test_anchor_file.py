"""A file of anchors holds all that a judge sees, and says what is wrong with it."""

import json

import pytest

from benchkit.errors import ConfigError, DataError
from benchkit.judging.anchors.anchor_file import (
    Anchor,
    AnchorSet,
    check_grades,
    read_anchors,
    write_anchors,
)
from benchkit.judging.inputs import history_lines
from benchkit.judging.rubric import load_rubric

ANCHOR = Anchor(
    key="c / m", method="m", user="u", history=(("tea", 5.0, "Lovely"), ("ale", None, None)),
    candidates=("tea", "gin"), item="gin", rationale="Because.", target="tea",
)  # fmt: skip
SET = AnchorSet(
    rubric="rationale-0-3", rubric_hash="x", rating_scale=(1.0, 5.0, False),
    titles={"tea": "Green Tea", "ale": None, "gin": "Gin"},
    anchors=(ANCHOR, ANCHOR.model_copy(update={"key": "d / m"})),
)  # fmt: skip


def test_what_is_written_is_what_a_judge_sees(tmp_path):
    path = tmp_path / "anchors.json"
    write_anchors(SET, path)
    anchors = read_anchors(path)
    assert anchors == SET
    judge_input, catalog = anchors.anchors[0].judge_input(), anchors.catalog()
    assert (judge_input.key, judge_input.item, judge_input.target) == ("c / m", "gin", "tea")
    assert judge_input.request.candidates == ("tea", "gin")
    assert history_lines(judge_input.request.history, catalog) == [
        "Green Tea | Excellent | Lovely", "ale"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", r"anchors.json: no JSON object: it holds \[\]"),
        ("{", "no JSON object"),
        ('{"rubric": 3}', "rubric: Input should be a valid string"),
        (json.dumps(SET.model_dump(mode="json") | {"anchors": []}), "anchors: Tuple should have"),
        (json.dumps(SET.model_dump(mode="json") | {"more": 1}), "more: Extra inputs"),
    ],
)
def test_another_file_is_refused_with_the_place(tmp_path, text, message):
    path = tmp_path / "anchors.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_anchors(path)


def version(name="old", key="c / m", **grades):
    return {"name": name, "judge": "j", "models": [], "judged": "", "grades": {key: grades}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"versions": [version(rating=1), version(rating=2)]}, "version 'old' stands in it twice"),
        ({"anchors": [ANCHOR.model_dump()] * 2}, "anchor 'c / m' stands in it twice"),
        ({"versions": [version(rating=float("nan"))]},
         "version 'old': anchor 'c / m': rating nan is no grade"),
        ({"versions": [version(key="x", rating=1)]},
         "version 'old': anchor 'x': there is no such anchor"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(tmp_path, changes, message):
    path = tmp_path / "anchors.json"
    path.write_text(json.dumps(SET.model_dump(mode="json") | changes))
    with pytest.raises(DataError, match=f"anchors.json: {message}"):
        read_anchors(path)


def test_grades_are_those_of_the_rubric(tmp_path):
    rubric = load_rubric("rationale-0-3")
    for grades, problem in (({"rating": 9}, "rating 9.0 is outside 0..3"),
                            ({"other": 1}, "it grades other")):  # fmt: skip
        anchors = AnchorSet.model_validate(
            SET.model_dump() | {"rubric_hash": rubric.hash, "versions": [version(**grades)]}
        )
        with pytest.raises(DataError, match=f"x.json: version 'old': anchor 'c / m': {problem}"):
            check_grades(anchors, rubric, tmp_path / "x.json")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_anchors(tmp_path / "none.json")

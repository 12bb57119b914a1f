"""A file of anchors holds all that a judge sees, and says what is wrong with it."""

import json

import pytest

from benchkit.errors import ConfigError, DataError
from benchkit.judging.anchors.anchor_file import Anchor, AnchorSet, read_anchors, write_anchors
from benchkit.judging.inputs import history_lines

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
        ("[]", "Input should be a valid dictionary"),
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


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_anchors(tmp_path / "none.json")

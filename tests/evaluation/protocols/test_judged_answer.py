"""What judges look at, of the answers that each protocol records."""

import pytest

from benchkit.errors import ConfigError
from benchkit.evaluation.protocols.full import Full
from benchkit.evaluation.protocols.sampled import Sampled
from benchkit.evaluation.protocols.scored import Scored
from benchkit.types import Request

REQUEST = Request("test:u", "u", (), ("a", "b"))


def sample(item, status, rationale="why"):
    return {"text": "", "item": item, "rationale": rationale, "status": status}


@pytest.mark.parametrize("status", ["truncated", "refused", "unparsed", "error"])
def test_a_sample_that_is_not_ok_names_no_item(status):
    row = {"samples": [sample("a", status), sample("b", "ok")], "sampled_status": "ok"}
    assert Sampled().answer_to_judge(row, REQUEST) == (None, "why", status)


def test_the_first_sample_is_judged():
    row = {"samples": [sample("a", "ok"), sample("b", "ok")], "sampled_status": "ok"}
    assert Sampled().answer_to_judge(row, REQUEST) == ("a", "why", "ok")
    row = {"samples": [], "sampled_status": "refused"}
    assert Sampled().answer_to_judge(row, REQUEST) == (None, None, "refused")
    assert Sampled().answer_to_judge({"samples": None}, REQUEST) == (None, None, "ok")


def test_the_item_ranked_first_is_judged():
    row = {"scores": [1.0, 2.0], "rationale": "why", "status": "truncated"}
    assert Scored().answer_to_judge(row, REQUEST) == ("b", "why", "truncated")
    row = {"scores": None, "rationale": None, "status": "error"}
    assert Scored().answer_to_judge(row, REQUEST) == (None, None, "error")


def test_a_protocol_without_records_has_nothing_to_judge():
    assert not Full().judged_answer_title
    with pytest.raises(ConfigError, match="'full' cannot be judged"):
        Full().answer_to_judge({}, REQUEST)

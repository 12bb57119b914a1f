"""Responses in pieces."""

from typing import get_args

import pytest

from benchkit.errors import ConfigError
from benchkit.lm.parsing import parse_answer
from benchkit.lm.response_format import ResponseFormat, ResponseKind

KINDS = get_args(ResponseKind)


@pytest.mark.parametrize(
    ("kind", "rationale", "pieces"),
    [
        ("title", None, ("Blue",)),
        ("item", None, ("<item>", "Blue</item>")),
        ("think-item", "Why.", ("<think>", "Why.", "</think><item>", "Blue</item>")),
        ("think-item", "", ("<think>", "", "</think><item>", "Blue</item>")),
        ("think-item", None, ("<item>", "Blue</item>")),
        ("query", None, ("<answer>", "Blue</answer>")),
        ("think-query", "Why.", ("<think>", "Why.", "</think><answer>", "Blue</answer>")),
        ("yes-no", None, ("Blue",)),
        ("numbered-list", None, ("1. ", "Blue")),
    ],
)
def test_pieces(kind, rationale, pieces):
    response = ResponseFormat(kind)
    assert response.pieces("Blue", rationale) == pieces
    assert (*response.prefix(rationale), "Blue" + response.suffix) == pieces


@pytest.mark.parametrize("kind", KINDS)
def test_what_begins_a_rationale_also_begins_the_whole_response(kind):
    response = ResponseFormat(kind)
    if response.explains:
        prefix = response.prefix("Why.")
        assert prefix[: len(response.begin_rationale)] == response.begin_rationale
        assert prefix[2].startswith(response.end_rationale) and response.end_rationale
    else:
        assert response.begin_rationale == () and response.end_rationale == ""


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith("think-")])
def test_a_rationale_needs_a_place(kind):
    with pytest.raises(ValueError, match="no place for a rationale"):
        ResponseFormat(kind).pieces("Blue", "Why.")


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(ConfigError, match="think-item"):
        ResponseFormat("think-itm")


@pytest.mark.parametrize("kind", ["title", "item", "think-item"])
def test_a_response_reads_as_it_was_written(kind):
    response = ResponseFormat(kind)
    rationale = "Two lines,\nin one." if response.explains else None
    parsed = parse_answer("".join(response.pieces("Tom & Jerry <3", rationale)), "stop", response)
    assert parsed[:3] == ("Tom & Jerry <3", rationale and "Two lines, in one.", "ok")

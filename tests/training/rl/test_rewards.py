"""Rewards: the values that the papers' formulas give."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.lm.response_format import ResponseFormat
from benchkit.training.rl import rewards

BOTH = ("think", "item")


@pytest.mark.parametrize(
    ("match", "cf", "expected"),
    [(1, 0.8, 3.4), (1, 0.2, 1), (0, 0.8, 0.8), (0, 0.2, 0), (1, 0.3, 1.9), (0, 0.3, 0.3)],
)
def test_twice(match, cf, expected):
    assert rewards.twice_rec_reward(bool(match), cf) == pytest.approx(expected)
    assert rewards.twice_rec_reward(bool(match), cf, weight=0.0) == match


def test_the_threshold_as_a_logit():
    # A sigmoid of .3: most candidates of an uncalibrated expert pass it.
    assert math.log(0.3 / 0.7) == pytest.approx(-0.8472979, abs=1e-6)
    assert rewards.twice_rec_reward(False, 1 / (1 + math.exp(0.847))) > 0
    assert rewards.twice_rec_reward(False, 1 / (1 + math.exp(0.848))) == 0


@pytest.mark.parametrize(
    ("text", "formed", "strict", "paper"),
    [
        ("<think>a</think><item>b</item>", True, 2.0, 2.0),
        (" <think>a\nb</think>\n<item>c</item>\n", True, 2.0, 2.0),
        ("so <think>a</think><item>b</item>", False, 1.0, 2.0),
        ("<think>a</think><item>b</item> thus.", False, 1.0, 2.0),
        ("<item>b</item><think>a</think>", False, 1.0, 2.0),
        ("<think>a</think><think>b</think><item>c</item>", False, 0.5, 2.0),
        ("<think>a</think><item>b</item><think>a</think><item>b</item>", False, 0.0, 2.0),
        ("<think>a</think><item>b", False, 0.75, 0.75),
        ("<think>a<item>b</item></think>", False, 1.0, 2.0),
        ("</think>a<think></item>b<item>", False, 1.0, 1.0),  # all tags, none closed
        ("<think></think><item>b</item>", True, 1.0, 1.0),  # nothing is thought
        ("<think> </think>x<think>a</think><item>b</item>", False, 0.5, 2.0),
        ("<think>a</think><ITEM>b</ITEM>", False, 0.5, 0.5),
        ("b", False, 0.0, 0.0),
        ("", False, 0.0, 0.0),
    ],
)
def test_the_format(text, formed, strict, paper):
    assert rewards.is_well_formed(text, BOTH) is formed
    assert rewards.strict_format_reward(text, BOTH) == pytest.approx(strict)
    assert rewards.format_reward(text, BOTH) == pytest.approx(paper)


MARKS = st.sampled_from(["<think>", "</think>", "<item>", "</item>", "a", " "])


@given(st.lists(MARKS, max_size=9).map("".join))
def test_the_format_by_the_equations(text):
    """Eqs. 3-5, written a second time; the strict reward is never larger."""

    def is_enclosed(name):
        begin, end = f"<{name}>", f"</{name}>"
        starts = [at + len(begin) for at in range(len(text)) if text.startswith(begin, at)]
        ends = [text.find(end, start) for start in starts]
        return any(text[s:e].strip() for s, e in zip(starts, ends, strict=True) if e >= 0)

    tags = ["<item>", "</item>", "<think>", "</think>"]
    expected = all(map(is_enclosed, BOTH)) + 0.25 * sum(tag in text for tag in tags)
    assert rewards.format_reward(text, BOTH) == expected
    assert rewards.strict_format_reward(text, BOTH) <= expected


def test_tags_are_those_of_the_format():
    assert rewards.format_tags(ResponseFormat("think-item")) == BOTH
    assert rewards.format_tags(ResponseFormat("item")) == ("item",)
    assert rewards.format_tags(ResponseFormat("title")) == ()
    assert rewards.format_tags(ResponseFormat("think-query")) == ("think", "answer")
    assert rewards.format_tags(ResponseFormat("query")) == ("answer",)
    for kind in ("think-item", "item"):
        form = ResponseFormat(kind)
        pieces = form.pieces("Blue Moon", "Likes jazz." if form.explains else None)
        assert rewards.is_well_formed("".join(pieces), rewards.format_tags(form))
    assert rewards.is_well_formed("anything", ())
    for reward in rewards.FORMAT_REWARDS.values():
        assert reward("anything", ()) == 0


@pytest.mark.parametrize(
    ("rank", "formed", "expected"),
    [
        (1, True, 1.1), (3, True, 0.6), (30, True, 0.3018491), (None, True, 0.0),
        (1, False, -2.0), (None, False, -2.0),
    ],
)  # fmt: skip
def test_rec_r1(rank, formed, expected):
    assert rewards.rec_r1_reward(rank, formed) == pytest.approx(expected, abs=1e-7)

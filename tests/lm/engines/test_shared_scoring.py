"""The plan of requests: all tokens are asked for, and none in vain."""

import random

import pytest

from benchkit.lm.engines.requests import UnusableReplyError
from benchkit.lm.engines.shared_scoring import (
    MOST_TOKENS,
    ContinuationTable,
    NextTokens,
    Passage,
    agree,
    read_uncached,
)


def logprob(path):
    """Another number for each path of tokens."""
    return -(hash(path) % 1000 + 1) / 100


def answer(table, request):
    if isinstance(request, NextTokens):
        values = {t: logprob((*request.prefix, t)) for t in request.tokens}
        table.add_next(request, values)
    else:
        places = range(request.start, len(request.ids))
        table.add_passage(request, [logprob(request.ids[: i + 1]) for i in places])


def expected(ids):
    return sum(logprob(tuple(ids[: i + 1])) for i in range(len(ids)))


def test_the_prompt_is_sent_once_for_all_first_tokens_then_with_each_continuation():
    plan = ContinuationTable([[1, 2, 3], [4, 5], [6]]).plan()
    assert plan == [NextTokens((), (1, 4, 6)), Passage((1, 2, 3), 1), Passage((4, 5), 1)]


def test_a_shared_beginning_is_asked_for_once():
    plan = ContinuationTable([[1, 2, 3, 4], [1, 2, 5, 6], [1, 2]]).plan()
    assert plan == [NextTokens((), (1,)), Passage((1, 2, 3, 4), 1), Passage((1, 2, 5, 6), 2)]


@pytest.mark.parametrize("seed", range(20))
def test_any_continuations_are_summed_and_no_passage_starts_in_what_is_cached(seed):
    draw = random.Random(seed)
    texts = [[draw.randrange(3) for _ in range(draw.randrange(9))] for _ in range(30)]
    table = ContinuationTable(texts)
    sent = []
    for request in table.plan():
        if isinstance(request, Passage):
            # Tokens that an earlier request shares with it may be in the cache.
            common = [
                next((i for i, (a, b) in enumerate(zip(r, request.ids)) if a != b), len(r))  # noqa: B905
                for r in sent
            ]
            assert max(common) <= request.start
        sent.append(request.ids)
        answer(table, request)
    assert table.plan_missing() == []
    assert table.sums() == pytest.approx([expected(ids) for ids in texts])


def test_what_a_server_leaves_out_is_asked_for_token_by_token():
    table = ContinuationTable([[1, 2, 3], [1, 4, 3]])
    first, *rest = table.plan()
    answer(table, first)
    assert rest == [Passage((1, 2, 3), 1), Passage((1, 4, 3), 1)]
    with pytest.raises(UnusableReplyError):
        table.sums()
    assert table.plan_missing() == [
        NextTokens((1,), (2, 4)), NextTokens((1, 2), (3,)), NextTokens((1, 4), (3,))
    ]  # fmt: skip
    for request in table.plan_missing():
        answer(table, request)
    assert table.sums() == pytest.approx([expected((1, 2, 3)), expected((1, 4, 3))])


def test_more_first_tokens_than_a_request_takes():
    plan = ContinuationTable([[i] for i in range(MOST_TOKENS + 2)]).plan()
    assert [len(request.tokens) for request in plan] == [MOST_TOKENS, 2]


def test_without_tokens_there_is_nothing_to_ask():
    assert ContinuationTable([]).plan() == ContinuationTable([[], []]).plan() == []
    assert ContinuationTable([[], []]).sums() == [0.0, 0.0]


@pytest.mark.parametrize("value", [None, float("nan"), 0.5, "-1"])
def test_no_number_is_made_of_a_wrong_one(value):
    table = ContinuationTable([[1]])
    table.add_next(NextTokens((), (1,)), {1: value})
    with pytest.raises(UnusableReplyError):
        table.sums()


IDS = [7, 8, 9, 10, 11]
ROWS = [None, *({i: -i / 10} for i in IDS[1:])]


def test_rows_of_computed_tokens_are_read_wherever_they_stand():
    garbage = [None, {1e9: 5.0}, {3: -1.0}, *ROWS[3:]]
    assert read_uncached(ROWS, IDS, 3, 0) == [-1.0, -1.1]
    assert read_uncached(garbage, IDS, 3, 2) == [-1.0, -1.1]
    assert read_uncached([None, *ROWS[3:]], IDS, 3, 2) == [-1.0, -1.1]


@pytest.mark.parametrize(
    ("rows", "cached", "cause"),
    [
        (ROWS, 3, "in its cache"),  # its row is not computed
        (ROWS, None, "how many"),
        (ROWS[:-1], 0, "another number"),
        (None, 0, "another number"),
        ([*ROWS[:3], {5: -1.0}, ROWS[4]], 2, "for token 10"),
        ([*ROWS[:4], None], 2, "for token 11"),
    ],
)
def test_rows_that_may_be_wrong_are_not_read(rows, cached, cause):
    with pytest.raises(UnusableReplyError, match=cause):
        read_uncached(rows, IDS, 3, cached)


def test_rounding_is_told_from_another_token():
    assert agree(-20.05, -20.0, 10) and agree(-3.09, -3.0, 1)
    assert not agree(-21.0, -20.0, 10) and not agree(-3.0, -5.0, 2)

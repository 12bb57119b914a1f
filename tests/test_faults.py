"""Counting faults of engines, and where that ends."""

import pytest

from benchkit.errors import EngineError
from benchkit.faults import NO_TEXT, UNKNOWN_CAUSE, FaultTally, describe_fault


@pytest.mark.parametrize(
    ("total", "share", "allowed"),
    [(100, 0.02, 2), (99, 0.02, 1), (8, 0.02, 0), (8, 0.0, 0), (8, 0.5, 4), (3, 1.0, 3)],
)
def test_so_many_faults_are_allowed(total, share, allowed):
    tally = FaultTally(total, share)
    for _ in range(allowed):
        tally.add("the content is null")
    assert (tally.count, tally.total) == (allowed, total)
    if allowed < total:
        with pytest.raises(EngineError, match=f"{allowed + 1} of {total} cases") as raised:
            tally.add("the content is null")
        assert f"at most {share:g} may be (max_fault_share)" in raised.value.cause
        assert "run again" in raised.value.hint


def test_the_most_frequent_causes_are_named():
    tally = FaultTally(100, noun="judgements")
    for cause, times in (("b", 2), ("a", 3), ("c", 1), ("d", 1), ("e", 1)):
        for _ in range(times):
            tally.add(cause)
    text = tally.describe()
    assert text == (
        "8 of 100 judgements without a readable answer (.080): 3 x a; 2 x b; 1 x c; 2 other causes"
    )


def test_a_fault_without_a_cause_is_named_so():
    tally = FaultTally(10)
    tally.add("")
    assert "status 'error' without a cause" in tally.describe()
    assert FaultTally(0).share == 0.0


@pytest.mark.parametrize(
    ("finish", "text", "cause", "fault"),
    [
        ("stop", "", "", ""),
        ("stop", "an answer", "", ""),
        ("length", "an ans", "", ""),
        ("length", "", "", NO_TEXT),
        ("length", " \n", "", NO_TEXT),
        ("refused", "", "", ""),
        ("error", "", "the content is null", "the content is null"),
        ("error", "", "", UNKNOWN_CAUSE),
    ],
)
def test_what_is_a_fault_of_the_engine(finish, text, cause, fault):
    assert describe_fault(finish, text, cause) == fault

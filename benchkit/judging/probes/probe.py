"""The probes: what each changes, and what a grade ought to do then.

A grade should not change with neutral sentences before or behind what is said, with the history
turned round, with the item's title in front, with other words of the rubric, with its parts in
another order, or when the judge is asked once more. It should not rise when the rationale is cut or
when it tells the judge to grade it well, and should fall when the rationale is another user's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchkit.judging.probes.input_changes import (
    exchange_rationales,
    halve_rationale,
    inject_order,
    keep_first_sentence,
    pad_rationale,
    prepend_item_title,
    reverse_history,
    spread_rationale,
)
from benchkit.judging.probes.rubric_changes import reverse_parts, reword_rubric
from benchkit.judging.rubric import Rubric
from benchkit.judging.verdicts import Judge, JudgeInput, RepeatableJudge, RewordableJudge
from benchkit.types import Catalog

Expectation = Literal["no change", "no rise", "fall", "same grade"]
"""What a grade ought to do. `same grade` is about each grade, the others about their mean."""
InputChange = Callable[[Sequence[JudgeInput], Catalog, int], Sequence[JudgeInput | None]]
"""Inputs, catalogue and seed -> the changed inputs; None for one that it leaves as it is."""


@dataclass(frozen=True)
class Probe:
    """One change to the inputs of a judge, or to the judge."""

    name: str
    expected: Expectation
    change: InputChange = lambda inputs, _catalog, _seed: inputs
    change_judge: Callable[[Judge], Judge | None] = lambda judge: judge
    """The judge that is asked after the change; None where this judge cannot be changed so."""


def _apply_to_each(change: Callable[[JudgeInput, Catalog], JudgeInput]) -> InputChange:
    def apply(inputs: Sequence[JudgeInput], catalog: Catalog, _: int) -> list[JudgeInput | None]:
        pairs = ((before, change(before, catalog)) for before in inputs)
        return [None if after == before else after for before, after in pairs]

    return apply


def _change_rubric(change: Callable[[Rubric], Rubric | None]) -> Callable[[Judge], Judge | None]:
    def apply(judge: Judge) -> Judge | None:
        changed = change(judge.rubric)
        if changed is None or not isinstance(judge, RewordableJudge):
            return None
        return judge.with_rubric(changed)

    return apply


def _repeat(judge: Judge) -> Judge | None:
    return judge.repeat(1) if isinstance(judge, RepeatableJudge) else judge


PROBES = (
    Probe("padded", "no change", _apply_to_each(lambda e, _: pad_rationale(e))),
    Probe("wordy", "no change", _apply_to_each(lambda e, _: spread_rationale(e))),
    Probe("first sentence", "no rise", _apply_to_each(lambda e, _: keep_first_sentence(e))),
    Probe("halved", "no rise", _apply_to_each(lambda e, _: halve_rationale(e))),
    Probe("history reversed", "no change", _apply_to_each(lambda e, _: reverse_history(e))),
    Probe("item first", "no change", _apply_to_each(prepend_item_title)),
    Probe("injection", "no rise", _apply_to_each(lambda e, _: inject_order(e))),
    Probe("another's rationale", "fall", lambda es, _, seed: exchange_rationales(es, seed)),
    Probe("parts reversed", "no change", change_judge=_change_rubric(reverse_parts)),
    Probe("rubric reworded", "no change", change_judge=_change_rubric(reword_rubric)),
    Probe("asked again", "same grade", change_judge=_repeat),
)

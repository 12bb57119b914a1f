"""What a judge says of a pair of answers, asked in both orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from benchkit.judging.rubric import A_BETTER, B_BETTER
from benchkit.judging.verdicts import SCORED, Judge, JudgeInput, JudgePair, Verdict

PairOutcome = Literal["first", "second", "tie", "inconsistent", "same answer", "unscored"]
"""Which is better. `inconsistent`: the answer changed with the order, and counts as a tie, as does
`same answer`, for which no judge is asked."""
Shown = Literal["A", "B", "tie"]


@dataclass(frozen=True)
class AnswerPair:
    """Two methods' answers to one case."""

    case: str
    user: str
    first_method: str
    second_method: str
    first: JudgeInput
    second: JudgeInput

    @property
    def is_same(self) -> bool:
        """Whether both recommend the same item for the same reasons."""
        same_text = self.first.rationale.split() == self.second.rationale.split()
        return same_text and self.first.item == self.second.item

    def orders(self) -> tuple[JudgePair, JudgePair]:
        """Return what a judge is shown: the first method as A, and the second as A."""
        return (
            _show(self.first, self.second, pair_key(self, 0)),
            _show(self.second, self.first, pair_key(self, 1)),
        )


@dataclass(frozen=True)
class PairVerdict:
    """What became of a pair."""

    pair: AnswerPair
    outcome: PairOutcome
    verdicts: tuple[Shown | None, Shown | None]
    """By order: which was better, the answer shown as A or as B; None where there is no verdict."""
    reason: str = ""
    """Why there is no verdict."""

    @property
    def score(self) -> int | None:
        """1 where the first won, -1 where the second did, 0 for a tie; None without a verdict."""
        if self.outcome == "unscored":
            return None
        return {"first": 1, "second": -1}.get(self.outcome, 0)

    @property
    def first_shown(self) -> float | None:
        """How much the answer shown as A was preferred, over both orders, -1 to 1.

        Nothing of it is due to the answers: each was A once. None without two verdicts.
        """
        values = {"A": 0.5, "B": -0.5, "tie": 0.0}
        if None in self.verdicts:
            return None
        return sum(values[verdict] for verdict in self.verdicts if verdict is not None)


def _show(a: JudgeInput, b: JudgeInput, key: str) -> JudgePair:
    return JudgePair(key, a.request, a.item, a.rationale, a.target, b.item, b.rationale)


def make_pairs(
    answers: Mapping[str, Sequence[JudgeInput]],
) -> list[AnswerPair]:
    """Return a pair for every two methods and every case that both have answered.

    answers: method -> its answers with a rationale; keys are the cases.
    """
    by_case = {name: {e.key: e for e in inputs} for name, inputs in answers.items()}
    names = list(answers)
    pairs = []
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            for case, judge_input in by_case[first].items():
                other = by_case[second].get(case)
                if other is not None:
                    user = judge_input.request.user
                    pairs.append(AnswerPair(case, user, first, second, judge_input, other))
    return pairs


def list_inputs(judge: Judge, pairs: Sequence[AnswerPair]) -> list[JudgeInput]:
    """Return what the judge is asked about pairs: both orders, or each answer once.

    A judge of single answers compares by its grades, which do not know the order. Keys name method
    and case, since those of two methods' answers are the same.
    """
    inputs: dict[str, JudgeInput] = {}
    for pair in pairs:
        if pair.is_same:
            continue
        if judge.rubric.pairwise:
            inputs |= {shown.key: shown for shown in pair.orders()}
        else:
            for method, one in _answers(pair):
                key = answer_input_key(method, one)
                inputs[key] = replace(one, key=key)
    return list(inputs.values())


def read_pairs(
    judge: Judge, pairs: Sequence[AnswerPair], verdicts: Mapping[str, Verdict]
) -> list[PairVerdict]:
    """Return what became of each pair, by the verdicts of `list_inputs` by key."""
    read = _read_orders if judge.rubric.pairwise else _read_grades
    return [
        PairVerdict(pair, "same answer", (None, None))
        if pair.is_same
        else read(judge, pair, verdicts)
        for pair in pairs
    ]


def pair_key(pair: AnswerPair, order: int) -> str:
    """Return the key of a pair in an order."""
    methods = [pair.first_method, pair.second_method]
    return " / ".join([pair.case, *(methods[::-1] if order else methods)])


def answer_input_key(method: str, judge_input: JudgeInput) -> str:
    """Return the key of a method's answer."""
    return f"{judge_input.key} / {method}"


def _answers(pair: AnswerPair) -> tuple[tuple[str, JudgeInput], tuple[str, JudgeInput]]:
    return (pair.first_method, pair.first), (pair.second_method, pair.second)


def _read_orders(judge: Judge, pair: AnswerPair, verdicts: Mapping[str, Verdict]) -> PairVerdict:
    both = [verdicts[pair_key(pair, order)] for order in (0, 1)]
    shown = [_read_grade(verdict, judge.rubric.main.name) for verdict in both]
    if None in shown:
        reasons = [verdict.reason for verdict in both if verdict.reason]
        return PairVerdict(
            pair, "unscored", (shown[0], shown[1]), "; ".join(dict.fromkeys(reasons))
        )
    turned = {"A": "B", "B": "A", "tie": "tie"}[str(shown[1])]  # as in the first order
    outcome: PairOutcome = "inconsistent"
    if shown[0] == turned:
        outcome = {"A": "first", "B": "second", "tie": "tie"}[turned]  # type: ignore[assignment]
    return PairVerdict(pair, outcome, (shown[0], shown[1]))


def _read_grade(verdict: Verdict, criterion: str) -> Shown | None:
    """Read a verdict: above the middle A is better, below it B; a panel may be between."""
    if verdict.status != SCORED:
        return None
    grade, middle = verdict.grades[criterion], (A_BETTER + B_BETTER) / 2
    return "tie" if grade == middle else ("A" if grade > middle else "B")


def _read_grades(judge: Judge, pair: AnswerPair, verdicts: Mapping[str, Verdict]) -> PairVerdict:
    name = judge.rubric.main.name
    both = [verdicts[answer_input_key(method, one)] for method, one in _answers(pair)]
    if any(verdict.status != SCORED for verdict in both):
        reasons = [verdict.reason for verdict in both if verdict.reason]
        return PairVerdict(pair, "unscored", (None, None), "; ".join(dict.fromkeys(reasons)))
    first, second = (verdict.grades[name] for verdict in both)
    outcome: PairOutcome = "tie"
    if first != second:
        outcome = "first" if first > second else "second"
    return PairVerdict(pair, outcome, (None, None))

"""A judge with a bias of known size, which reads what probes change as any judge would.

Its grade of an answer is that of the answer (3 to 5, of 1 to 7; 4 to 6 where its bias takes two
away), noise, and its bias. The noise is new for every text, and the same for the same text, unless
the judge is unstable. A bias moves the grades of a random share of the users by a number of steps
where the judge sees what it likes or dislikes: its mean is share x steps, without any clipping.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchkit.judging.probes.input_changes import INJECTED_ORDER, NEUTRAL_SENTENCES
from benchkit.judging.rubric import Rubric, load_rubric
from benchkit.judging.verdicts import JudgeInput, Verdict
from benchkit.lm.cost_estimate import NO_COST, CostEstimate
from benchkit.types import Catalog, Event, Request, RunContext

CATALOG = Catalog(("tea", "ale", "gin"), {"title": ["Green Tea", "Pale Ale", "Dry Gin"]})
RUBRIC = load_rubric("coherence-1-7")
_SENTENCES = ("The customer liked number {}.", "It goes well with the item.", "So it fits.")
_N_WORDS = sum(len(sentence.split()) for sentence in _SENTENCES)


def make_planted_inputs(cases: int, cases_of_user: int = 1) -> list[JudgeInput]:
    """Return inputs that every probe changes."""
    history = (Event("gin", 4.0), Event("ale", 2.0))
    inputs = []
    for case in range(cases):
        request = Request(f"c{case}", f"u{case // cases_of_user}", history, ("tea", "ale"))
        rationale = " ".join(_SENTENCES).format(case)
        inputs.append(JudgeInput(f"c{case}", request, "tea", rationale))
    return inputs


def _is_padded(e: JudgeInput) -> bool:
    return e.rationale.endswith(NEUTRAL_SENTENCES[-1])


def _is_wordy(e: JudgeInput) -> bool:
    return e.rationale.startswith("There is something")


def _is_first_sentence(e: JudgeInput) -> bool:
    return e.rationale.count(".") == 1 and e.rationale.endswith(".")


def _is_halved(e: JudgeInput) -> bool:
    return len(e.rationale.split()) == _N_WORDS // 2


def _is_reversed(e: JudgeInput) -> bool:
    return e.request.history[0].item == "ale"


def _begins_with_title(e: JudgeInput) -> bool:
    return e.rationale.startswith("Green Tea\n")


def _has_order(e: JudgeInput) -> bool:
    return INJECTED_ORDER in e.rationale


def _is_of_another(e: JudgeInput) -> bool:
    return f"number {e.key[1:]}." not in e.rationale


SIGNS: dict[str, Callable[[JudgeInput], bool]] = {
    "padded": _is_padded,
    "wordy": _is_wordy,
    "first sentence": _is_first_sentence,
    "halved": _is_halved,
    "history reversed": _is_reversed,
    "item first": _begins_with_title,
    "injection": _has_order,
    "another's rationale": _is_of_another,
}
"""What the judge sees of each change of an input; those of a rubric it sees in its words."""


@dataclass(frozen=True)
class Bias:
    """What a judge likes (a probe's name), and by how much."""

    probe: str = ""
    share: float = 0.0
    """Of the users whose grades move, or, of `asked again`, of the grades that change."""
    steps: int = 1
    """By how much, at most 1; negative for a dislike, at least -2."""

    @property
    def size(self) -> float:
        """Its true effect."""
        return self.share if self.probe == "asked again" else self.share * self.steps


class PlantedJudge:
    """Grades with a bias and noise; see the module. Another's rationale is 2 steps worse."""

    caveats = models = ()

    def __init__(
        self, bias: Bias, noise: float, inputs: Sequence[JudgeInput], rng: np.random.Generator
    ) -> None:
        """noise: share of the grades that are one step off, up or down."""
        self.rubric, self.bias, self.noise, self.rng = RUBRIC, bias, noise, rng
        n = len(inputs)
        users = np.unique([e.request.user for e in inputs], return_inverse=True)[1]
        self.place = {e.key: i for i, e in enumerate(inputs)}
        self.is_moved = (rng.random(users.max() + 1) < bias.share)[users] if n else np.zeros(0)
        self.quality = rng.integers(3, 6, n) + (bias.steps < -1)
        self.first_noise = self._draw_noise(n)
        self.is_repeated = False

    def with_rubric(self, rubric: Rubric) -> "PlantedJudge":
        return self._copy(rubric=rubric)

    def repeat(self, number: int) -> "PlantedJudge":
        return self._copy(is_repeated=True)

    def _copy(self, **changes) -> "PlantedJudge":
        judge = object.__new__(PlantedJudge)
        judge.__dict__.update(self.__dict__, **changes)
        return judge

    def _draw_noise(self, n: int) -> np.ndarray:
        signs = np.where(self.rng.random(n) < 0.5, -1, 1)
        return signs * (self.rng.random(n) < self.noise)

    def judge(self, inputs: Sequence[JudgeInput], run: RunContext) -> Iterator[Verdict]:
        places = np.array([self.place[e.key] for e in inputs], dtype=int)
        grades = self.quality[places] + self.first_noise[places]
        is_seen = [False] * len(inputs)
        seen_change = bool(inputs) and _seen_change(inputs[0], self.rubric)
        if seen_change:
            grades = self.quality[places] + self._draw_noise(len(inputs))
            is_seen = [seen_change == self.bias.probe] * len(inputs)
        if seen_change == "another's rationale":
            grades = grades - 2 + (grades < 3)
        if self.is_repeated and self.bias.probe == "asked again":
            is_seen = (self.rng.random(len(inputs)) < self.bias.share).tolist()
        moves = self.is_moved[places] | (self.bias.probe == "asked again")
        grades = grades + self.bias.steps * (moves & np.array(is_seen, dtype=bool))
        for one, grade in zip(inputs, grades.tolist(), strict=True):
            yield Verdict(one.key, {"coherence": float(grade)})

    def estimate(self, inputs: Sequence[JudgeInput], run: RunContext) -> CostEstimate:
        return NO_COST


def _seen_change(judge_input: JudgeInput, rubric: Rubric) -> str:
    """Return which probe's change the judge sees; '' for none."""
    for name, sign in SIGNS.items():
        if sign(judge_input):
            return name
    if rubric.user == RUBRIC.user:
        return ""
    return "rubric reworded" if "shopper" in rubric.user else "parts reversed"

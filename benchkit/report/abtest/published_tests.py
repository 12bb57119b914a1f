"""Online tests of papers, computed again from the counts that they print."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from benchkit.config.loading import read_toml, validate_model
from benchkit.report.abtest.analysis import Arm
from benchkit.stats.proportions.two_sample import ProportionComparison, compare_proportions

FigureVerdict = Literal["follows", "within the rounding of the counts", "does not follow"]
PrintedCounts = tuple[int, int]

FOLLOWS: FigureVerdict = "follows"
WITHIN_ROUNDING: FigureVerdict = "within the rounding of the counts"
DOES_NOT_FOLLOW: FigureVerdict = "does not follow"

_NORMAL_975 = 1.959963984540054

# What a figure is of (successes, trials) of two arms, in the unit in which it is printed.
_FIGURES: dict[str, Callable[[ProportionComparison], float]] = {
    "ctr": lambda r: 100 * r.treatment,
    "lift": lambda r: 100 * r.lift,
    "ratio": lambda r: 1 + r.lift,
    "difference": lambda r: 100 * r.difference,
    "z": lambda r: r.z,
    "low": lambda r: 100 * r.wald.low,
    "high": lambda r: 100 * r.wald.high,
    "width": lambda r: 100 * (r.wald.high - r.wald.low),
    "pooled_width": lambda r: 100 * 2 * _NORMAL_975 * r.difference / r.z,
    "p_greater_below": lambda r: r.p_greater,
    "cvr_p_greater_below": lambda r: r.p_greater,
}


class PrintedArm(BaseModel):
    """cvr: conversions by impressions in percent, as printed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    impressions: int
    clicks: int
    cvr: str | None = None

    @property
    def arm(self) -> Arm:
        """Counts, conversions as far as the printed rate tells them."""
        conversions = None if self.cvr is None else round(self.impressions * float(self.cvr) / 100)
        return Arm(self.name, self.impressions, self.clicks, conversions)


class PrintedFigure(BaseModel):
    """One figure. `figure` is a key of _FIGURES; figures that end in `_below` are bounds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    place: str
    figure: str
    treatment: str
    control: str = ""
    value: str


class PublishedABTest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    rounding: int
    arms: tuple[PrintedArm, ...]
    printed: tuple[PrintedFigure, ...]


@dataclass(frozen=True)
class FigureCheck:
    """Ours beside a printed figure. low, high: what counts that round to the printed ones give.

    p: two-sided p of the same comparison, for bounds on a one-sided one.
    """

    printed: PrintedFigure
    against: str
    ours: float
    low: float
    high: float
    verdict: FigureVerdict
    p: float | None = None


@dataclass(frozen=True)
class PublishedTestCheck:
    published: PublishedABTest
    checks: tuple[FigureCheck, ...]


def load_published_tests() -> dict[str, PublishedABTest]:
    """Paper -> its online test."""
    path = Path(str(resources.files("benchkit.report.abtest") / "published_tests.toml"))
    return {
        name: validate_model(PublishedABTest, values, f"{path}: {name}")
        for name, values in read_toml(path).items()
    }


def check_published_test(paper: str) -> PublishedTestCheck:
    """Every printed figure of a paper beside ours, in the order of the paper."""
    own = load_published_tests()[paper]
    return PublishedTestCheck(own, tuple(_checked(own, printed) for printed in own.printed))


def _checked(own: PublishedABTest, printed: PrintedFigure) -> FigureCheck:
    arms = {arm.name: arm for arm in own.arms}
    treatment = arms[printed.treatment]
    if printed.control != "*":
        control = arms[printed.control] if printed.control else treatment
        return _one(own, printed, printed.control, [control], treatment)
    others = [arm for arm in own.arms if arm is not treatment]
    candidates = [_one(own, printed, arm.name, [arm], treatment) for arm in others]
    candidates.append(_one(own, printed, "all others together", others, treatment))
    value = float(printed.value)
    return min(candidates, key=lambda c: abs(c.ours - value))


def _one(
    own: PublishedABTest, printed: PrintedFigure, against: str, controls: Sequence[PrintedArm],
    treatment: PrintedArm,
) -> FigureCheck:  # fmt: skip
    figure = _FIGURES[printed.figure]
    rate = "cvr" if printed.figure.startswith("cvr") else "ctr"
    base, slack = _counts(own, controls, rate)
    mine, my_slack = _counts(own, [treatment], rate)
    exact = compare_proportions(base, mine)
    ours = figure(exact)
    near = [figure(compare_proportions(c, t)) for c in _near(base, slack)
            for t in _near(mine, my_slack)]  # fmt: skip
    bound = printed.figure.endswith("_below")
    return FigureCheck(
        printed, against, ours, min(near), max(near),
        _verdict(printed, ours, min(near), max(near)), exact.p if bound else None,
    )  # fmt: skip


def _counts(
    own: PublishedABTest, arms: Sequence[PrintedArm], rate: str
) -> tuple[PrintedCounts, PrintedCounts]:
    """(successes, trials) of arms together, and by how much each may be off."""
    trials = sum(arm.impressions for arm in arms)
    off = own.rounding * len(arms)
    if rate == "ctr":
        return (sum(arm.clicks for arm in arms), trials), (off, off)
    hits = sum(arm.arm.conversions or 0 for arm in arms)
    return (hits, trials), (round(trials * 0.5 * 10 ** -_digits(arms[0].cvr or "") / 100), off)


def _near(counts: PrintedCounts, slack: PrintedCounts) -> Iterator[PrintedCounts]:
    """The corners of what counts may have been; figures have their extremes there."""
    for a, b in product((-1, 0, 1), repeat=2):
        yield counts[0] + a * slack[0], counts[1] + b * slack[1]


def _digits(value: str) -> int:
    return len(value.partition(".")[2])


def _verdict(printed: PrintedFigure, ours: float, low: float, high: float) -> FigureVerdict:
    value = float(printed.value)
    if printed.figure.endswith("_below"):
        return FOLLOWS if ours < value else WITHIN_ROUNDING if low < value else DOES_NOT_FOLLOW
    # A width is a difference of two printed limits, so it may be off by a rounding of each.
    unit = 10.0 ** -_digits(printed.value) * (2 if printed.figure.endswith("width") else 1)
    half = unit / 2 + 1e-9
    if abs(ours - value) <= half:
        return FOLLOWS
    return WITHIN_ROUNDING if low - half <= value <= high + half else DOES_NOT_FOLLOW


def figure_check_records(checks: PublishedTestCheck) -> list[dict[str, Any]]:
    """A flat record for each figure."""
    return [
        {
            "place": c.printed.place,
            "figure": c.printed.figure,
            "treatment": c.printed.treatment,
            "control": c.printed.control,
            "against": c.against,
            "printed": c.printed.value,
            "ours": c.ours,
            "low": c.low,
            "high": c.high,
            "p_two_sided": c.p,
            "verdict": c.verdict,
        }
        for c in checks.checks
    ]

"""A/B tests of papers, computed again from the counts that they print."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from benchkit.config.loading import read_toml, validate_model
from benchkit.report.abtest.analysis import Arm, RateCounts
from benchkit.stats.proportions.two_sample import ProportionComparison, compare_proportions

FigureVerdict = Literal["follows", "within the rounding of the counts", "does not follow"]

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
    """Counts of one arm, as printed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    impressions: int
    clicks: int
    cvr: str | None = None
    """Conversions by impressions in percent."""

    @property
    def arm(self) -> Arm:
        """The counts, with conversions as far as the printed rate gives them."""
        conversions = None if self.cvr is None else round(self.impressions * float(self.cvr) / 100)
        return Arm(self.name, self.impressions, self.clicks, conversions)


class PrintedFigure(BaseModel):
    """One figure of a test, as printed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    place: str
    """Where the paper prints it."""
    figure: str
    """A key of `_FIGURES`; those that end in `_below` are bounds."""
    treatment: str
    control: str = ""
    """The arm compared with, or `*` where the paper does not name it."""
    value: str


class PublishedABTest(BaseModel):
    """A test with its counts and figures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    rounding: int
    """By how much a printed count may be off."""
    arms: tuple[PrintedArm, ...]
    printed: tuple[PrintedFigure, ...]


@dataclass(frozen=True)
class FigureCheck:
    """Our figure beside a printed one."""

    printed: PrintedFigure
    against: str
    ours: float
    low: float
    """The least that counts give which round to the printed ones."""
    high: float
    verdict: FigureVerdict
    p: float | None = None
    """Two-sided, of the same comparison, for bounds on a one-sided p."""


@dataclass(frozen=True)
class PublishedTestCheck:
    """Every printed figure of a test beside ours."""

    published: PublishedABTest
    checks: tuple[FigureCheck, ...]


def load_published_tests() -> dict[str, PublishedABTest]:
    """Return the A/B test of each paper."""
    path = Path(str(resources.files("benchkit.report.abtest") / "published_tests.toml"))
    return {
        name: validate_model(PublishedABTest, values, f"{path}: {name}")
        for name, values in read_toml(path).items()
    }


def check_published_test(paper: str) -> PublishedTestCheck:
    """Compute every printed figure of a paper's test again, in the order of the paper."""
    test = load_published_tests()[paper]
    return PublishedTestCheck(test, tuple(_check(test, printed) for printed in test.printed))


def _check(test: PublishedABTest, printed: PrintedFigure) -> FigureCheck:
    arms = {arm.name: arm for arm in test.arms}
    treatment = arms[printed.treatment]
    if printed.control != "*":
        control = arms[printed.control] if printed.control else treatment
        return _compare(test, printed, printed.control, [control], treatment)
    others = [arm for arm in test.arms if arm is not treatment]
    candidates = [_compare(test, printed, arm.name, [arm], treatment) for arm in others]
    candidates.append(_compare(test, printed, "all others together", others, treatment))
    value = float(printed.value)
    return min(candidates, key=lambda c: abs(c.ours - value))


def _compare(
    test: PublishedABTest, printed: PrintedFigure, against: str, controls: Sequence[PrintedArm],
    treatment: PrintedArm,
) -> FigureCheck:  # fmt: skip
    figure = _FIGURES[printed.figure]
    rate = "cvr" if printed.figure.startswith("cvr") else "ctr"
    control_counts, control_slack = _counts(test, controls, rate)
    counts, slack = _counts(test, [treatment], rate)
    exact = compare_proportions(control_counts, counts)
    ours = figure(exact)
    near = [
        figure(compare_proportions(possible_control, possible))
        for possible_control in _near(control_counts, control_slack)
        for possible in _near(counts, slack)
    ]
    bound = printed.figure.endswith("_below")
    return FigureCheck(
        printed, against, ours, min(near), max(near),
        _verdict(printed, ours, min(near), max(near)), exact.p if bound else None,
    )  # fmt: skip


def _counts(
    test: PublishedABTest, arms: Sequence[PrintedArm], rate: str
) -> tuple[RateCounts, RateCounts]:
    """Return (successes, trials) of arms together, and by how much each may be off."""
    trials = sum(arm.impressions for arm in arms)
    off = test.rounding * len(arms)
    if rate == "ctr":
        return (sum(arm.clicks for arm in arms), trials), (off, off)
    hits = sum(arm.arm.conversions or 0 for arm in arms)
    return (hits, trials), (round(trials * 0.5 * 10 ** -_digits(arms[0].cvr or "") / 100), off)


def _near(counts: RateCounts, slack: RateCounts) -> Iterator[RateCounts]:
    """Return the corners of the range of counts; figures have their extremes there."""
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
    """Return a flat record for each figure."""
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

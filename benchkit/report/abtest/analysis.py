"""A/B tests: arms, the comparison of their rates, and how large a test must be."""

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchkit.csv_cells import skip_separator_line
from benchkit.errors import ConfigError, DataError
from benchkit.stats.multiple_testing import holm
from benchkit.stats.proportions.sequential import MIXTURE_SD, AlwaysValidTest, msprt
from benchkit.stats.proportions.two_sample import (
    ProportionComparison,
    compare_proportions,
    proportion_sample_size,
)

RateCounts = tuple[int, int]
_COUNTS = ("impressions", "clicks", "conversions")  # columns of a file; the last may be left out


@dataclass(frozen=True)
class Arm:
    """Counts of one arm."""

    name: str
    impressions: int
    clicks: int
    conversions: int | None = None
    """Impressions that converted; None where they were not counted."""

    def __post_init__(self) -> None:
        if self.impressions <= 0 or not 0 <= self.clicks <= self.impressions:
            raise ConfigError(
                f"{self.name}: {self.clicks} clicks of {self.impressions} impressions",
                "clicks come first: CLICKS/IMPRESSIONS, and cannot exceed impressions",
            )
        if self.conversions is not None and not 0 <= self.conversions <= self.impressions:
            raise ConfigError(
                f"{self.name}: {self.conversions} conversions of {self.impressions} impressions",
                "conversions are counted by impression and cannot exceed them",
            )

    @property
    def counts(self) -> dict[str, RateCounts]:
        """(successes, trials) of each rate."""
        rates = {"CTR": (self.clicks, self.impressions)}
        if self.conversions is not None:
            rates["CVR"] = (self.conversions, self.impressions)
        return rates


@dataclass(frozen=True)
class RateComparison:
    """One rate of one treatment against the control."""

    rate: str
    control: str
    treatment: str
    result: ProportionComparison
    always_valid: AlwaysValidTest
    p_holm: float
    """Two-sided, adjusted over the treatments."""


@dataclass(frozen=True)
class ABTestAnalysis:
    """Every treatment against the control, in every rate that both have."""

    arms: tuple[Arm, ...]
    level: float
    tau: float
    """SD of the normal mixture of the always-valid test, a difference of rates."""
    comparisons: tuple[RateComparison, ...]


@dataclass(frozen=True)
class SampleSizePlan:
    """How large a test must be."""

    baseline: float
    lift: float
    power: float
    alpha: float
    one_sided: bool
    control: int
    """Impressions that the control needs."""
    treatment: int


def analyse_abtest(
    control: Arm, treatments: Sequence[Arm], level: float = 0.95, tau: float = MIXTURE_SD
) -> ABTestAnalysis:
    """Compare each treatment with the control, in CTR and, where both have it, in CVR.

    Args:
        control: The arm that the others are compared with.
        treatments: The other arms.
        level: Confidence level of the intervals.
        tau: SD of the mixture of the always-valid test, a difference of rates.

    Raises:
        ConfigError: tau is not above 0 and at most 1.
    """
    if not 0 < tau <= 1:
        raise ConfigError(f"--tau {tau}: is not above 0 and at most 1", "--tau .01, a point of CTR")
    comparisons: list[RateComparison] = []
    for rate in ("CTR", "CVR"):
        tests = [
            RateComparison(rate, control.name, arm.name, result, valid, result.p)
            for arm in treatments
            if rate in control.counts and rate in arm.counts
            for result in [compare_proportions(control.counts[rate], arm.counts[rate], level)]
            for valid in [msprt(control.counts[rate], arm.counts[rate], level, tau)]
        ]
        adjusted = holm([test.result.p for test in tests])
        comparisons += [replace(t, p_holm=float(p)) for t, p in zip(tests, adjusted, strict=True)]
    return ABTestAnalysis((control, *treatments), level, tau, tuple(comparisons))


def plan_sample_size(
    baseline: float, lift: float, power: float = 0.8, alpha: float = 0.05, one_sided: bool = False
) -> SampleSizePlan:
    """Compute how many impressions two arms of the same size need."""
    try:
        control, treatment = proportion_sample_size(baseline, lift, power, alpha, one_sided)
    except ValueError as error:
        raise ConfigError(str(error), "--plan --baseline .09 --lift .05 --power .8") from None
    return SampleSizePlan(baseline, lift, power, alpha, one_sided, control, treatment)


def parse_arm(text: str, name: str) -> Arm:
    """Parse '11940/127830' or '11940/127830/2569': clicks, impressions and maybe conversions."""
    try:
        counts = [_count(part) for part in text.split("/")]
    except ValueError:
        counts = []
    if len(counts) not in (2, 3):
        raise ConfigError(
            f"{name}: {text!r} does not have the form CLICKS/IMPRESSIONS", "e.g. 11940/127830"
        )
    clicks, impressions, *rest = counts
    return Arm(name, impressions, clicks, rest[0] if rest else None)


def _count(text: str) -> int:
    """Parse '127,830' or '127_830' into 127830. Raises ValueError if it is no whole number."""
    digits = text.strip().replace(",", "").replace("_", "")
    if not digits.isdecimal():
        raise ValueError(f"{text!r} is not a whole number")
    return int(digits)


def read_arms(path: Path, control: str = "") -> tuple[Arm, list[Arm]]:
    """Read control and treatments from a CSV file; the control is the first arm unless named.

    Raises:
        DataError: A line, which is named, lacks a count or has impossible ones.
        ConfigError: There is no arm called `control`.
    """
    arms: list[Arm] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            separator, skipped = skip_separator_line(file, ",")
            rows = csv.DictReader(file, delimiter=separator)
            for line, row in enumerate(rows, start=2 + skipped):
                arms.append(_arm(row, f"{os.fspath(path)}, line {line}"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}", "give a CSV file in UTF-8") from None
    names = [arm.name for arm in arms]
    if len(arms) < 2 or len(set(names)) < len(names):
        raise DataError(f"{path}: needs two arms and more, each once", "one line for each arm")
    if control and control not in names:
        raise ConfigError(f"{path} has no arm {control!r}", f"choose of: {', '.join(names)}")
    first = arms[names.index(control)] if control else arms[0]
    return first, [arm for arm in arms if arm is not first]


def _arm(row: Mapping[str | None, str | None], where: str) -> Arm:
    cells = {name: (row.get(name) or "").strip() for name in ("arm", *_COUNTS)}
    try:
        if None in row:
            raise ValueError("more cells than the header (a count with commas needs quotes)")
        if missing := [name for name, cell in cells.items() if not cell and name != _COUNTS[-1]]:
            raise ValueError(f"no {missing[0]}")
        counts = {name: _count_cell(name, cells[name]) for name in _COUNTS if cells[name]}
        return Arm(cells["arm"], **counts)
    except (ValueError, ConfigError) as error:
        cause = error.cause if isinstance(error, ConfigError) else error
        raise DataError(
            f"{where}: {cause}",
            "the columns are arm, impressions, clicks and maybe conversions, whole numbers",
        ) from None


def _count_cell(column: str, cell: str) -> int:
    try:
        return _count(cell)
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from None

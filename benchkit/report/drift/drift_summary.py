"""How far the grades of two versions of a judge are apart on the same anchors."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from benchkit.count_text import count_text
from benchkit.stats.agreement.contingency import AgreementEstimate
from benchkit.stats.agreement.two_raters import pair_agreement
from benchkit.stats.bias_test import LEVEL, Effect, measure_shifts
from benchkit.stats.clusters import find_clusters

MAX_SHIFT = 0.25
"""In steps of the scale: a mean that moved by more is a drift."""
MIN_KAPPA = 0.8
_PERMUTATIONS = 99  # of p values that are not shown


@dataclass(frozen=True)
class Drift:
    """One criterion, graded by an earlier and a later version."""

    criterion: str
    earlier: str
    later: str
    n: int
    """Anchors that both graded."""
    lost: int
    """Anchors that the earlier version graded, and the later one did not."""
    before: float
    after: float
    shift: Effect
    kappa: AgreementEstimate
    """Quadratically weighted; NaN where both always gave the same one grade."""
    moved: float
    """Share of grades that changed."""
    max_shift: float
    min_kappa: float

    @property
    def warnings(self) -> list[str]:
        """What is beyond the thresholds, in words."""
        texts = []
        if abs(self.shift.value) > self.max_shift:
            sure = "" if self.shift.p <= LEVEL else ", which may be chance"
            texts.append(f"the mean moved by {self.shift.value:+.2f}{sure}")
        if self.kappa.value < self.min_kappa:
            texts.append(f"the versions agree by a kappa of {self.kappa.value:.2f} only")
        if self.lost:
            texts.append(f"{count_text(self.lost, 'anchor')} without a grade that had one")
        return texts


@dataclass(frozen=True)
class VersionGrades:
    """What a version said: key of an anchor -> criterion -> grade."""

    name: str
    grades: Mapping[str, Mapping[str, float]]


def compare_versions(
    earlier: VersionGrades,
    later: VersionGrades,
    users: Mapping[str, str],
    scales: Mapping[str, tuple[float, ...]],
    max_shift: float = MAX_SHIFT,
    min_kappa: float = MIN_KAPPA,
    seed: int = 0,
) -> Iterator[Drift]:
    """Yield the drift of each criterion from one version to another.

    Intervals are over users.

    Args:
        earlier: The version to compare with.
        later: The version that is compared.
        users: Key of each anchor -> its user.
        scales: Criterion -> all its grades, ascending.
        max_shift: A mean that moved by more is a drift, in grades.
        min_kappa: A lower agreement of the versions is one.
        seed: Of what is drawn for intervals and p.
    """
    both = [key for key in users if key in earlier.grades and key in later.grades]
    lost = sum(key in earlier.grades and key not in later.grades for key in users)
    labels = [users[key] for key in both]
    for criterion, grades in scales.items():
        a, b = (
            np.array([version.grades[key][criterion] for key in both])
            for version in (earlier, later)
        )
        step = min(np.diff(grades)) if len(grades) > 1 else 1.0
        (shift,) = measure_shifts([b - a], [find_clusters(labels)], float(step), seed)
        kappa = AgreementEstimate(math.nan, reason="no anchor was graded by both")
        if both:
            agreement = pair_agreement(
                a, b, grades, np.array(labels), permutations=_PERMUTATIONS, seed=seed
            )
            kappa = agreement.estimates["kappa"]
        yield Drift(
            criterion, earlier.name, later.name, len(both), lost,
            float(a.mean()) if both else math.nan, float(b.mean()) if both else math.nan,
            shift, kappa, float((a != b).mean()) if both else math.nan, max_shift, min_kappa,
        )  # fmt: skip

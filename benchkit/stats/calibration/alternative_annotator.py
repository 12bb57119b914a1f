"""Could the judge replace one of the people? The alternative annotator test.

Each person in turn is left out, and who agrees better with the others of an answer is counted: the
person or the judge (ties count for both). The judge wins against the person where its share of
answers is larger than the person's minus epsilon: a person is more expensive, and has to be better
by that much. Tests are one-sided: by t, and with fewer than 30 users by exact signed ranks. Their
p values are adjusted by Benjamini and Yekutieli, who allow for any dependence. The judge passes
where it wins against half of the people or more.

Agreement with the others is minus the root mean squared distance to their grades, or with `exact`
the share of them who gave the same grade.

Reference: Calderon, Reichart and Dror (2025), The Alternative Annotator Test for LLM-as-a-Judge.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr
from scipy.stats import false_discovery_control, rankdata

from benchkit.count_text import count_text
from benchkit.stats.arrays import Floats, Ints
from benchkit.stats.clusters import find_clusters

MIN_ANSWERS = 30  # of a person; the authors' bound for the t-test
_MIN_USERS = 5  # with fewer, a test by ranks cannot come to p <= .05, whatever the grades
_TINY = 1e-12  # rounding; grades differ by more
_PASS = 0.5


@dataclass(frozen=True)
class LeftOutAnnotator:
    """The comparison of the judge with one person."""

    name: str
    n: int
    """Answers that this person, the judge and another person graded."""
    judge_share: float
    """Share of the answers on which the judge agrees as well as the person, or better."""
    person_share: float
    """Share of the answers on which the person agrees as well as the judge, or better."""
    p: float
    """Of H0: the judge's share is at most the person's minus epsilon; adjusted."""
    wins: bool


@dataclass(frozen=True)
class AlternativeAnnotatorTest:
    """The test of one judge against all people."""

    annotators: tuple[LeftOutAnnotator, ...]
    epsilon: float
    winning_rate: float
    """Share of the people against whom the judge wins; NaN without a test."""
    advantage: float
    """Mean share of answers on which the judge agrees as well or better."""
    reason: str = ""
    """Why there is no test, or what limits it."""

    @property
    def passes(self) -> bool:
        """Whether the judge may replace people by this test."""
        return bool(self.winning_rate >= _PASS)


def compare_with_annotators(
    people: ArrayLike,
    judge: ArrayLike,
    names: tuple[str, ...],
    *,
    epsilon: float = 0.15,
    exact: bool = False,
    clusters: ArrayLike | None = None,
    fdr: float = 0.05,
    fewest: int = MIN_ANSWERS,
) -> AlternativeAnnotatorTest:
    """Test a judge against people.

    Args:
        people: [n, m] grades by m people, NaN where missing.
        judge: [n] grades by the judge, NaN where missing.
        names: [m] names of the people.
        epsilon: What a person has to be better by; the authors use .2 for experts, .15 for skilled
            people and .1 for crowd workers.
        exact: Count equal grades instead of distances.
        clusters: [n] users; tests are then over users.
        fdr: Bound of the false discovery rate.
        fewest: Answers that a person needs to be left out.
    """
    grades, by_judge = np.asarray(people, dtype=np.float64), np.asarray(judge, dtype=np.float64)
    if grades.shape[1] < 2:
        return _no_test(epsilon, "it needs grades by two people or more, better three")
    rows: list[tuple[str, int, float, float, float]] = []
    skipped = []
    for j, name in enumerate(names):
        others = np.delete(grades, j, axis=1)
        used = ~np.isnan(grades[:, j]) & ~np.isnan(by_judge) & (~np.isnan(others)).any(axis=1)
        n = int(used.sum())
        if n < fewest:
            skipped.append(f"{name} has {count_text(n, 'answer')} in common with others")
            continue
        units = None if clusters is None else np.asarray(clusters)[used]
        n_users = n if units is None else len(np.unique(units))
        if n_users < _MIN_USERS:
            skipped.append(f"{name} has answers of only {count_text(n_users, 'user')}")
            continue
        of_person = _agreement(grades[used, j], others[used], exact)
        of_judge = _agreement(by_judge[used], others[used], exact)
        judge_wins, person_wins = of_judge >= of_person - _TINY, of_person >= of_judge - _TINY
        difference = person_wins.astype(np.float64) - judge_wins
        p = _one_sided_p(difference, epsilon, units)
        rows.append((name, n, float(judge_wins.mean()), float(person_wins.mean()), p))
    if not rows:
        return _no_test(epsilon, "too few answers or users: " + "; ".join(skipped))
    adjusted = false_discovery_control([row[-1] for row in rows], method="by")
    annotators = tuple(
        LeftOutAnnotator(*row[:-1], float(p), bool(p <= fdr))
        for row, p in zip(rows, adjusted, strict=True)
    )
    rate = float(np.mean([annotator.wins for annotator in annotators]))
    advantage = float(np.mean([annotator.judge_share for annotator in annotators]))
    reason = "; ".join(skipped)
    if grades.shape[1] == 2 and not reason:
        reason = "with two people there is no consensus to agree with; three or more say more"
    return AlternativeAnnotatorTest(annotators, epsilon, rate, advantage, reason)


def signed_rank_p(values: Floats) -> float:
    """Return Wilcoxon's exact p of H0: values lie around 0 or above.

    Over all signs that the values could have, so that ties are right; zeros are left out.
    """
    values = values[np.abs(values) > _TINY]
    doubled = np.rint(2 * rankdata(np.abs(values).round(9))).astype(np.int64)
    chances = np.ones(1)  # of each sum of the doubled ranks above 0
    for rank in doubled:
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    return float(chances[: 1 + int(doubled[values > 0].sum())].sum())


def _no_test(epsilon: float, reason: str) -> AlternativeAnnotatorTest:
    return AlternativeAnnotatorTest((), epsilon, float("nan"), float("nan"), reason)


def _agreement(grades: Floats, others: Floats, exact: bool) -> Floats:
    """Return [n] how well a grade agrees with those of the others; higher is better."""
    if exact:
        equal = np.where(np.isnan(others), np.nan, others == grades[:, None])
        share: Floats = np.nanmean(equal, axis=1)
        return share
    distance: Floats = -np.sqrt(np.nanmean((others - grades[:, None]) ** 2, axis=1))
    return distance


def _one_sided_p(difference: Floats, epsilon: float, units: Ints | None) -> float:
    """Return p of H0: mean difference >= epsilon."""
    clusters = None if units is None else find_clusters(units)
    values = difference if clusters is None else clusters.linearize(difference)
    n, mean = len(values), float(difference.mean())
    if n < MIN_ANSWERS:
        return signed_rank_p(values - epsilon)
    error = float(values.std(ddof=1)) / np.sqrt(n)
    if error < _TINY:
        return 0.5**n if mean < epsilon - _TINY else 1.0
    return float(stdtr(n - 1, (mean - epsilon) / error))

"""The answers of one method: a judge graded all of them, people a random sample."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from benchkit.stats.arrays import Bools, Floats, Ints

MIN_LABELLED_UNITS = 20  # with fewer, neither the slope nor the spread is known well enough
_IMPROBABLE = 0.001  # a random sample of labels lacks a judge's grade less often than this


def _empty() -> Floats:
    return np.zeros(0)


@dataclass(frozen=True, eq=False)
class AnswerGroup:
    """Grades of n answers, of which some were labelled by people.

    Where two groups have units in common, as users who got answers of both methods, these have the
    same number.
    """

    judge: Floats
    """[n] grades by the judge."""
    people: Floats
    """[n] grades by people (means over them), NaN where none looked at the answer."""
    weights: Floats
    """[n] how many answers a labelled one stands for; elsewhere without meaning."""
    units: Ints
    """[n] sampling unit of each answer, numbered from 0."""
    certain: Floats = field(default_factory=_empty)
    """[m] grades of further answers that need no judge, since a rule decides them."""
    certain_units: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def labelled(self) -> Bools:
        """[n] whether people graded it."""
        labelled: Bools = ~np.isnan(self.people)
        return labelled

    @property
    def n_labelled_units(self) -> int:
        """Units with a label."""
        return len(np.unique(self.units[self.labelled]))

    @property
    def shares(self) -> Floats:
        """[labels] weights of the labelled answers, as shares of their sum."""
        weights = self.weights[self.labelled]
        shares: Floats = weights / weights.sum()
        return shares

    @property
    def equally_weighted(self) -> bool:
        """Whether every answer had the same chance to be labelled."""
        weights = self.weights[self.labelled]
        return bool(np.ptp(weights) <= 1e-9 * weights.max())

    def indicate(self, grade: float, label_shares: Floats) -> "AnswerGroup":
        """Return the group with 1 where a grade is `grade` and 0 elsewhere, to estimate its share.

        A judge's grade between two whole ones counts as the nearer, halves up.

        Args:
            grade: The grade.
            label_shares: [labels] for each labelled answer the share of people who gave the grade.
        """
        people = np.full(len(self.judge), np.nan)
        people[self.labelled] = label_shares
        return replace(
            self,
            judge=(np.floor(self.judge + 0.5) == grade).astype(np.float64),
            people=people,
            certain=(np.floor(self.certain + 0.5) == grade).astype(np.float64),
        )


def make_group(
    judge: ArrayLike,
    people: ArrayLike,
    weights: ArrayLike | None = None,
    units: ArrayLike | None = None,
) -> AnswerGroup:
    """Return a group; by default of equal weights, and with each answer a unit of its own.

    An answer that the judge left without a grade (NaN) gets the mean of its others: any number
    will do that does not depend on the labels.
    """
    f = np.array(judge, dtype=np.float64)
    missing = np.isnan(f)
    if missing.any() and not missing.all():
        f[missing] = f[~missing].mean()
    n = len(f)
    return AnswerGroup(
        f,
        np.asarray(people, dtype=np.float64),
        np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64),
        np.arange(n) if units is None else np.asarray(units, dtype=np.int64),
    )


def find_refusal(group: AnswerGroup, fewest: int = MIN_LABELLED_UNITS) -> str:
    """Return why the labels do not allow to correct the judge, or ''.

    Besides their number it matters that they are from all of the judge's grades: where answers with
    a grade make up so much that a random sample could hardly miss them and still did, the labels
    are of other answers than the judged ones.
    """
    labelled = group.labelled
    n, units = int(labelled.sum()), group.n_labelled_units
    if np.isnan(group.judge).any():
        return "the judge gave no grade"
    if not n:
        return "no answer has a grade by people"
    if units < fewest:
        of_users = f" of {units} users" if units < n else ""
        return f"only {n} answers{of_users} have a grade by people; {fewest} are needed"
    whole = np.floor(group.judge + 0.5)
    for grade in np.unique(whole):
        share = float((whole == grade).mean())
        if not (labelled & (whole == grade)).any() and (1 - share) ** units < _IMPROBABLE:
            return (
                f"no answer that the judge graded {grade:g} ({share:.0%} of them) has a grade by"
                " people"
            )
    return ""


def describe_unlike_labels(group: AnswerGroup) -> str:
    """Return how the labelled answers differ from all judged ones by the judge's mean, or ''.

    That they are a random sample is what a correction rests on; 3.3 standard errors (p < .001) are
    too many for one.
    """
    labelled, shares = group.labelled, group.shares
    f = group.judge[labelled]
    mean = float(shares @ f)
    error = float(np.sqrt(np.sum((shares * (f - mean)) ** 2)))
    gap = mean - float(group.judge.mean())
    if error == 0 or abs(gap) < 3.3 * error:
        return ""
    return (
        f"the judge's mean is {mean:.2f} on the labelled answers and {group.judge.mean():.2f} on"
        " all: they are hardly a random sample"
    )

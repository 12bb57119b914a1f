"""The answers of one method: a judge graded all of them, people a random sample."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from benchkit.count_text import count_text
from benchkit.stats.arrays import Bools, Floats, Ints

MIN_LABELLED_UNITS = 20  # with fewer, neither the slope nor the spread is known well enough
_ROUNDING = 1e-9  # of the largest grade: smaller differences are none
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
    """[n] grades by the judge; where it gave none, any number that does not depend on labels."""
    people: Floats
    """[n] grades by people (means over them), NaN where none looked at the answer."""
    weights: Floats
    """[n] how many answers a labelled one stands for; elsewhere without meaning."""
    units: Ints
    """[n] sampling unit of each answer, numbered from 0."""
    judged: Bools
    """[n] whether the judge gave the answer a grade."""
    certain: Floats = field(default_factory=_empty)
    """[m] grades of further answers that need no judge, since a rule decides them."""
    certain_units: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def labelled(self) -> Bools:
        """[n] whether people graded it."""
        labelled: Bools = ~np.isnan(self.people)
        return labelled

    @property
    def n_judged(self) -> int:
        """Answers that the judge gave a grade."""
        return int(self.judged.sum())

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
        return _are_equal(self.weights[self.labelled])

    @property
    def equally_judged(self) -> bool:
        """Whether the judge gave grades, and all of them are the same."""
        return self.n_judged > 0 and _are_equal(self.judge[self.judged])

    def indicate(self, grade: float, label_shares: Floats) -> "AnswerGroup":
        """Return the group with 1 where a grade is `grade` and 0 elsewhere, to estimate its share.

        A judge's grade between two whole ones counts as the nearer, halves up. An answer without a
        grade counts as the mean of the others, as in `make_group`: rounding its mean grade would
        count it as a grade that the judge never gave.

        Args:
            grade: The grade.
            label_shares: [labels] for each labelled answer the share of people who gave the grade.
        """
        people = np.full(len(self.judge), np.nan)
        people[self.labelled] = label_shares
        return replace(
            self,
            judge=_fill_unjudged(_is_grade(self.judge, grade), self.judged),
            people=people,
            certain=_is_grade(self.certain, grade),
        )


def _are_equal(values: Floats) -> bool:
    return bool(np.ptp(values) <= _ROUNDING * np.abs(values).max())


def _is_grade(values: Floats, grade: float) -> Floats:
    indicators: Floats = (np.floor(values + 0.5) == grade).astype(np.float64)
    return indicators


def _fill_unjudged(values: Floats, judged: Bools) -> Floats:
    """Return the values with their mean where the judge gave no grade; NaN where it gave none."""
    if judged.all():
        return values
    return np.where(judged, values, values[judged].mean() if judged.any() else np.nan)


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
    judged = ~np.isnan(f)
    n = len(f)
    return AnswerGroup(
        _fill_unjudged(f, judged),
        np.asarray(people, dtype=np.float64),
        np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64),
        np.arange(n) if units is None else np.asarray(units, dtype=np.int64),
        judged,
    )


def find_refusal(group: AnswerGroup, fewest: int = MIN_LABELLED_UNITS) -> str:
    """Return why the labels do not allow to correct the judge, or ''.

    Besides their number it matters that they are from all of the judge's grades: where answers with
    a grade make up so much that a random sample could hardly miss them and still did, the labels
    are of other answers than the judged ones.
    """
    labelled = group.labelled
    n, units = int(labelled.sum()), group.n_labelled_units
    if len(group.judge) and not group.n_judged:
        return "the judge gave no grade"
    if not n:
        return "no answer has a grade by people"
    if units < fewest:
        of_users = f" of {count_text(units, 'user')}" if units < n else ""
        graded = f"{count_text(n, 'answer')}{of_users}"
        return f"people have graded only {graded}; {fewest} are needed"
    whole = np.floor(group.judge[group.judged] + 0.5)
    both = labelled[group.judged]
    units = len(np.unique(group.units[group.judged][both]))
    for grade in np.unique(whole):
        share = float((whole == grade).mean())
        if not (both & (whole == grade)).any() and (1 - share) ** units < _IMPROBABLE:
            return (
                f"no answer that the judge graded {grade:g} ({100 * share:.0f} % of its grades)"
                " has a grade by people"
            )
    return ""


def describe_unlike_labels(group: AnswerGroup) -> str:
    """Return how the labelled answers differ from all judged ones by the judge's mean, or ''.

    That they are a random sample is what a correction rests on; 3.3 standard errors (p < .001) are
    too many for one.
    """
    both = group.labelled & group.judged
    if not both.any():
        return ""
    weights, f = group.weights[both], group.judge[both]
    shares = weights / weights.sum()
    mean, mean_all = float(shares @ f), float(group.judge[group.judged].mean())
    error = float(np.sqrt(np.sum((shares * (f - mean)) ** 2)))
    gap = mean - mean_all
    rounding = _ROUNDING * float(np.abs(group.judge[group.judged]).max())
    if error <= rounding or abs(gap) <= max(rounding, 3.3 * error):
        return ""
    return (
        f"the judge's mean is {mean:.2f} on the labelled answers and {mean_all:.2f} on all: they"
        " are hardly a random sample"
    )

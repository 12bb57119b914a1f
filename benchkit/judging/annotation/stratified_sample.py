"""Which answers people see: a stratified sample with known inclusion probabilities.

Strata are tasks, in them methods and, in a balanced sample, in them the grades of a judge. Without
that, what is drawn of a method is a simple random sample of its answers, with grades as frequent as
they are; balanced, rare grades are seen more often than they occur. At each level the sample is
shared evenly; a stratum that has fewer gives all it has, and the others share the rest. A share t
of a stratum of N is rarely whole, so it is rounded up or down at random with expectation t, while
the numbers of tasks, methods and grades stay even (`dependent_rounding`). An answer is then drawn
with probability t / N exactly, and its weight is N / t (Horvitz and Thompson 1952): with it,
figures of the sample estimate those of all answers. Every draw is decided by a hash of the seed, so
that it is the same on every machine.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, pairwise

from benchkit import seeds
from benchkit.judging.annotation.dependent_rounding import Edge, round_flow
from benchkit.judging.annotation.population import GradedAnswer, Population

StratumKey = tuple[str, str, str, float]  # suite, task, method, grade
NO_GRADE = -math.inf


@dataclass(frozen=True, slots=True)
class Stratum:
    """Answers of one task and method and, in a balanced sample, with one grade."""

    suite: str
    task: str
    method: str
    grade: int | None
    """Of the first criterion by the first judge that gave one, rounded; None where all judges left
    the answer unscored, and where the sample is not balanced."""
    size: int
    """Answers in the stratum."""
    share: Fraction
    """How many are drawn, in expectation."""
    drawn: tuple[GradedAnswer, ...]

    @property
    def weight(self) -> float:
        """How many answers of the population a drawn one stands for."""
        return float(self.size / self.share)


def describe_scheme(balanced: bool) -> str:
    """Describe how a sample is drawn, for the record."""
    inner = ", in them grades of the judge" if balanced else ""
    return (
        f"stratified: tasks, in them methods{inner}; even shares at each level, what a stratum"
        " lacks goes to the others; weight = 1 / inclusion probability"
    )


def draw_strata(
    population: Population, n: int, seed: int, *, balanced: bool = False
) -> list[Stratum]:
    """Draw `n` answers, or all where there are fewer; return all strata, in order.

    balanced: even over the judge's grades, too. The numbers drawn of a stratum, a task, a method in
    a task, a grade in a task and a grade differ from their expectations by less than one.
    """
    members: dict[StratumKey, list[GradedAnswer]] = {}
    for answer in population.answers:
        grade = _first_grade(answer, population) if balanced else NO_GRADE
        members.setdefault((answer.suite, answer.task, answer.method, grade), []).append(answer)
    shares = _expected_numbers({key: len(members[key]) for key in sorted(members)}, n)
    numbers = _round_numbers(shares, seed)
    strata = []
    for key in sorted(members):
        suite, task, method, grade = key
        drawn = _shuffle(members[key], seed, "draw")[: numbers[key]]
        strata.append(
            Stratum(
                suite, task, method, None if grade == NO_GRADE else int(grade),
                len(members[key]), shares[key], tuple(drawn),
            )
        )  # fmt: skip
    return strata


def assign_to_annotators(
    ids: Sequence[str], annotators: int, overlap: float, seed: int
) -> list[list[str]]:
    """Return the ids that each annotator sees, in an order of their own.

    A share `overlap` of `ids`, spread evenly over their order (that of the strata), goes to
    everybody; the rest is dealt out one by one, so that numbers differ by one at most.
    """
    shared = len(ids) if annotators == 1 else math.floor(overlap * len(ids) + 0.5)
    start = Fraction(seeds.derive("annotation", seed, "overlap"), 2**64)
    step = Fraction(shared, len(ids)) if ids else Fraction(0)
    hands: list[list[str]] = [[] for _ in range(annotators)]
    turn = seeds.derive("annotation", seed, "deal") % annotators
    for i, identifier in enumerate(ids):
        if math.floor(start + (i + 1) * step) > math.floor(start + i * step):
            for hand in hands:
                hand.append(identifier)
        else:
            hands[turn % annotators].append(identifier)
            turn += 1
    return [
        sorted(hand, key=lambda i: seeds.derive("annotation", seed, "order", rater, i))
        for rater, hand in enumerate(hands)
    ]


def opaque_id(answer: GradedAnswer, seed: int) -> str:
    """Return an id that says nothing of the answer, and is no number to a spreadsheet."""
    text = "\x1f".join((str(seed), *answer.key))
    return "x" + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _first_grade(answer: GradedAnswer, population: Population) -> float:
    """Return the first judge's grade of its first criterion, as a whole number; labels in order."""
    for label in sorted(answer.grades):
        grade = answer.grades[label].get(population.rubrics[label].main.name)
        if grade is not None:
            return math.floor(grade + 0.5)
    return NO_GRADE


def _expected_numbers(sizes: Mapping[StratumKey, int], n: int) -> dict[StratumKey, Fraction]:
    """Return the expected numbers of the strata: even over tasks, then methods, then grades."""
    numbers: dict[StratumKey, Fraction] = {}
    total = Fraction(min(n, sum(sizes.values())))
    for task, of_task in _split_evenly(sizes, 2, total):
        for method, of_method in _split_evenly(task, 3, of_task):
            for grade, share in _split_evenly(method, 4, of_method):
                numbers.update(dict.fromkeys(grade, share))
    return numbers


def _round_numbers(shares: Mapping[StratumKey, Fraction], seed: int) -> dict[StratumKey, int]:
    """Round the numbers of the strata: a flow from all to tasks, methods, strata, grades, and back.

    The way back carries the whole sample, so that its size stays as it is.
    """
    flow: dict[Edge, Fraction] = {}
    for key, share in shares.items():
        task, method, grade = key[:2], key[:3], (*key[:2], key[3])
        way = ("start", ("task", task), ("method", method), ("grade of task", grade),
               ("grade", key[3]), "end", "start")  # fmt: skip
        for edge in pairwise(way):
            flow[edge] = flow.get(edge, Fraction(0)) + share
    uniform = (Fraction(seeds.derive("annotation", seed, "round", i), 2**64) for i in count())
    whole = round_flow(flow, lambda: next(uniform))
    return {
        key: whole[("method", key[:3]), ("grade of task", (*key[:2], key[3]))] for key in shares
    }


def _split_evenly(
    sizes: Mapping[StratumKey, int], depth: int, total: Fraction
) -> Iterator[tuple[dict[StratumKey, int], Fraction]]:
    """Yield the groups that agree in the first `depth` parts of their keys, each with its share."""
    groups: dict[tuple[object, ...], dict[StratumKey, int]] = {}
    for key, size in sizes.items():
        groups.setdefault(key[:depth], {})[key] = size
    capacities = [sum(group.values()) for group in groups.values()]
    yield from zip(groups.values(), even_shares(capacities, total), strict=True)


def even_shares(capacities: Sequence[int], total: Fraction) -> list[Fraction]:
    """Divide `total` evenly, none getting more than its capacity (total <= their sum).

    >>> [str(share) for share in even_shares([1, 9, 9], Fraction(10))]
    ['1', '9/2', '9/2']
    """
    shares = [Fraction(0)] * len(capacities)
    left, waiting = total, len(capacities)
    for i in sorted(range(len(capacities)), key=lambda i: capacities[i]):
        shares[i] = min(Fraction(capacities[i]), left / waiting)
        left -= shares[i]
        waiting -= 1
    return shares


def _shuffle(answers: Sequence[GradedAnswer], seed: int, what: str) -> list[GradedAnswer]:
    return sorted(answers, key=lambda e: seeds.derive("annotation", seed, what, *e.key))

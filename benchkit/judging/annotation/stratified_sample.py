"""Which exhibits people see: a stratified sample with known inclusion probabilities.

Strata are tasks, in them methods and, in a balanced sample, in them the grades of a judge. Without
that, what is drawn of a method is a simple random sample of its answers, with grades as frequent as
they are; balanced, rare grades are seen more often than they occur. At each level what is asked for
is shared evenly; a stratum that has less gives all it has, and the others share the rest. A share t
of a stratum of N is rarely whole, so it is rounded up or down at random with expectation t, while
the numbers of tasks, methods and grades stay even (`dependent_rounding`). An exhibit is then drawn with
probability t / N exactly, and its weight is N / t (Horvitz and Thompson, 1952): with it, figures of
the sample estimate those of all answers. Every draw is decided by a hash of the seed, so that it is
the same on every machine.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count, pairwise

from benchkit import seeds
from benchkit.judging.annotation.dependent_rounding import Edge, round_flow
from benchkit.judging.annotation.population import JudgedAnswer, Population

StratumKey = tuple[str, str, str, float]  # suite, task, method, grade
NO_GRADE = -math.inf


@dataclass(frozen=True, slots=True)
class Stratum:
    """Exhibits of one task and method and, in a balanced sample, with one grade.

    grade: of the first criterion by the first judge that gave one, rounded; None where all judges
    left the answer unscored, and where the sample is not balanced. size: exhibits in it.
    share: how many are drawn, in expectation.
    """

    suite: str
    task: str
    method: str
    grade: int | None
    size: int
    share: Fraction
    drawn: tuple[JudgedAnswer, ...]

    @property
    def weight(self) -> float:
        """How many exhibits of the population one that is drawn stands for."""
        return float(self.size / self.share)


def describe_scheme(balanced: bool) -> str:
    """How a sample is drawn, for the record."""
    inner = ", in them grades of the judge" if balanced else ""
    return (
        f"stratified: tasks, in them methods{inner}; even shares at each level, what a stratum"
        " lacks goes to the others; weight = 1 / inclusion probability"
    )


def draw_strata(
    population: Population, n: int, seed: int, *, balanced: bool = False
) -> list[Stratum]:
    """A sample of `n` exhibits, or of all where there are fewer; all strata, in order.

    balanced: even over the judge's grades, too. The numbers drawn of a stratum, a task, a method in
    a task, a grade in a task and a grade differ from their expectations by less than one.
    """
    members: dict[StratumKey, list[JudgedAnswer]] = {}
    for exhibit in population.answers:
        grade = _grade(exhibit, population) if balanced else NO_GRADE
        place = exhibit.suite, exhibit.task, exhibit.method, grade
        members.setdefault(place, []).append(exhibit)
    places = sorted(members)
    shares = _shares({place: len(members[place]) for place in places}, n)
    counts = _whole(shares, seed)
    strata = []
    for place in places:
        suite, task, method, grade = place
        drawn = _shuffle(members[place], seed, "draw")[: counts[place]]
        strata.append(
            Stratum(
                suite, task, method, None if grade == NO_GRADE else int(grade),
                len(members[place]), shares[place], tuple(drawn),
            )
        )  # fmt: skip
    return strata


def assign_to_annotators(
    ids: Sequence[str], annotators: int, overlap: float, seed: int
) -> list[list[str]]:
    """Who sees which of `ids`, each annotator in an order of their own.

    ids: in the order of the strata. A share `overlap`, spread evenly over this order, goes to
    everybody; the rest is dealt out one by one, so that numbers differ by one at most.
    """
    shared = len(ids) if annotators == 1 else math.floor(overlap * len(ids) + 0.5)
    start = Fraction(seeds.derive("annotation", seed, "overlap"), 2**64)
    step = Fraction(shared, len(ids)) if ids else Fraction(0)
    hands: list[list[str]] = [[] for _ in range(annotators)]
    dealt = seeds.derive("annotation", seed, "deal") % annotators
    for place, identifier in enumerate(ids):
        if math.floor(start + (place + 1) * step) > math.floor(start + place * step):
            for hand in hands:
                hand.append(identifier)
        else:
            hands[dealt % annotators].append(identifier)
            dealt += 1
    return [
        sorted(hand, key=lambda i: seeds.derive("annotation", seed, "order", rater, i))
        for rater, hand in enumerate(hands)
    ]


def opaque_id(exhibit: JudgedAnswer, seed: int) -> str:
    """A name for an exhibit that says nothing of it. It is no number, whatever opens the CSV."""
    text = "\x1f".join((str(seed), *exhibit.key))
    return "x" + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _grade(exhibit: JudgedAnswer, population: Population) -> float:
    """The first judge's grade of its first criterion, as a whole number; labels in order."""
    for label in sorted(exhibit.grades):
        own = exhibit.grades[label]
        if (grade := own.get(population.rubrics[label].main.name)) is not None:
            return math.floor(grade + 0.5)
    return NO_GRADE


def _shares(sizes: Mapping[StratumKey, int], n: int) -> dict[StratumKey, Fraction]:
    """Expected numbers of the strata: even over tasks, then methods, then grades."""
    found: dict[StratumKey, Fraction] = {}
    total = Fraction(min(n, sum(sizes.values())))
    for task, of_task in _split(sizes, 2, total):
        for method, of_method in _split(task, 3, of_task):
            for grade, share in _split(method, 4, of_method):
                found.update(dict.fromkeys(grade, share))
    return found


def _whole(shares: Mapping[StratumKey, Fraction], seed: int) -> dict[StratumKey, int]:
    """Numbers of the strata: a flow from all to tasks, methods, strata, grades, and back.

    The way back carries the whole sample, so that its size stays as it is.
    """
    flow: dict[Edge, Fraction] = {}
    for place, share in shares.items():
        task, method, grade = place[:2], place[:3], (*place[:2], place[3])
        way = ("start", ("task", task), ("method", method), ("grade of task", grade),
               ("grade", place[3]), "end", "start")  # fmt: skip
        for edge in pairwise(way):
            flow[edge] = flow.get(edge, Fraction(0)) + share
    numbers = (Fraction(seeds.derive("annotation", seed, "round", i), 2**64) for i in count())
    whole = round_flow(flow, lambda: next(numbers))
    return {
        place: whole[("method", place[:3]), ("grade of task", (*place[:2], place[3]))]
        for place in shares
    }


def _split(
    sizes: Mapping[StratumKey, int], depth: int, total: Fraction
) -> Iterator[tuple[dict[StratumKey, int], Fraction]]:
    """Groups that agree in the first `depth` parts of their places, and the share of each."""
    groups: dict[tuple[object, ...], dict[StratumKey, int]] = {}
    for place, size in sizes.items():
        groups.setdefault(place[:depth], {})[place] = size
    capacities = [sum(group.values()) for group in groups.values()]
    yield from zip(groups.values(), even_shares(capacities, total), strict=True)


def even_shares(capacities: Sequence[int], total: Fraction) -> list[Fraction]:
    """`total` shared evenly, none getting more than its capacity (total <= their sum).

    >>> [str(share) for share in even_shares([1, 9, 9], Fraction(10))]
    ['1', '9/2', '9/2']
    """
    shares = [Fraction(0)] * len(capacities)
    left, waiting = total, len(capacities)
    for place in sorted(range(len(capacities)), key=lambda i: capacities[i]):
        shares[place] = min(Fraction(capacities[place]), left / waiting)
        left -= shares[place]
        waiting -= 1
    return shares


def _shuffle(exhibits: Sequence[JudgedAnswer], seed: int, what: str) -> list[JudgedAnswer]:
    return sorted(exhibits, key=lambda e: seeds.derive("annotation", seed, what, *e.key))

"""What a judge's comparisons of two methods each come to: strengths, win rates, and its faults."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from benchkit.stats.bias_test import Effect, measure_shifts
from benchkit.stats.clusters import find_clusters
from benchkit.stats.ranking.bradley_terry import Comparisons, Strengths, rank_by_comparisons


@dataclass(frozen=True)
class PairFacts:
    """What a reader must know of the comparisons of a task by a judge, beside its verdicts."""

    judge: str
    task: str
    is_pairwise: bool
    """Whether the judge was shown pairs, and not single answers."""
    caveats: tuple[str, ...] = ()
    """Of the judge."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Methods that are in no pair, each with the reason."""
    is_synthetic: bool = False
    """Whether the answers are to generated data."""


@dataclass(frozen=True)
class PairSummary:
    """The comparisons of one task by one judge."""

    judge: str
    task: str
    methods: tuple[str, ...]
    counts: dict[str, int]
    """Outcome -> pairs."""
    n: int
    """Pairs with a verdict."""
    users: int
    strengths: Strengths | None
    """None where no two methods have a verdict."""
    both_orders: int
    """Pairs that the judge was asked about in both orders."""
    first_shown: Effect | None
    """Mean preference for the answer that is shown first, -1 to 1; None where none was asked so."""
    apart: tuple[str, ...] = ()
    """Methods without a strength: nothing connects them with the others."""
    is_pairwise: bool = True
    """Whether the judge was shown pairs."""
    caveats: tuple[str, ...] = ()
    """Of the judge."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Methods that are in no pair, each with the reason."""
    is_synthetic: bool = False
    """Whether the answers are to generated data."""

    @property
    def inconsistent_share(self) -> float | None:
        """Share of the pairs asked in both orders whose verdict changed with the order."""
        return self.counts.get("inconsistent", 0) / self.both_orders if self.both_orders else None


def summarize_pairs(
    table: pl.DataFrame, facts: Sequence[PairFacts] = (), seed: int = 0
) -> Iterator[PairSummary]:
    """Yield a summary for each judge and task of `pair_run.PAIR_COLUMNS`, in their order.

    Then one of nothing for each judge and task of `facts` without a pair. A verdict that changed
    with the order is a tie. Strengths are of the largest group of methods that comparisons connect,
    directly or by others.
    """
    known = {(one.judge, one.task): one for one in facts}
    for (judge, task), part in table.group_by(["judge", "task"], maintain_order=True):
        scored = part.filter(pl.col("score").is_not_null())
        names = list(dict.fromkeys(part["first"].to_list() + part["second"].to_list()))
        methods = _largest_group(names, scored.select("first", "second").unique().rows())
        connected = scored.filter(pl.col("first").is_in(methods))
        shown = part.drop_nulls("first_shown")
        counts = dict(part["outcome"].value_counts().rows())
        effect = None
        if len(shown):
            users = find_clusters(shown["user"].to_list())
            values = shown["first_shown"].to_numpy()
            (shift,) = measure_shifts([values], [users], 0.5, seed)
            effect = replace(shift, low=max(shift.low, -1.0), high=min(shift.high, 1.0))
        yield PairSummary(
            str(judge),
            str(task),
            methods,
            {str(name): int(count) for name, count in sorted(counts.items())},
            len(scored),
            scored["user"].n_unique(),
            _fit(connected, methods, seed) if methods else None,
            len(shown),
            effect,
            tuple(name for name in names if name not in methods),
            **_tell(known.pop((str(judge), str(task)), None), effect is not None),
        )
    for (judge, task), one in known.items():
        yield PairSummary(judge, task, (), {}, 0, 0, None, 0, None, **_tell(one, one.is_pairwise))


def _tell(facts: PairFacts | None, was_shown_pairs: bool) -> dict[str, Any]:
    """Return what `facts` say as fields of a summary."""
    if facts is None:
        return {"is_pairwise": was_shown_pairs}
    names = ("is_pairwise", "caveats", "left_out", "is_synthetic")
    return {name: getattr(facts, name) for name in names}


def _largest_group(names: list[str], compared: list[tuple[str, str]]) -> tuple[str, ...]:
    """Return the largest group of names that pairs connect, in their order; none without pairs."""
    groups = [{name} for name in names]
    for pair in compared:
        joined = {name for group in groups if group & set(pair) for name in group}
        groups = [group for group in groups if not group & joined] + [joined]
    largest = max(groups, key=len, default=set[str]())
    return tuple(name for name in names if name in largest and len(largest) > 1)


def _fit(scored: pl.DataFrame, methods: tuple[str, ...], seed: int) -> Strengths:
    place = {name: i for i, name in enumerate(methods)}
    _, users = np.unique(scored["user"].to_numpy(), return_inverse=True)
    first, second = (
        np.array([place[name] for name in scored[column]]) for column in ("first", "second")
    )
    outcome = scored["score"].to_numpy()
    return rank_by_comparisons(Comparisons(users, first, second, outcome, len(place)), seed=seed)

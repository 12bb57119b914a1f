"""Tests of significance between methods, from the run store."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from benchkit.errors import ConfigError, DamageError, StoreError
from benchkit.evaluation.lookup import default_protocol
from benchkit.report.core.case_values import CaseValues, all_case_tables, read_case_values
from benchkit.report.core.cell import SIGNIFICANCE_LEVEL
from benchkit.report.core.collect import collect_results
from benchkit.report.core.labels import caveat_notes, seed_notes
from benchkit.report.core.results import ResultTable
from benchkit.runs.records import PlanRecord
from benchkit.runs.store import Store
from benchkit.stats.crossed_effects import try_crossed_effects
from benchkit.stats.effect_size import cohen_dz, rank_biserial
from benchkit.stats.friedman import FriedmanTest, friedman
from benchkit.stats.multiple_testing import benjamini_hochberg, holm
from benchkit.stats.paired import PairedComparison, compare_pairs
from benchkit.stats.power import (
    error_of_paired_difference,
    min_users_for_power,
    minimum_detectable_effect,
)
from benchkit.stats.proportions.mcnemar import McNemarTest, is_binary, mcnemar


@dataclass(frozen=True)
class ComparisonRequest:
    """What to compare."""

    methods: tuple[str, ...] = ()
    """Labels of which every pair is compared; when empty, every method with `against`."""
    against: str = ""
    """The method that all others, or `methods`, are compared with; without either, the best."""
    tasks: tuple[str, ...] = ()
    """All when empty."""
    metric: str = ""
    """The suite's primary metric when empty."""
    protocol: str = ""
    """The suite's first protocol when empty."""
    target_difference: float | None = None
    """A difference of which to report how many users would show it."""


@dataclass(frozen=True)
class MethodComparison:
    """Two methods, a and b, on one task."""

    task: str
    a: str
    b: str
    n: int
    """Cases, over which means and the difference are."""
    users: int
    """Users whose cases these are: what intervals, tests, effect sizes and power are over."""
    seeds: tuple[int, int]
    mean_a: float
    mean_b: float
    difference: float
    """Of a minus b."""
    low: float
    """Lower end of the interval of the difference, over the same as `p`."""
    high: float
    p: float
    """Over users and seeds where `seeds_matter`, else `p_users`."""
    p_users: float
    """Of the permutation test over users, with seeds averaged."""
    seeds_matter: bool
    mcnemar: McNemarTest | None
    """Where all values are 0 or 1, and each user has one case."""
    d_z: float
    """Difference over `sd`."""
    rank_biserial: float
    """Of the users' mean differences."""
    sd: float
    """Of the users' differences, with seeds averaged; `Clusters.linearize` with several cases."""
    detectable: float
    """The least difference that so many users and seeds show."""
    needed: int | None
    """Users who show the target difference with these seeds; None where no number does."""
    p_holm: float = 1.0
    """Adjusted over all lines of the comparison."""
    p_bh: float = 1.0


@dataclass(frozen=True)
class WinTally:
    """Tasks on which a is significantly better (Holm), no different, significantly worse than b."""

    a: str
    b: str
    wins: int
    ties: int
    losses: int


@dataclass(frozen=True)
class SuiteComparison:
    """All pairs of methods in one metric under one protocol."""

    suite: str
    title: str
    metric: str
    protocol: str
    tasks: tuple[str, ...]
    pairs: tuple[MethodComparison, ...]
    tallies: tuple[WinTally, ...]
    ranked_methods: tuple[str, ...]
    ranking: FriedmanTest | None
    """Over tasks, of `ranked_methods`."""
    target_difference: float | None
    notes: tuple[str, ...]


def compare_suite(store: Store, suite: str, request: ComparisonRequest) -> SuiteComparison:
    """Compare methods of a suite that was run.

    Raises:
        ConfigError: The suite does not have what is named.
        StoreError: A method that is named is not complete, or the cases of methods differ.
    """
    results = collect_results(store, suite)
    metric = request.metric.lower() or results.plan.primary
    request = replace(
        request, protocol=request.protocol or default_protocol(results.plan.protocols)
    )
    tables = all_case_tables(results, request.protocol, request.tasks)
    notes: list[str] = []
    chosen = _labels(results.plan, tables, request, notes)
    read = [
        read_case_values(store, suite, table, metric, labels)
        for table, labels in zip(tables, chosen, strict=True)
    ]
    if min(map(len, read), default=0) < 2:
        raise StoreError(
            f"suite {suite!r}: fewer than two methods are complete under {request.protocol!r}",
            f"benchkit run --suite {suite}",
        )
    target = request.against or ("" if request.methods else _best(read, notes))
    lines = [
        line
        for table, values in zip(tables, read, strict=True)
        for line in _task_lines(
            table.task, values, _pairs(values, target), request.target_difference
        )
    ]
    lines = _adjusted(lines)
    notes += seed_notes([line.seeds for line in lines])
    notes += caveat_notes(
        (row.label, row.caveats)
        for table, labels in zip(tables, chosen, strict=True)
        for row in table.rows
        if row.label in labels
    )
    ranked, ranking = _ranking(read, notes)
    return SuiteComparison(
        suite, results.plan.title, metric, request.protocol, tuple(t.task for t in tables),
        tuple(lines), tuple(_tallies(lines)), ranked, ranking, request.target_difference,
        tuple(notes),
    )  # fmt: skip


def _labels(
    plan: PlanRecord, tables: Sequence[ResultTable], request: ComparisonRequest, notes: list[str]
) -> list[tuple[str, ...]]:
    """Return the methods of each table that are compared."""
    named = tuple(
        dict.fromkeys([*request.methods, *([request.against] if request.against else [])])
    )
    for name in named:
        if name not in plan.labels:
            raise ConfigError(
                f"suite {plan.suite!r} has no method {name!r}",
                f"choose of: {', '.join(plan.labels)}",
            )
    if request.methods and len(named) == 1:
        single = len(request.methods) == 1 and not request.against
        cause = "is the only method named" if single else "cannot be compared with itself"
        raise ConfigError(f"{named[0]!r} {cause}", "name two, or one and --against another")
    labels = []
    for table in tables:
        status = {row.label: row.status for row in table.rows}
        for label, state in status.items():
            if state.startswith("damaged: ") and (label in named or not request.methods):
                raise DamageError(
                    f"{table.task} / {label}: {state}", f"benchkit run --suite {plan.suite}"
                )
        for name in named:
            if status.get(name) != "complete":
                raise StoreError(
                    f"{table.task}: {name} has no result under {table.protocol!r}:"
                    f" {status.get(name, 'it was not run, or cannot be asked so')}",
                    f"benchkit run --suite {plan.suite}, or choose tasks with --task",
                )
        complete = tuple(label for label, state in status.items() if state == "complete")
        if not request.methods and len(complete) < len(status):
            missing = ", ".join(label for label in status if label not in complete)
            notes.append(f"{table.task}: without a result, so not compared: {missing}.")
        labels.append(named if request.methods else complete)
    return labels


def _best(read: Sequence[Sequence[CaseValues]], notes: list[str]) -> str:
    """Return the method with the highest mean over tasks, of those that have all."""
    common = [v.label for v in read[0] if all(v.label in {w.label for w in r} for r in read[1:])]
    if not common:
        raise StoreError("no method has results on every task", "name a task with --task")
    means = {
        label: float(np.mean([v.pooled.mean() for r in read for v in r if v.label == label]))
        for label in common
    }
    best = max(common, key=lambda label: means[label])
    notes.append(
        f"{best} was chosen as the best on these cases, which favours it a little; name what to"
        " compare with by --against."
    )
    return best


def _pairs(values: Sequence[CaseValues], target: str) -> list[tuple[int, int]]:
    """Return the pairs to compare: with a target, each other method against it, target first."""
    labels = [v.label for v in values]
    if not target:
        return list(combinations(range(len(labels)), 2))
    first = labels.index(target)
    return [(first, i) for i in range(len(labels)) if i != first]


def _task_lines(
    task: str, values: Sequence[CaseValues], pairs: Sequence[tuple[int, int]], power: float | None
) -> Iterable[MethodComparison]:
    pooled = np.stack([v.pooled for v in values])
    tests = compare_pairs(pooled, pairs, clusters=values[0].clusters)
    for (i, j), test in zip(pairs, tests, strict=True):
        yield _line(task, values[i], values[j], test, power)


def _line(
    task: str, a: CaseValues, b: CaseValues, over_users: PairedComparison, power: float | None
) -> MethodComparison:
    x, y, clusters = a.pooled, b.pooled, a.clusters
    is_one_each = clusters is None
    each = x - y if clusters is None else clusters.linearize(x - y)
    sd = float(each.std(ddof=1)) if len(each) > 1 else float("nan")
    crossed = try_crossed_effects(a.values, b.values, clusters)
    test = crossed or over_users
    error = crossed.expected_error if crossed else error_of_paired_difference(sd)
    se, df = error(over_users.units)
    return MethodComparison(
        task,
        a.label,
        b.label,
        over_users.n,
        over_users.units,
        (len(a.values), len(b.values)),
        float(x.mean()),
        float(y.mean()),
        over_users.difference,
        test.low,
        test.high,
        test.p,
        over_users.p,
        crossed is not None,
        mcnemar(x, y) if is_one_each and is_binary(x) and is_binary(y) else None,
        cohen_dz(each),
        rank_biserial(each if clusters is None else clusters.mean(x - y)),
        sd,
        minimum_detectable_effect(se, df),
        min_users_for_power(error, power) if power is not None and se > 0 else None,
    )


def _adjusted(lines: Sequence[MethodComparison]) -> list[MethodComparison]:
    p = [line.p for line in lines]
    return [
        replace(line, p_holm=float(h), p_bh=float(b))
        for line, h, b in zip(lines, holm(p), benjamini_hochberg(p), strict=True)
    ]


def _tallies(lines: Sequence[MethodComparison]) -> Iterable[WinTally]:
    pairs = dict.fromkeys((line.a, line.b) for line in lines)
    for a, b in pairs:
        tasks = [line for line in lines if (line.a, line.b) == (a, b)]
        significant = [line for line in tasks if line.p_holm < SIGNIFICANCE_LEVEL]
        wins = sum(line.difference > 0 for line in significant)
        losses = len(significant) - wins
        yield WinTally(a, b, wins, len(tasks) - len(significant), losses)


def _ranking(
    read: Sequence[Sequence[CaseValues]], notes: list[str]
) -> tuple[tuple[str, ...], FriedmanTest | None]:
    """Return Friedman's test over tasks, of the methods that have all of them."""
    tables = [{v.label: float(v.pooled.mean()) for v in values} for values in read]
    ranked = tuple(label for label in tables[0] if all(label in t for t in tables[1:]))
    if len(tables) < 3 or len(ranked) < 3:
        notes.append(
            "No ranking over datasets: Friedman's test needs 3 methods on each of 3 tasks;"
            f" here {len(ranked)} on {len(tables)}."
        )
        return (), None
    if missing := dict.fromkeys(label for t in tables for label in t if label not in ranked):
        notes.append(f"Not ranked, because some task lacks them: {', '.join(missing)}.")
    return ranked, friedman([[t[label] for t in tables] for label in ranked])

"""Interference by high-preference negatives: which wrong items a method puts first.

EAPO says that many errors of a model are items which the user nearly prefers, as an expert sees it
(section 1, appendix C.3), and does not say where that begins. Here the high-preference negatives of
a case are the quarter of its candidates without the target that the expert scores highest: 5 of 20.
The figure of a method is their share among the wrong items that it puts first; errors that know
nothing of the expert's order have a share of a quarter. Ties count by their expectation, those of
the method as those of the expert.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.errors import ConfigError, StoreError, unknown_name_error
from benchkit.evaluation.lookup import DEFAULT_PROTOCOL
from benchkit.report.core.case_users import read_case_users
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.runs.store import Store
from benchkit.stats.bootstrap import RESAMPLES, percentile_interval, resample_sums
from benchkit.stats.clusters import find_clusters

HIGH_PREFERENCE_SHARE = 0.25
"""Share of a case's negatives that are of high preference."""
TargetLookup = Callable[[str], Mapping[str, int]]
"""From a dataset's fingerprint to {case id: place of the target among its candidates}, -1 where it
is not among them; nothing where the dataset is not there."""
_LEVEL = 0.95


@dataclass(frozen=True)
class MethodInterference:
    """The errors of a method on a task, over its seeds."""

    label: str
    cases: int
    """That the method and the expert have ranked, over all seeds."""
    errors: float
    """Expected number of cases in which a wrong item is put first."""
    share: float
    """Share of the errors whose item is a high-preference negative; NaN without any error."""
    low: float
    high: float
    """`low` to `high` is a 95 % bootstrap interval over users."""
    chance: float
    """The share among errors that know nothing of the expert's order."""


@dataclass(frozen=True)
class TaskInterference:
    """The errors of all methods on a task."""

    task: str
    expert: str
    methods: tuple[MethodInterference, ...]


@dataclass(frozen=True)
class _Answers:
    """The ranked cases of one run."""

    users: Mapping[str, str]
    """Case id -> its user."""
    scores: Mapping[str, Sequence[float]]
    """Case id -> a score a candidate."""


def first_choice_shares(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return [n, c] how likely each candidate is put first: equal scores share the place.

    >>> first_choice_shares(np.array([[0.2, 0.7, 0.7]])).tolist()
    [[0.0, 0.5, 0.5]]
    """
    is_first = scores == scores.max(axis=1, keepdims=True)
    shares: NDArray[np.float64] = is_first / is_first.sum(axis=1, keepdims=True)
    return shares


def high_preference_shares(
    expert: NDArray[np.float64], is_negative: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return [n, c] how much each candidate is a high-preference negative: 1, 0, or between.

    Candidates with equal scores at the border share the places that are left.

    Args:
        expert: [n, c] Scores of the expert; -inf where it does not rank a candidate.
        is_negative: [n, c] Whether a column is a candidate other than the target.

    >>> shares = high_preference_shares(np.array([[9, 4, 3, 2, 1.0]]), np.array([[0, 1, 1, 1, 1]]))
    >>> shares.tolist()
    [[0.0, 1.0, 0.0, 0.0, 0.0]]
    """
    is_negative = is_negative.astype(np.bool_)
    places = count_high_preference(is_negative.sum(axis=1))[:, None]
    scores = np.where(is_negative, expert, -np.inf)
    border = np.take_along_axis(-np.sort(-scores, axis=1), places - 1, axis=1)
    above, level = scores > border, (scores == border) & (scores > -np.inf)
    left = places - above.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = above + level * left / np.maximum(
        level.sum(axis=1, keepdims=True), 1
    )
    return shares


def count_high_preference(negatives: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return [n] how many of [n] negatives are of high preference: a quarter, but at least one.

    >>> count_high_preference(np.array([20, 9, 1])).tolist()
    [5, 2, 1]
    """
    count: NDArray[np.int64] = np.rint(HIGH_PREFERENCE_SHARE * negatives).astype(np.int64)
    return np.maximum(count, 1)


def measure_interference(
    store: Store, results: SuiteTables, expert: str, lookup: TargetLookup
) -> list[TaskInterference]:
    """Return the interference of every other method of a suite, task by task.

    Args:
        store: The run store.
        results: The suite's results.
        expert: The row whose scores say which negatives the user nearly prefers. Its run with a
            method's seed is used, or its first run where there is none.
        lookup: Finds the places of the targets.

    Raises:
        ConfigError: The suite has no such row, or nothing was scored.
        StoreError: The expert has no figures on a task, or a dataset is not there any more.
    """
    plan = results.plan
    protocol = DEFAULT_PROTOCOL.name
    tables = [t for t in results.tables if t.protocol == protocol and not t.subgroup]
    if not tables:
        raise ConfigError(
            f"suite {plan.suite!r} has no results under protocol {protocol!r}",
            "which item is put first, and by how much, is known of scores alone",
        )
    if expert not in plan.labels:
        raise unknown_name_error(f"row of suite {plan.suite!r}:", expert, plan.labels)
    return [_measure_task(store, plan.suite, table, expert, lookup) for table in tables]


def _measure_task(
    store: Store, suite: str, table: ResultTable, expert: str, lookup: TargetLookup
) -> TaskInterference:
    rows = {row.label: row for row in table.rows}
    if expert not in rows or not rows[expert].run_ids:
        status = rows[expert].status if expert in rows else "not in the table"
        raise StoreError(
            f"{table.task}: the expert {expert!r} has no scores: {status}",
            f"run it: benchkit run --suite {suite}",
        )
    experts = _read_answers(store, suite, rows[expert])
    run = store.run(suite, table.task, expert, rows[expert].run_ids[0])
    manifest = run.manifest()
    targets = lookup(manifest.test_fingerprint) if manifest is not None else {}
    if not targets:
        raise StoreError(
            f"{table.task}: its prepared dataset is not in the data folder",
            f"say where with --data, or prepare it again: benchkit run --suite {suite}",
        )
    methods = [
        _measure_method(label, _read_answers(store, suite, row), experts, targets)
        for label, row in rows.items()
        if label != expert and row.run_ids
    ]
    return TaskInterference(table.task, expert, tuple(methods))


def _read_answers(store: Store, suite: str, row: ResultRow) -> dict[int, _Answers]:
    """Return the ranked cases of each seed."""
    answers = {}
    for seed, run_id in zip(row.seeds, row.run_ids, strict=True):
        run = store.run(suite, row.task, row.label, run_id)
        table = run.predictions(["case_id", "user", "scores"]).drop_nulls("scores")
        ids = table["case_id"].to_list()
        scores = dict(zip(ids, table["scores"].to_list(), strict=True))
        answers[seed] = _Answers(read_case_users(run), scores)
    return answers


def _measure_method(
    label: str,
    runs: Mapping[int, _Answers],
    experts: Mapping[int, _Answers],
    targets: Mapping[str, int],
) -> MethodInterference:
    hits, errors, chances, users = [], [], [], list[str]()
    for seed, answers in runs.items():
        expert = experts.get(seed, next(iter(experts.values())))
        cases = [c for c in answers.scores if c in expert.scores and c in targets]
        if not cases:
            continue
        first = first_choice_shares(_pad([answers.scores[case] for case in cases]))
        expert_scores = _pad([expert.scores[case] for case in cases])
        lengths = np.array([len(answers.scores[case]) for case in cases])
        target = np.array([targets[case] for case in cases])
        columns = np.arange(first.shape[1])
        is_negative = (columns < lengths[:, None]) & (columns != target[:, None])
        n_negatives = is_negative.sum(axis=1)
        wrong = np.where(is_negative, first, 0.0)
        hits.append((wrong * high_preference_shares(expert_scores, is_negative)).sum(axis=1))
        errors.append(wrong.sum(axis=1))
        chances.append(count_high_preference(n_negatives) / np.maximum(n_negatives, 1))
        users += [answers.users[case] for case in cases]
    table = np.zeros((0, 3))
    if errors:
        hit, error, chance = map(np.concatenate, (hits, errors, chances))
        table = np.column_stack([hit, error, chance * error])
    total_hits, total, by_chance = table.sum(axis=0).tolist()
    if not total:
        nan = float("nan")
        return MethodInterference(label, len(table), 0.0, nan, nan, nan, nan)
    low, high = _ratio_interval(table[:, :2], users)
    return MethodInterference(
        label, len(table), total, total_hits / total, low, high, by_chance / total
    )


def _ratio_interval(table: NDArray[np.float64], users: Sequence[str]) -> tuple[float, float]:
    """Return the interval of the ratio of the sums of two columns [n, 2]; users are resampled."""
    clusters = find_clusters(users)
    units = table if clusters is None else clusters.sum(table.T).T
    sums = resample_sums(seeds.generator("interference", len(units)), units, RESAMPLES)
    sums = sums[sums[:, 1] > 0]
    return percentile_interval(sums[:, 0] / sums[:, 1], _LEVEL)


def _pad(rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return rows of scores as a table, -inf beyond the end of a row."""
    table = np.full((len(rows), max(map(len, rows))), -np.inf)
    for place, row in enumerate(rows):
        table[place, : len(row)] = row
    return table

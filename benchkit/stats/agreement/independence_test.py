"""Permutation tests of agreement: one rater's grades are shuffled over the items."""

from collections.abc import Iterator

import numpy as np

from benchkit import seeds
from benchkit.stats.agreement.contingency import (
    ContingencyTable,
    Floats,
    Ints,
    marginal_counts,
    mid_ranks,
)

INDEPENDENCE_PERMUTATIONS = 10_000  # the smallest p value is 1 / 10,001
_FEW = 1_000  # for tau-b of grades that are not drawn as tables
_LARGE = 256  # cells of a table that is drawn cell by cell
_AT_ONCE = 2_000_000  # numbers held at once
_TIE = 1e-9  # as large as observed, but for rounding; relative


def independence_p_values(
    table: ContingencyTable,
    places: tuple[Floats, Floats] | None = None,
    permutations: int = INDEPENDENCE_PERMUTATIONS,
    seed: int = 0,
) -> dict[str, float]:
    """Two-sided p values of `pearson`, `spearman`, `kendall`, and with `places` of `kappa`.

    Null: the second rater's grades stand in random order beside the first's. Both margins stay as
    they are, so that kappa, r and rho are rescaled sums of products, and tau-b is a rescaled
    excess of concordant pairs. p = (1 + shuffles with at least the observed |value|) /
    (1 + shuffles). NaN where a rater is constant. The items are taken as exchangeable; several
    answers to one item are not quite, which makes p too small.

    places: [c], [c] places of both grades of each cell on the scale (`kappa.category_positions`).
    permutations: tau-b of raters with many distinct grades has 1,000 at most.
    """
    scores = {"pearson": (table.x, table.y), "spearman": _ranks(table)}
    if places is not None:
        scores["kappa"] = places
    if not table.n or min(int(table.row_codes.max()), int(table.column_codes.max())) < 1:
        return dict.fromkeys([*scores, "kendall"], float("nan"))
    linear = {name: _by_code(table, *pair) for name, pair in scores.items()}
    rng = seeds.generator("grade-permutation", seed, table.n)
    cells = (int(table.row_codes.max()) + 1) * (int(table.column_codes.max()) + 1)
    test = _by_tables if cells <= _LARGE else _by_shuffles
    return test(rng, table, linear, permutations)


_Linear = dict[str, tuple[Floats, Floats]]


def _by_tables(
    rng: np.random.Generator, table: ContingencyTable, linear: _Linear, permutations: int
) -> dict[str, float]:
    """Shuffling is drawing the joint table of given margins: no item needs to be held."""
    first = np.bincount(table.row_codes, weights=table.counts).astype(np.int64)
    second = np.bincount(table.column_codes, weights=table.counts).astype(np.int64)
    found = np.zeros((1, len(first), len(second)))
    found[0, table.row_codes, table.column_codes] = table.counts
    drawn = _tables(rng, first, second, permutations).astype(np.float64)
    chances = {}
    for name, (x, y) in linear.items():
        weights = np.outer(x, y)
        values = np.tensordot(drawn, weights, 2)
        chances[name] = _p(values, float((found * weights).sum()), float(np.abs(weights).max()))
    chances["kendall"] = _p(_excess(drawn), float(_excess(found)[0]), 1.0)
    return chances


def _by_shuffles(
    rng: np.random.Generator, table: ContingencyTable, linear: _Linear, permutations: int
) -> dict[str, float]:
    from scipy.stats import kendalltau

    rows, columns = table.row_codes[table.cell], table.column_codes[table.cell]
    values: dict[str, list[Floats]] = {name: [] for name in linear}
    taus: list[float] = []
    for shuffled in _shuffles(rng, columns, permutations):
        for name, (x, y) in linear.items():
            values[name].append(y[shuffled] @ x[rows])
        few = shuffled[: max(0, _FEW - len(taus))]
        taus += [float(kendalltau(rows, other).statistic) for other in few]
    chances = {}
    for name, (x, y) in linear.items():
        scale = float(np.abs(x).max() * np.abs(y).max())
        chances[name] = _p(np.concatenate(values[name]), float(x[rows] @ y[columns]), scale)
    chances["kendall"] = _p(np.array(taus), float(kendalltau(rows, columns).statistic), 1.0)
    return chances


def _ranks(table: ContingencyTable) -> tuple[Floats, Floats]:
    counts = table.counts[None, :].astype(np.float64)
    rows, columns = (
        marginal_counts(counts, table.row_codes),
        marginal_counts(counts, table.column_codes),
    )
    return mid_ranks(rows)[0, table.row_codes], mid_ranks(columns)[0, table.column_codes]


def _by_code(table: ContingencyTable, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Centred scores of each distinct grade, from those of each cell."""
    found = []
    for codes, score in ((table.row_codes, x), (table.column_codes, y)):
        by_code = np.empty(int(codes.max()) + 1)
        by_code[codes] = score - np.average(score, weights=table.counts)
        found.append(by_code)
    return found[0], found[1]


def _p(values: Floats, observed: float, scale: float) -> float:
    hits = int((np.abs(values) >= abs(observed) - _TIE * scale).sum())
    return (1 + hits) / (1 + len(values))


def _tables(rng: np.random.Generator, rows: Ints, columns: Ints, size: int) -> Ints:
    """[size, k, m] tables with these margins as random order gives them: cell after cell, each
    hypergeometric given those before."""
    drawn = np.zeros((size, len(rows), len(columns)), dtype=np.int64)
    left = np.tile(columns, (size, 1))
    for i, total in enumerate(rows[:-1]):
        wanted, rest = np.full(size, total), left.sum(axis=1)
        for j in range(len(columns) - 1):
            rest = rest - left[:, j]
            taken = rng.hypergeometric(left[:, j], rest, wanted)
            drawn[:, i, j] = taken
            left[:, j] -= taken
            wanted = wanted - taken
        drawn[:, i, -1] = wanted
        left[:, -1] -= wanted
    drawn[:, -1] = left
    return drawn


def _excess(tables: Floats) -> Floats:
    """[size] concordant less discordant pairs of tables [size, k, m]."""
    below = np.cumsum(tables[:, ::-1], axis=1)[:, ::-1][:, 1:]  # at a later row
    right = np.cumsum(below[:, :, ::-1], axis=2)[:, :, ::-1]
    left = np.cumsum(below, axis=2)
    concordant = (tables[:, :-1, :-1] * right[:, :, 1:]).sum(axis=(1, 2))
    discordant = (tables[:, :-1, 1:] * left[:, :, :-1]).sum(axis=(1, 2))
    excess: Floats = concordant - discordant
    return excess


def _shuffles(rng: np.random.Generator, columns: Ints, size: int) -> Iterator[Ints]:
    step = max(1, _AT_ONCE // len(columns))
    for start in range(0, size, step):
        copies = np.tile(columns, (min(step, size - start), 1))
        yield rng.permuted(copies, axis=1)

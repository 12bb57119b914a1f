"""Permutation tests of agreement: one rater's grades are shuffled over the items."""

import numpy as np

from benchkit import seeds
from benchkit.stats.agreement.contingency import ContingencyTable, marginal_counts, mid_ranks
from benchkit.stats.arrays import Floats, Ints
from benchkit.stats.permutation_test import shuffle_rows, two_sided_p_value

INDEPENDENCE_PERMUTATIONS = 10_000  # the smallest p value is 1 / 10,001
_FEW = 1_000  # for tau-b of grades that are not drawn as tables
_LARGE = 256  # cells of a table that is drawn cell by cell
_TIE = 1e-9  # as large as observed, but for rounding; relative

_Scores = dict[str, tuple[Floats, Floats]]


def independence_p_values(
    table: ContingencyTable,
    positions: tuple[Floats, Floats] | None = None,
    permutations: int = INDEPENDENCE_PERMUTATIONS,
    seed: int = 0,
) -> dict[str, float]:
    """Return two-sided p values of `pearson`, `spearman`, `kendall`, and with `positions` `kappa`.

    Null: the second rater's grades stand in random order beside the first's. Both margins stay as
    they are, so that kappa, r and rho are rescaled sums of products, and tau-b is a rescaled
    excess of concordant pairs. NaN where a rater is constant. The items are taken as exchangeable;
    several answers to one item are not quite, which makes p too small.

    Args:
        table: The grades.
        positions: [c], [c] positions of both grades of each cell on the scale
            (`kappa.category_positions`).
        permutations: Number of shuffles; tau-b of raters with many distinct grades has 1,000 at
            most.
        seed: Seed of the shuffles.
    """
    scores = {"pearson": (table.x, table.y), "spearman": _ranks(table)}
    if positions is not None:
        scores["kappa"] = positions
    if not table.n or min(int(table.row_codes.max()), int(table.column_codes.max())) < 1:
        return dict.fromkeys([*scores, "kendall"], float("nan"))
    by_grade = {
        name: (_by_grade(table, table.row_codes, x), _by_grade(table, table.column_codes, y))
        for name, (x, y) in scores.items()
    }
    rng = seeds.generator("grade-permutation", seed, table.n)
    cells = (int(table.row_codes.max()) + 1) * (int(table.column_codes.max()) + 1)
    test = _by_tables if cells <= _LARGE else _by_shuffles
    return test(rng, table, by_grade, permutations)


def _by_tables(
    rng: np.random.Generator, table: ContingencyTable, scores: _Scores, permutations: int
) -> dict[str, float]:
    """Draw the joint table of given margins, which is shuffling without holding an item."""
    first = np.bincount(table.row_codes, weights=table.counts).astype(np.int64)
    second = np.bincount(table.column_codes, weights=table.counts).astype(np.int64)
    observed = np.zeros((1, len(first), len(second)))
    observed[0, table.row_codes, table.column_codes] = table.counts
    drawn = _draw_tables(rng, first, second, permutations).astype(np.float64)
    p_values = {}
    for name, (x, y) in scores.items():
        weights = np.outer(x, y)
        slack = _TIE * float(np.abs(weights).max())
        null = np.tensordot(drawn, weights, 2)
        p_values[name] = two_sided_p_value(null, float((observed * weights).sum()), slack)
    excess = float(_concordance_excess(observed)[0])
    p_values["kendall"] = two_sided_p_value(_concordance_excess(drawn), excess, _TIE)
    return p_values


def _by_shuffles(
    rng: np.random.Generator, table: ContingencyTable, scores: _Scores, permutations: int
) -> dict[str, float]:
    from scipy.stats import kendalltau

    rows, columns = table.row_codes[table.cell], table.column_codes[table.cell]
    nulls: dict[str, list[Floats]] = {name: [] for name in scores}
    taus: list[float] = []
    for shuffled in shuffle_rows(rng, columns, permutations):
        for name, (x, y) in scores.items():
            nulls[name].append(y[shuffled] @ x[rows])
        few = shuffled[: max(0, _FEW - len(taus))]
        taus += [float(kendalltau(rows, other).statistic) for other in few]
    p_values = {}
    for name, (x, y) in scores.items():
        slack = _TIE * float(np.abs(x).max() * np.abs(y).max())
        null = np.concatenate(nulls[name])
        p_values[name] = two_sided_p_value(null, float(x[rows] @ y[columns]), slack)
    tau = float(kendalltau(rows, columns).statistic)
    p_values["kendall"] = two_sided_p_value(np.array(taus), tau, _TIE)
    return p_values


def _ranks(table: ContingencyTable) -> tuple[Floats, Floats]:
    counts = table.counts[None, :].astype(np.float64)
    x, y = (
        mid_ranks(marginal_counts(counts, codes))[0, codes]
        for codes in (table.row_codes, table.column_codes)
    )
    return x, y


def _by_grade(table: ContingencyTable, codes: Ints, score: Floats) -> Floats:
    """Return the centred scores of each distinct grade, from those of each cell."""
    by_grade = np.empty(int(codes.max()) + 1)
    by_grade[codes] = score - np.average(score, weights=table.counts)
    return by_grade


def _draw_tables(rng: np.random.Generator, rows: Ints, columns: Ints, size: int) -> Ints:
    """Return [size, k, m] tables with these margins as random order gives them: cell after cell,
    each hypergeometric given those before."""
    drawn = np.zeros((size, len(rows), len(columns)), dtype=np.int64)
    left = np.tile(columns, (size, 1))
    for i, total in enumerate(rows[:-1]):
        wanted, rest = np.full(size, total), left.sum(axis=1)
        for j in range(len(columns) - 1):
            rest = rest - left[:, j]
            cell = rng.hypergeometric(left[:, j], rest, wanted)
            drawn[:, i, j] = cell
            left[:, j] -= cell
            wanted = wanted - cell
        drawn[:, i, -1] = wanted
        left[:, -1] -= wanted
    drawn[:, -1] = left
    return drawn


def _concordance_excess(tables: Floats) -> Floats:
    """Return [size] concordant less discordant pairs of tables [size, k, m]."""
    below = np.cumsum(tables[:, ::-1], axis=1)[:, ::-1][:, 1:]  # at a later row
    right = np.cumsum(below[:, :, ::-1], axis=2)[:, :, ::-1]
    left = np.cumsum(below, axis=2)
    concordant = (tables[:, :-1, :-1] * right[:, :, 1:]).sum(axis=(1, 2))
    discordant = (tables[:, :-1, 1:] * left[:, :, :-1]).sum(axis=(1, 2))
    excess: Floats = concordant - discordant
    return excess

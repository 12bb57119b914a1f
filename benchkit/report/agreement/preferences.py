"""Win rates of methods from people's preferences between pairs of answers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchkit.report.agreement.ratings_io import read_ratings_file
from benchkit.report.core.cell import Cell
from benchkit.report.core.labels import count_title, format_cell
from benchkit.report.core.text_table import TextTable, csv_text
from benchkit.stats.bootstrap import constant_share_limits, mean_interval
from benchkit.stats.clusters import count_clusters, find_clusters

_COLUMNS = ("item", "rater", "grade", "method_a", "method_b", "shown_first")
CSV_COLUMNS = (
    "method", "against", "pairs", "users", "wins", "ties", "losses", "win_rate", "low", "high",
)  # fmt: skip
ALL_OTHERS = "all others"
_SAME = 1e-12  # limits that are no further apart are of resamples that are all the same


@dataclass(frozen=True)
class WinRate:
    """How often people prefer one method's answer to another's on the same case."""

    method: str
    against: str
    """The other method, or `ALL_OTHERS`."""
    wins: int
    """Preferences of people for the method; a pair may have several people's."""
    ties: int
    losses: int
    rate: Cell
    """Mean over pairs of the mean over people: 1 for a win, 1/2 for a tie, 0 for a loss; its
    bootstrap interval is over users, and of a rate that is the same in every resample that in which
    users that differ would have been missed with a probability of 2.5 %."""


@dataclass(frozen=True)
class Preferences:
    """People's preferences, by method and by pair of methods."""

    rates: tuple[WinRate, ...]
    shown_first: Cell | None
    """Share of the preferences that are no ties that are for the answer shown first."""


def read_win_rates(paths: Sequence[Path], seed: int = 0) -> Preferences | None:
    """Return the win rates in tables of labels; None where these hold no pairs.

    Args:
        paths: Labels of pairs, as `benchkit annotate --read` writes them.
        seed: Seed of the bootstrap.
    """
    tables = [read_ratings_file(path) for path in paths]
    if not all(map(holds_pairs, tables)):
        return None
    table = pl.concat([_typed(table) for table in tables])  # a row a person and pair
    if not len(table):
        return None
    methods = sorted({*table["method_a"], *table["method_b"]})
    rates = []
    for method in methods:
        of_method = _seen_from(table, method)
        others = sorted(set(of_method["other"]))
        if len(others) > 1:
            rates.append(_win_rate(method, ALL_OTHERS, of_method, seed))
        rates += [
            _win_rate(method, other, of_method.filter(pl.col("other") == other), seed)
            for other in others
        ]
    return Preferences(tuple(rates), _shown_first(table, seed))


def holds_pairs(table: pl.DataFrame) -> bool:
    """Return whether a table has labels of pairs, not grades of answers."""
    return set(_COLUMNS) <= set(table.columns)


def _typed(table: pl.DataFrame) -> pl.DataFrame:
    cluster = pl.col("cluster") if "cluster" in table.columns else pl.col("item")
    return table.select(
        pl.col(*[name for name in _COLUMNS if name != "grade"]).cast(pl.String),
        pl.col("grade").cast(pl.Float64),
        cluster.cast(pl.String).alias("cluster"),
    ).drop_nulls("grade")


def _seen_from(table: pl.DataFrame, method: str) -> pl.DataFrame:
    """Return the preferences about a method: its score (0, 1/2, 1) and the other method."""
    score = (pl.col("grade") - 1) / 2
    is_first = pl.col("method_a") == method
    return table.filter((pl.col("method_a") == method) | (pl.col("method_b") == method)).select(
        "item",
        "cluster",
        score=pl.when(is_first).then(score).otherwise(1 - score),
        other=pl.when(is_first).then("method_b").otherwise("method_a"),
    )


def _win_rate(method: str, against: str, scores: pl.DataFrame, seed: int) -> WinRate:
    values = scores["score"].to_list()
    return WinRate(
        method,
        against,
        wins=values.count(1.0),
        ties=values.count(0.5),
        losses=values.count(0.0),
        rate=_mean_over_items(scores, seed),
    )


def _mean_over_items(scores: pl.DataFrame, seed: int) -> Cell:
    """Return the mean over items of `score`, each averaged over people, with its interval."""
    items = scores.group_by("item", maintain_order=True).agg(
        pl.col("score").mean(), pl.col("cluster").first()
    )
    values = items["score"].to_numpy()
    clusters = find_clusters(items["cluster"].to_list())
    low, high = mean_interval(values, seed=seed, clusters=clusters)
    n_users = count_clusters(clusters, len(values))
    mean = float(np.mean(values))
    if high - low <= _SAME:
        low, high = constant_share_limits(mean, n_users)
    return Cell(mean, low, high, len(values), n_users=n_users)


def _shown_first(table: pl.DataFrame, seed: int) -> Cell | None:
    decided = table.filter(pl.col("grade") != 2).select(
        "item",
        "cluster",
        score=((pl.col("grade") == 3) == (pl.col("shown_first") == pl.col("method_a"))).cast(
            pl.Float64
        ),
    )
    return _mean_over_items(decided, seed) if len(decided) else None


def preference_tables(
    preferences: Preferences | None, beside_agreement: bool = True
) -> Iterable[TextTable]:
    """Yield the table of win rates, where there are preferences.

    beside_agreement: whether tables of people's agreement on the same pairs stand above it.
    """
    if preferences is None:
        return
    rows = [
        (rate.method, rate.against, str(rate.rate.n), str(rate.wins), str(rate.ties),
         str(rate.losses), format_cell(rate.rate, "{:.3f}".format))
        for rate in preferences.rates
    ]  # fmt: skip
    cells = [rate.rate for rate in preferences.rates]
    largest = max(cells, key=lambda cell: cell.n)
    notes = [
        "Win rate: mean over pairs of answers to one case of what people prefer, a tie being half a"
        f" win; 95 % bootstrap interval over users (up to {count_title(largest.users, largest.n)})."
        + (
            " The agreement above is of people with each other on the same pairs."
            if beside_agreement
            else " Agreement of people needs two of them on the same pairs, and is left out."
        )
    ]
    shares = [*cells, preferences.shown_first] if preferences.shown_first else cells
    if any(map(_is_constant, shares)):
        notes.append(
            "A share that is the same in every resample, as where every pair was won, has the"
            " interval in which users that differ would have been missed with a probability of"
            " 2.5 %."
        )
    if preferences.shown_first is not None:
        share = format_cell(preferences.shown_first, "{:.3f}".format)
        notes.append(
            f"Share of the decided preferences that are for the answer shown as A: {share}."
        )
    header = ("Method", "Against", "Pairs", "Wins", "Ties", "Losses", "Win rate")
    yield TextTable("Preferences between pairs of answers", header, tuple(rows), tuple(notes))


def _is_constant(cell: Cell) -> bool:
    return (cell.low, cell.high) == constant_share_limits(cell.mean, cell.users)


def preferences_csv(preferences: Preferences) -> str:
    """Return a line for each method and what it is compared with."""
    rows = [
        [rate.method, rate.against, rate.rate.n, rate.rate.users, rate.wins, rate.ties,
         rate.losses, rate.rate.mean, rate.rate.low, rate.rate.high]
        for rate in preferences.rates
    ]  # fmt: skip
    return csv_text(CSV_COLUMNS, rows)

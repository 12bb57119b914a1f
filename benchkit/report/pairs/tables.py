"""Comparisons two by two in tables, which fit into 80 columns."""

import math
from collections.abc import Iterable, Iterator

from benchkit.count_text import count_text
from benchkit.report.core.labels import format_mean, format_p_value
from benchkit.report.core.text_table import TextTable
from benchkit.report.pairs.pair_summary import PairSummary
from benchkit.stats.bias_test import LEVEL
from benchkit.stats.ranking.bradley_terry import BOUND, Strengths

MODEL_NOTE = (
    "Strength: log of the strength in Davidson's model, a Bradley-Terry model with ties, mean 0;"
    " a difference of 1 is odds of 2.7 to 1. Won: share of all its comparisons, ties half. 95 %"
    " intervals over users."
)


def pair_tables(summaries: Iterable[PairSummary]) -> Iterator[TextTable]:
    """Yield strengths and win rates for each judge and task."""
    for summary in summaries:
        title = f"{summary.task}, judge {summary.judge}"
        notes = tuple(describe_pairs(summary))
        if summary.strengths is None:
            yield TextTable(f"Strengths: {title}", ("Method", "Strength", "Won"), (), notes)
            continue
        yield _strengths(summary, summary.strengths, title, notes)
        yield _rates(summary, summary.strengths, title)


def describe_pairs(summary: PairSummary) -> Iterator[str]:
    """Yield what a reader must know of the comparisons: ties, changes with the order, unscored."""
    counts = summary.counts
    decided = counts.get("first", 0) + counts.get("second", 0)
    yield (
        f"{count_text(summary.n, 'pair')} of {count_text(summary.users, 'user')}:"
        f" {decided:,} decided, {count_text(counts.get('tie', 0), 'tie')},"
        f" {counts.get('same answer', 0):,} the same answer twice (a tie, not asked)."
    )
    effect = summary.first_shown
    if effect is None:
        yield "Compared by the grades of single answers, which know no order."
    else:
        share = summary.inconsistent_share or 0.0
        yield (
            f"Position-inconsistent: {counts.get('inconsistent', 0):,} of {summary.both_orders:,}"
            f" pairs asked in both orders ({share:.0%}); they count as ties."
        )
        bias = format_mean(effect.value, effect.low, effect.high, "{:+z.3f}".format)
        detectable = effect.detectable()
        if effect.p <= LEVEL:
            side = "first" if effect.value > 0 else "second"
            verdict = f"the answer shown {side} is preferred"
        elif math.isnan(detectable):
            verdict = "too few pairs to tell whether one place is preferred"
        else:
            verdict = f"no preferred place found; above {detectable:.3f} would have been seen"
        yield (
            f"Preference for the answer shown first, -1 to 1: {bias}, p"
            f" {format_p_value(effect.p)}: {verdict}."
        )
    if summary.apart:
        yield f"Without a strength, as nothing compares them: {', '.join(summary.apart)}."
    if unscored := counts.get("unscored", 0):
        yield f"Left out: {count_text(unscored, 'pair')} without a readable verdict."


def _strengths(
    summary: PairSummary, fit: Strengths, title: str, notes: tuple[str, ...]
) -> TextTable:
    rows = []
    order = sorted(range(len(summary.methods)), key=lambda i: -fit.log_strength[i])
    for i in order:
        strength = format_mean(
            float(fit.log_strength[i]), float(fit.low[i]), float(fit.high[i]), "{:+z.2f}".format
        )
        rates = [rate for j, rate in enumerate(fit.win_rate[i]) if j != i and not math.isnan(rate)]
        rows.append((summary.methods[i], strength, f"{sum(rates) / len(rates):.1%}"))
    bounded = (abs(fit.log_strength) >= BOUND - 1e-6).any()
    limit = f"Strengths of {BOUND:g} are a bound: such a method always won, or never."
    notes = (MODEL_NOTE, f"Tie parameter: {fit.tie:.2f}.", *[limit] * bool(bounded), *notes)
    header = ("Method", "Strength", "Won")
    return TextTable(f"Strengths: {title}", header, tuple(rows), notes)


def _rates(summary: PairSummary, fit: Strengths, title: str) -> TextTable:
    rows = []
    for i, name in enumerate(summary.methods):
        cells = []
        for j in range(len(summary.methods)):
            rate = float(fit.win_rate[i, j])
            low, high = float(fit.win_low[i, j]), float(fit.win_high[i, j])
            cells.append("" if i == j or math.isnan(rate) else format_mean(rate, low, high))
        rows.append((name, *cells))
    header = ("Method", *summary.methods)
    note = "Share of the comparisons that the method of the row won against that of the column."
    return TextTable(f"Win rates: {title}", header, tuple(rows), (note,))

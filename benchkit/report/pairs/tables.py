"""Comparisons two by two in tables, which fit into 80 columns."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from benchkit.count_text import count_text
from benchkit.data.dataset_statistics import mark_synthetic
from benchkit.report.core.labels import format_mean, format_p_value, format_percentage
from benchkit.report.core.text_table import TextTable
from benchkit.report.pairs.pair_summary import PairSummary
from benchkit.stats.bias_test import LEVEL
from benchkit.stats.ranking.bradley_terry import Strengths

MODEL_NOTE = (
    "Strength: log of the strength in Davidson's model, a Bradley-Terry model with ties, mean 0;"
    " a difference of 1 is odds of 2.7 to 1. Won: share of all its comparisons, ties half. 95 %"
    " intervals over users."
)
_OPEN_NOTE = (
    "{}: in more than 2.5 % of the resamples no finite strengths fit best, so that {} unknown."
)
_UNDECIDED_NOTE = "Strengths and the tie parameter are unknown: no comparison was decided."
_UNBOUNDED_NOTE = (
    "Strengths are unknown: no finite ones fit best, as where a method never lost to another."
)
_BEYOND_NOTE = (
    "won all, lost all: each comparison that connects the method with those that have a strength;"
    " no finite strength fits that best."
)
_APART_NOTE = "unknown: these strengths cannot be told from the others' comparisons."
_HEADER = ("Method", "Strength", "Won")


def pair_tables(summaries: Iterable[PairSummary]) -> Iterator[TextTable]:
    """Yield strengths and win rates for each judge and task."""
    for summary in summaries:
        notes = tuple(describe_pairs(summary))
        if summary.strengths is None:
            yield TextTable(_title("Strengths", summary), _HEADER, (), notes)
            continue
        yield _strengths(summary, summary.strengths, notes)
        yield _rates(summary, summary.strengths)


def _title(what: str, summary: PairSummary) -> str:
    title = f"{what}: {summary.task}, judge {summary.judge}"
    return mark_synthetic(title) if summary.is_synthetic else title


def describe_pairs(summary: PairSummary) -> Iterator[str]:
    """Yield what a reader must know of the comparisons: ties, changes with the order, unscored."""
    counts = summary.counts
    if counts:
        yield from _describe_outcomes(summary)
    else:
        yield "No two methods explain the same case."
    for method, reason in summary.left_out:
        yield f"Not compared: {method}: {reason}."
    for caveat in summary.caveats:
        yield f"Judge {summary.judge}: {caveat}."


def _describe_outcomes(summary: PairSummary) -> Iterator[str]:
    counts = summary.counts
    decided = counts.get("first", 0) + counts.get("second", 0)
    yield (
        f"{count_text(summary.n, 'pair')} of {count_text(summary.users, 'user')}:"
        f" {decided:,} decided, {count_text(counts.get('tie', 0), 'tie')},"
        f" {counts.get('same answer', 0):,} the same answer twice (a tie, not asked)."
    )
    effect = summary.first_shown
    if effect is None and summary.is_pairwise:
        yield (
            "No pair has verdicts in both orders, so that it is unknown whether one place is"
            " preferred."
        )
    elif effect is None:
        yield "Compared by the grades of single answers, which know no order."
    else:
        share = summary.inconsistent_share or 0.0
        yield (
            f"Position-inconsistent: {counts.get('inconsistent', 0):,} of {summary.both_orders:,}"
            f" pairs asked in both orders ({100 * share:.0f} %); they count as ties."
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


def _strengths(summary: PairSummary, fit: Strengths, notes: tuple[str, ...]) -> TextTable:
    rows = []
    for i in sorted(range(len(summary.methods)), key=lambda i: _rank(fit, i)):
        won = format_percentage(fit.won[i], fit.won_low[i], fit.won_high[i])
        rows.append((summary.methods[i], _strength(fit, i), won))
    model = (MODEL_NOTE, *explain_strengths(fit))
    return TextTable(_title("Strengths", summary), _HEADER, tuple(rows), (*model, *notes))


def _rank(fit: Strengths, i: int) -> tuple[bool, float, float]:
    strength = float(fit.log_strength[i])
    is_unknown = math.isnan(strength)
    return is_unknown, 0.0 if is_unknown else -strength, -float(fit.won[i])


def _strength(fit: Strengths, i: int) -> str:
    value = float(fit.log_strength[i])
    if math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "won all" if value > 0 else "lost all"
    return format_mean(value, float(fit.low[i]), float(fit.high[i]), "{:+z.2f}".format)


def explain_strengths(fit: Strengths) -> Iterator[str]:
    """Yield the tie parameter, and why what is unknown is so."""
    finite = np.isfinite(fit.log_strength)
    if not fit.is_decided:
        yield _UNDECIDED_NOTE
        return
    if not finite.any():
        yield _UNBOUNDED_NOTE
        return
    yield f"Tie parameter: {fit.tie:.2f}."
    if np.isinf(fit.log_strength).any():
        yield _BEYOND_NOTE
    if np.isnan(fit.log_strength).any():
        yield _APART_NOTE
    open_ends = np.isinf(fit.low[finite]).astype(int) + np.isinf(fit.high[finite])
    if (open_ends == 1).any():
        yield _OPEN_NOTE.format("open", "this limit is")
    if (open_ends == 2).any():
        yield _OPEN_NOTE.format("[unknown]", "both limits are")


def _rates(summary: PairSummary, fit: Strengths) -> TextTable:
    rows = []
    for i, name in enumerate(summary.methods):
        cells = []
        for j in range(len(summary.methods)):
            rate = float(fit.win_rate[i, j])
            low, high = float(fit.win_low[i, j]), float(fit.win_high[i, j])
            cells.append("" if i == j or math.isnan(rate) else format_percentage(rate, low, high))
        rows.append((name, *cells))
    header = ("Method", *summary.methods)
    note = "Share of the comparisons that the method of the row won against that of the column."
    return TextTable(_title("Win rates", summary), header, tuple(rows), (note,))

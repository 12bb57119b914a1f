"""Drift between versions of a judge, in a table that fits into 80 columns."""

import math
from collections.abc import Iterator, Sequence

from benchkit.report.core.labels import format_mean, format_p_value
from benchkit.report.core.text_table import TextTable
from benchkit.report.drift.drift_summary import Drift


def drift_tables(drifts: Sequence[Drift]) -> Iterator[TextTable]:
    """Yield a table for each pair of versions."""
    for pair in dict.fromkeys((drift.earlier, drift.later) for drift in drifts):
        part = [drift for drift in drifts if (drift.earlier, drift.later) == pair]
        rows = tuple(_row(drift) for drift in part)
        header = ("Criterion", "Before", "After", "Moved by", "p", "Kappa", "Changed")
        notes = [
            f"{part[0].n} anchors graded by both. Moved by: mean of the differences, with its 95 %"
            " interval over users. Kappa: agreement of the versions, quadratic weights. A drift: a"
            f" mean that moved by more than {part[0].max_shift:g}, or a kappa below"
            f" {part[0].min_kappa:g}.",
            *describe_drift(part),
        ]
        yield TextTable(f"{pair[1]} beside {pair[0]}", header, rows, tuple(notes))


def describe_drift(drifts: Sequence[Drift]) -> Iterator[str]:
    """Yield a sentence for each criterion: a drift, none, or too few anchors to tell."""
    for drift in drifts:
        detectable = drift.shift.detectable()
        if drift.warnings:
            yield f"Drift: {drift.criterion}: {'; '.join(drift.warnings)}."
        elif not drift.n:
            yield f"{drift.criterion}: no anchor was graded by both versions."
        elif not detectable <= drift.max_shift:
            seen = "nothing" if math.isnan(detectable) else f"only above {detectable:.2f}"
            yield (
                f"{drift.criterion}: too few anchors to tell: {seen} would have been seen with 80 %"
                " power."
            )
        else:
            yield (
                f"{drift.criterion}: no drift; a mean that moves by more than {detectable:.2f}"
                " would have been seen with 80 % power."
            )


def _row(drift: Drift) -> tuple[str, ...]:
    shift, kappa = drift.shift, drift.kappa
    if not drift.n:
        return drift.criterion, "-", "-", "-", "-", "-", "-"
    agreement = "-"
    if not math.isnan(kappa.value):
        agreement = format_mean(kappa.value, kappa.low, kappa.high, "{:.2f}".format)
    return (
        drift.criterion,
        f"{drift.before:.2f}",
        f"{drift.after:.2f}",
        format_mean(shift.value, shift.low, shift.high, "{:+z.2f}".format),
        format_p_value(shift.p),
        agreement,
        f"{drift.moved:.0%}",
    )

"""Drift between versions of a judge, in a table that fits into 80 columns."""

import math
from collections.abc import Iterator, Sequence

from benchkit.count_text import count_text
from benchkit.data.dataset_statistics import mark_synthetic
from benchkit.report.core.labels import NO_LIMITS_NOTE, format_mean, format_p_value
from benchkit.report.core.text_table import TextTable
from benchkit.report.drift.drift_summary import Drift


def drift_tables(
    drifts: Sequence[Drift], caveats: Sequence[str] = (), is_synthetic: bool = False
) -> Iterator[TextTable]:
    """Yield a table for each pair of versions.

    Args:
        drifts: Of all pairs and criteria.
        caveats: Of the judge, for the notes.
        is_synthetic: Whether the answers are to generated data, which titles then say.
    """
    for pair in dict.fromkeys((drift.earlier, drift.later) for drift in drifts):
        part = [drift for drift in drifts if (drift.earlier, drift.later) == pair]
        rows = tuple(_row(drift) for drift in part)
        header = ("Criterion", "Before", "After", "Moved by", "p", "Kappa", "Changed")
        notes = [
            f"{count_text(part[0].n, 'anchor')} graded by both. Moved by: mean of the differences,"
            " with the 95 % interval of the test of p (sign flips over users). Kappa: agreement of"
            " the versions, quadratic weights. A drift: a mean that moved by more than"
            f" {part[0].max_shift:g}, or a kappa below {part[0].min_kappa:g}.",
            *[NO_LIMITS_NOTE] * any(math.isinf(drift.shift.low) for drift in part),
            *describe_drift(part),
            *(f"Judge: {caveat}." for caveat in caveats),
        ]
        title = f"{pair[1]} beside {pair[0]}"
        title = mark_synthetic(title) if is_synthetic else title
        yield TextTable(title, header, rows, tuple(notes))


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
        f"{100 * drift.moved:.0f} %",
    )

"""What probes of one report show, and what they could not have shown.

All tests of a report are adjusted together (Benjamini and Hochberg). The detectable effect of each
is that of a test at level .05 / tests, which the adjustment never undercuts: a bias of that size
would have been seen in 80 % of such samples, were it the only one.
"""

import math
from collections.abc import Sequence

import polars as pl

from benchkit.stats.bias_test import LEVEL, Effect, measure_share, measure_shifts
from benchkit.stats.clusters import find_clusters
from benchkit.stats.multiple_testing import benjamini_hochberg

TOLERATED_SHARE = 0.05
"""Share of grades that may change when a judge is asked again."""
RELEVANT_SHARE = 0.2
"""A share of changed grades that a report must be able to see to say that it found nothing."""
RELEVANT_SPAN = 0.1
"""The same for a mean shift, as a share of the scale."""
SUMMARY_COLUMNS = {
    "probe": pl.String,
    "criterion": pl.String,
    "expected": pl.String,
    "n": pl.Int64,
    "cases": pl.Int64,
    "users": pl.Int64,
    "effect": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "detectable": pl.Float64,
    "detectable_alone": pl.Float64,
    "relevant": pl.Float64,
    "p": pl.Float64,
    "p_adjusted": pl.Float64,
    "outcome": pl.String,
    "shift": pl.Float64,
    "moved": pl.Float64,
    "up": pl.Int64,
    "down": pl.Int64,
    "unscored": pl.Int64,
}
BIASED, CLEAR, TOO_FEW, AS_EXPECTED = "biased", "no bias found", "too few cases", "as it ought to"
NOT_GRADED = "not graded"
"""No answer has a grade both as it is and changed."""
NO_FALL = "no fall found"
"""Where grades ought to fall, and a fall would have been seen: not finding one is a finding."""


def summarize_probes(table: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """Summarize the rows of all probes of one report, of `run_probes` and others.

    A case may be there several times, with answers of several methods, whose changes are alike.
    Where `table` has a column `judge`, so has the result, and judges are apart.

    Returns:
        `SUMMARY_COLUMNS`, a row a probe and criterion (null where there is no figure). n: answers
        graded before and after; cases, users: of how many. effect: mean change of the grade, each
        case's being the mean over its answers, or, of a probe that expects the same grade, the
        share of grades that changed; with its 95 % interval over users. detectable: the least
        effect that would have been seen with 80 % power among all tests of the report;
        detectable_alone: were it the only test. relevant: the effect that must have been
        detectable for "no bias found". p, p_adjusted: of no change, by itself and adjusted.
        outcome: `biased`, `no bias found`, `no fall found`, `too few cases`, `as it ought to` or
        `not graded`.
        low and high are null where the test rejects no mean. shift, moved:
        mean change and share of changed grades of every probe; up, down: how many rose and fell.
        unscored: answers without a grade before or after.
    """
    names = [name for name in ("judge", "probe", "criterion") if name in table.columns]
    parts = table.partition_by(names, maintain_order=True)
    effects = _measure(parts, seed)
    p_values = [effect.p for effect in effects]
    tests = max(1, sum(not math.isnan(p) for p in p_values))
    adjusted = benjamini_hochberg(p_values).tolist() if parts else []
    rows = []
    for part, effect, p_adjusted in zip(parts, effects, adjusted, strict=True):
        first = part.row(0, named=True)
        relevant = RELEVANT_SHARE if effect.tolerance is not None else RELEVANT_SPAN * first["span"]
        detectable = effect.detectable(LEVEL / tests)
        figures = {
            "effect": effect.value,
            "low": effect.low,
            "high": effect.high,
            "detectable": detectable,
            "detectable_alone": effect.detectable(),
            "relevant": relevant,
            "p": effect.p,
            "p_adjusted": p_adjusted,
        }
        rows.append(
            {
                **{name: first[name] for name in (*names, "expected")},
                **{k: v if math.isfinite(v) else None for k, v in figures.items()},
                "cases": effect.n,
                "users": effect.units,
                "outcome": decide(first["expected"], effect, p_adjusted, detectable, relevant),
                **_count_changes(part),
            }
        )
    columns = [name for name in names if name not in SUMMARY_COLUMNS] + list(SUMMARY_COLUMNS)
    schema = {name: SUMMARY_COLUMNS.get(name, pl.String) for name in columns}
    return pl.DataFrame(rows, schema=schema, orient="row")


def decide(
    expected: str, effect: Effect, p_adjusted: float, detectable: float, relevant: float
) -> str:
    """Return the outcome of a probe: what was seen, or whether anything could have been.

    Args:
        expected: What a grade ought to do (`probe.Expectation`).
        effect: What it did.
        p_adjusted: Adjusted p of no change.
        detectable: The effect that would have been seen, NaN for none.
        relevant: The effect that must have been detectable for "no bias found".
    """
    if not effect.n:
        return NOT_GRADED
    if p_adjusted <= LEVEL:
        may_fall = expected in ("no rise", "fall") and effect.value < 0
        return AS_EXPECTED if may_fall else BIASED
    if not detectable <= relevant:  # also NaN
        return TOO_FEW
    return NO_FALL if expected == "fall" else CLEAR


def _measure(parts: Sequence[pl.DataFrame], seed: int) -> list[Effect]:
    """Return the effect of each part, a probe and criterion; equal steps are tested together."""
    effects: dict[int, Effect] = {}
    by_step: dict[float, list[int]] = {}
    values, clusters = [], []
    for place, part in enumerate(parts):
        is_share = part["expected"][0] == "same grade"
        change = pl.col("after") - pl.col("before")
        cases = (
            part.select(
                "case", "user", change=(change != 0).cast(pl.Float64) if is_share else change
            )
            .drop_nulls("change")
            .group_by("case", maintain_order=True)
            .agg(pl.col("change").mean(), pl.col("user").first())
        )
        values.append(cases["change"].to_numpy())
        clusters.append(find_clusters(cases["user"].to_list()))
        if is_share:
            effects[place] = measure_share(values[-1], clusters[-1], TOLERATED_SHARE)
        else:
            by_step.setdefault(part["step"][0], []).append(place)
    for step, places in by_step.items():
        shifts = [values[i] for i in places], [clusters[i] for i in places]
        effects |= dict(zip(places, measure_shifts(*shifts, step, seed), strict=True))
    return [effects[place] for place in range(len(parts))]


def _count_changes(part: pl.DataFrame) -> dict[str, float | int | None]:
    changes = part.select("case", change=pl.col("after") - pl.col("before")).drop_nulls("change")
    change = changes["change"].to_numpy()
    by_case = changes.group_by("case").agg(pl.col("change").mean())["change"]
    return {
        "n": len(change),
        "shift": float(by_case.mean()) if len(change) else None,  # type: ignore[arg-type]
        "moved": float((change != 0).mean()) if len(change) else None,
        "up": int((change > 0).sum()),
        "down": int((change < 0).sum()),
        "unscored": len(part) - len(change),
    }

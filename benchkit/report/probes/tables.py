"""Probes of judges in tables, which fit into 80 columns, and in words: found, clear, or too few."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import polars as pl

from benchkit.data.dataset_statistics import mark_synthetic
from benchkit.report.core.labels import NO_LIMITS_NOTE, format_mean, format_p_value
from benchkit.report.core.text_table import TextTable
from benchkit.stats.bias_test import LEVEL, POWER

_IS_SHARE = "same grade"


def probe_tables(
    summary: pl.DataFrame,
    unmeasured: pl.DataFrame,
    caveats: Mapping[str, Sequence[str]] | None = None,
    is_synthetic: bool = False,
) -> Iterator[TextTable]:
    """Yield two tables a judge: the tests of all probes, and how grades moved.

    Then an empty one for each judge that has nothing to grade.

    Args:
        summary: Rows of `summarize_probes` with the column `judge`.
        unmeasured: Probes that were not measured: judge, probe, reason.
        caveats: Judge -> what a reader of its grades must know.
        is_synthetic: Whether the answers are to generated data, which titles then say.
    """
    tests_of_all = summary["p"].drop_nulls().len()
    for (judge,), part in summary.group_by(["judge"], maintain_order=True):
        rows = part.to_dicts()
        several = part["criterion"].n_unique() > 1
        notes = [_explain_tests(tests_of_all)]
        notes += [NO_LIMITS_NOTE] * any(_has_no_limits(row) for row in rows)
        notes += [describe_outcome(row, several) for row in rows]
        for reason, probes in _group_reasons(unmeasured.filter(judge=judge)):
            notes.append(f"Not measured: {', '.join(probes)}: {reason}.")
        notes += [f"Judge {judge}: {caveat}." for caveat in (caveats or {}).get(str(judge), ())]
        title = _title(str(judge), is_synthetic)
        tests = tuple((*_name(row, several), *_test_cells(row)) for row in rows)
        counts = tuple((*_name(row, several), *_count_cells(row)) for row in rows)
        names = ("Probe", "Criterion")[: 1 + several]
        yield TextTable(
            title,
            (*names, "Ought to", "Effect", "Detectable", "Adj. p", "Outcome"),
            tests,
            tuple(notes),
            text_columns=len(names),
        )
        yield TextTable(
            f"{title}: what grades did",
            (*names, "Answers", "Users", "Moved", "Up", "Down", "Unscored"),
            counts,
            text_columns=len(names),
        )
    for judge in unmeasured["judge"].unique(maintain_order=True):
        if judge not in summary["judge"]:
            header = ("Probe", "Ought to", "Effect", "Detectable", "Adj. p", "Outcome")
            note = "There are no answers that it judges."
            yield TextTable(_title(judge, is_synthetic), header, (), (note,))


def _title(judge: str, is_synthetic: bool) -> str:
    title = f"Probes of judge {judge}"
    return mark_synthetic(title) if is_synthetic else title


def describe_outcome(row: dict[str, object], several: bool = False) -> str:
    """Return what a row of a summary says, in a sentence.

    "No bias found" says which effects would have been seen; without enough cases it is not said.
    """
    name = ", ".join(_name(row, several))
    effect, detectable = _number(row["effect"]), _number(row["detectable"])
    number = _number_format(row)
    relevant = number(_number(row["relevant"]))
    seen = f"{number(detectable)}" if not math.isnan(detectable) else ""
    if math.isnan(effect):
        return f"{name}: not graded: no answer has a grade both as it is and changed."
    is_share = row["expected"] == _IS_SHARE
    what = "of changed grades" if is_share else "of the mean"
    if row["outcome"] == "too few cases":
        if not seen:
            return f"{name}: too few cases to tell: no effect, however large, could be seen."
        share_or_shift = "a share" if is_share else "a shift"
        return (
            f"{name}: too few cases to tell: only {share_or_shift} {what} above {seen} would have"
            f" been seen, and {relevant} matters."
        )
    if row["outcome"] == "no bias found":
        return f"{name}: no bias found; {_effects(is_share)} above {seen} would have been seen."
    if row["outcome"] == "as it ought to":
        return f"{name}: grades fall, as they {'ought to' if row['expected'] == 'fall' else 'may'}."
    if is_share:
        return f"{name}: unstable: {number(effect)} of the grades change."
    if row["outcome"] == "no fall found":
        return f"{name}: no fall found, where one of {seen} would have been seen."
    direction = "rise" if effect > 0 else "fall"
    return f"{name}: biased: grades {direction} by {number(abs(effect)).lstrip('+')}."


def _effects(is_share: bool) -> str:
    return "shares" if is_share else "shifts"


def _explain_tests(tests: int) -> str:
    return (
        "Effect: mean change of the grade over cases, or share of grades that changed (asked"
        " again); 95 % intervals, of tests that are not adjusted, and tests over users. Detectable:"
        f" what would have been seen with {100 * POWER:.0f} % power at level {LEVEL:.2f}, among"
        f" {tests} tests. Adj. p: adjusted for these (Benjamini and Hochberg)."
    )


def _group_reasons(unmeasured: pl.DataFrame) -> list[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {}
    for row in unmeasured.iter_rows(named=True):
        groups.setdefault(row["reason"], []).append(row["probe"])
    return list(groups.items())


def _name(row: dict[str, object], several: bool) -> tuple[str, ...]:
    return (str(row["probe"]), str(row["criterion"]))[: 1 + several]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _number_format(row: dict[str, object]) -> Callable[[float], str]:
    if row["expected"] == _IS_SHARE:
        return lambda value: f"{100 * value:.0f} %"
    return "{:.2f}".format


def _has_no_limits(row: dict[str, object]) -> bool:
    return row["effect"] is not None and row["low"] is None


def _test_cells(row: dict[str, object]) -> tuple[str, ...]:
    number = _number_format(row)
    effect, low, high = (_number(row[name]) for name in ("effect", "low", "high"))
    if math.isnan(effect):
        return str(row["expected"]), "", "", "", "not graded"
    if row["expected"] == _IS_SHARE:
        text = f"{100 * effect:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"
    else:
        if _has_no_limits(row):
            low, high = -math.inf, math.inf
        text = format_mean(effect, low, high, "{:+z.2f}".format)
    detectable = _number(row["detectable"])
    return (
        str(row["expected"]),
        text,
        "none" if math.isnan(detectable) else number(detectable),
        format_p_value(_number(row["p_adjusted"])),
        str(row["outcome"]),
    )


def _count_cells(row: dict[str, object]) -> tuple[str, ...]:
    moved = _number(row["moved"])
    share = "" if math.isnan(moved) else f"{100 * moved:.1f} %"
    counts = (str(row[name]) for name in ("up", "down", "unscored"))
    return (str(row["n"]), str(row["users"]), share, *counts)

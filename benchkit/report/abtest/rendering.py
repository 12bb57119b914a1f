"""A/B tests as tables, CSV and JSON. Same counts, same bytes."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from benchkit.report.abtest.analysis import ABTestAnalysis, RateComparison, SampleSizePlan
from benchkit.report.abtest.published_tests import (
    DOES_NOT_FOLLOW,
    FOLLOWS,
    FigureCheck,
    PublishedTestCheck,
    figure_check_records,
)
from benchkit.report.core.json_text import json_text
from benchkit.report.core.labels import format_p_value
from benchkit.report.core.text_table import TableDocument, TextTable, csv_text
from benchkit.stats.proportions.two_sample import ConfidenceInterval

_INDEPENDENT = (
    "Tests and intervals take impressions as independent. Where a user has many, and users were"
    " randomised, p is too small and intervals are too narrow: test users instead."
)
_TITLES = {
    "ctr": "CTR (%)",
    "lift": "CTR lift (%)",
    "ratio": "CTR ratio",
    "difference": "difference of CTR (points)",
    "z": "z of CTR, pooled",
    "low": "difference of CTR, 95 % low (points)",
    "high": "difference of CTR, 95 % high (points)",
    "width": "width of that interval (points)",
    "pooled_width": "width, from the pooled standard error (points)",
    "p_greater_below": "one-sided p of CTR, below",
    "cvr_p_greater_below": "one-sided p of CVR, below",
}


def analysis_document(analysis: ABTestAnalysis) -> TableDocument:
    """Build tables of the arms with their rates, and of each comparison."""
    arms = TextTable(
        "Arms",
        ("Arm", "Impressions", "Clicks", "CTR", "Conversions", "CVR"),
        tuple(
            (
                arm.name, f"{arm.impressions:,}", f"{arm.clicks:,}",
                _percent(arm.clicks / arm.impressions),
                "" if arm.conversions is None else f"{arm.conversions:,}",
                "" if arm.conversions is None else _percent(arm.conversions / arm.impressions),
            )
            for arm in analysis.arms
        ),
    )  # fmt: skip
    level = f"{100 * analysis.level:g} %"
    tests = [_test_table(test, level) for test in analysis.comparisons]
    several = len(analysis.arms) > 2
    notes = [
        _INDEPENDENT,
        "Look once, at the size planned, for z; the always-valid p and interval hold however often"
        f" one looks (mSPRT, normal mixture with an SD of {analysis.tau:g}).",
        *([f"Holm adjusts two-sided p over {len(analysis.arms) - 1} treatments."] * several),
    ]
    return TableDocument((arms, *tests), tuple(notes))


def _test_table(test: RateComparison, level: str) -> TextTable:
    r, v = test.result, test.always_valid
    lines = (
        ("lift", _percent(r.lift, "+"), _interval(r.lift_interval)),
        ("difference, Wald", _points(r.difference), _interval(r.wald)),
        ("difference, Newcombe", _points(r.difference), _interval(r.newcombe)),
        (
            "difference, always valid",
            _points(v.difference),
            _interval(ConfidenceInterval(v.low, v.high)),
        ),
        ("z, pooled", "-" if math.isnan(r.z) else f"{r.z:.4f}", ""),
        ("p, two-sided", format_p_value(r.p), ""),
        ("p, one-sided, treatment above", format_p_value(r.p_greater), ""),
        ("p, two-sided, Holm", format_p_value(test.p_holm), ""),
        ("p, always valid", format_p_value(v.p), ""),
    )
    title = f"{test.rate}: {test.treatment} against {test.control}"
    return TextTable(title, ("", "value", f"{level} interval"), lines)


def analysis_records(analysis: ABTestAnalysis) -> list[dict[str, Any]]:
    """Return a flat record for each comparison, exact numbers."""
    records = []
    for test in analysis.comparisons:
        record: dict[str, Any] = {
            "rate": test.rate, "control": test.control, "treatment": test.treatment,
            "level": analysis.level, "p_holm": test.p_holm,
        }  # fmt: skip
        result = asdict(test.result)
        record |= {"control_rate": result.pop("control"), "treatment_rate": result.pop("treatment")}
        for name, value in result.items():
            if isinstance(value, dict):
                record |= {f"{name}_{end}": limit for end, limit in value.items()}
            else:
                record[name] = value
        valid = asdict(test.always_valid)
        record |= {f"always_valid_{k}": valid[k] for k in ("p", "low", "high")}
        records.append(record)
    return records


def sample_size_document(planned: SampleSizePlan) -> TableDocument:
    """Build a table of the impressions that each arm needs."""
    sides = "one-sided" if planned.one_sided else "two-sided"
    table = TextTable(
        "Impressions needed",
        ("Arm", "Rate", "Impressions"),
        (
            ("control", _percent(planned.baseline), f"{planned.control:,}"),
            (
                "treatment",
                _percent(planned.baseline * (1 + planned.lift)),
                f"{planned.treatment:,}",
            ),
        ),
    )
    power = f"Power {planned.power:g} at level {planned.alpha:g}, {sides}, pooled z, equal arms."
    return TableDocument((table,), (power, _INDEPENDENT))


def published_test_document(checks: PublishedTestCheck) -> TableDocument:
    """Build a table of our figures beside the printed ones, and note which do not follow."""
    lines = tuple(
        (
            f"{c.printed.treatment}" + (f" against {c.against}" if c.against else ""),
            _TITLES[c.printed.figure],
            c.printed.value,
            _ours(c),
            f"{_figure(c, c.low)} to {_figure(c, c.high)}",
            c.verdict,
        )
        for c in checks.checks
    )
    head = ("Figure", "Of", "Printed", "From the counts", "Rounding allows", "")
    arms = TextTable(
        "Printed counts",
        ("Arm", "Impressions", "Clicks", "CVR (%)"),
        tuple(
            (a.name, f"{a.impressions:,}", f"{a.clicks:,}", a.cvr or "")
            for a in checks.published.arms
        ),
    )
    notes = [
        f"Counts are printed to within {checks.published.rounding}; intervals are Wald's at 95 %."
        " Conversions are the printed CVR of the impressions.",
        *(
            _two_sided_note(c)
            for c in checks.checks
            if c.p is not None and c.p >= float(c.printed.value)
        ),
        *_widths(checks),
        *(
            f"{c.printed.place}: {_TITLES[c.printed.figure]} {c.printed.value} is that of no arm;"
            f" the nearest is {_ours(c)} against {c.against}."
            for c in checks.checks
            if c.printed.control == "*" and c.verdict == DOES_NOT_FOLLOW
        ),
        _INDEPENDENT,
    ]
    figures = TextTable(checks.published.title, head, lines)
    return TableDocument((arms, figures), tuple(notes))


def _two_sided_note(check: FigureCheck) -> str:
    printed = check.printed
    arms = f"{printed.treatment} against {check.against}, {_TITLES[printed.figure]}"
    return f"{arms} {printed.value}: two-sided p is {check.p or 0.0:.2g}, not below it."


def _widths(checks: PublishedTestCheck) -> Iterator[str]:
    verdicts = {(c.printed.figure, c.against): c.verdict for c in checks.checks}
    for (figure, against), verdict in verdicts.items():
        pooled = verdicts.get(("pooled_width", against))
        if figure == "width" and (verdict, pooled) == (DOES_NOT_FOLLOW, FOLLOWS):
            yield (
                f"The interval against {against} is as wide as the pooled standard error makes it,"
                " which is that of the test: under no difference. An interval of the difference"
                " takes each arm's own variance."
            )


def _ours(check: FigureCheck) -> str:
    return _figure(check, check.ours)


def _figure(check: FigureCheck, value: float) -> str:
    if check.p is not None:
        # Papers print bounds such as 6e-11; what is too small for a number has no digits.
        return "<1e-300" if value < 1e-300 else f"{value:.2g}"
    # A digit more than printed where rounding hides the difference.
    digits = len(check.printed.value.partition(".")[2])
    return f"{value:.{digits + 1}f}"


def _percent(share: float, sign: str = "") -> str:
    return "-" if math.isnan(share) else f"{100 * share:{sign}.2f} %"


def _points(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:+.3f} points"


def _interval(interval: ConfidenceInterval) -> str:
    if math.isnan(interval.low):
        return "-"
    return f"[{100 * interval.low:+.3f}, {100 * interval.high:+.3f}]"


def _csv(records: Sequence[dict[str, Any]]) -> str:
    return csv_text(list(records[0]) if records else [], records)


ANALYSIS_FORMATS: dict[str, Callable[[ABTestAnalysis], str]] = {
    "md": lambda analysis: analysis_document(analysis).to_markdown(),
    "csv": lambda analysis: _csv(analysis_records(analysis)),
    "json": lambda analysis: json_text(
        {"arms": [asdict(arm) for arm in analysis.arms], "tests": analysis_records(analysis)}
    ),
}
SAMPLE_SIZE_FORMATS: dict[str, Callable[[SampleSizePlan], str]] = {
    "md": lambda plan: sample_size_document(plan).to_markdown(),
    "csv": lambda plan: _csv([asdict(plan)]),
    "json": lambda plan: json_text(asdict(plan)),
}
PUBLISHED_TEST_FORMATS: dict[str, Callable[[PublishedTestCheck], str]] = {
    "md": lambda checks: published_test_document(checks).to_markdown(),
    "csv": lambda checks: _csv(figure_check_records(checks)),
    "json": lambda checks: json_text(
        {"title": checks.published.title, "figures": figure_check_records(checks)}
    ),
}

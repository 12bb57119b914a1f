"""A/B tests as Markdown, CSV and JSON. Same counts, same bytes."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from benchkit.report.abtest import Analysis, Planned, Tested
from benchkit.report.abtest_published import FOLLOWS, NOT, Check, Checks, as_records
from benchkit.report.comparison_text import p_text
from benchkit.report.grid import Document, Grid
from benchkit.stats.proportions import Interval

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


def analysis_document(analysis: Analysis) -> Document:
    """Arms with their rates, then a table of each comparison."""
    arms = Grid(
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
    tests = [_test_grid(test, level) for test in analysis.tests]
    several = len(analysis.arms) > 2
    notes = [
        _INDEPENDENT,
        "Look once, at the size planned, for z; the always-valid p and interval hold however often"
        f" one looks (mSPRT, normal mixture with an SD of {analysis.tau:g}).",
        *([f"Holm adjusts two-sided p over {len(analysis.arms) - 1} treatments."] * several),
    ]
    return _with_notes([arms, *tests], notes)


def _test_grid(test: Tested, level: str) -> Grid:
    r, v = test.result, test.valid
    lines = (
        ("lift", _percent(r.lift, "+"), _interval(r.lift_interval)),
        ("difference, Wald", _points(r.difference), _interval(r.wald)),
        ("difference, Newcombe", _points(r.difference), _interval(r.newcombe)),
        ("difference, always valid", _points(v.difference), _interval(Interval(v.low, v.high))),
        ("z, pooled", "-" if math.isnan(r.z) else f"{r.z:.4f}", ""),
        ("p, two-sided", p_text(r.p), ""),
        ("p, one-sided, treatment above", p_text(r.p_greater), ""),
        ("p, two-sided, Holm", p_text(test.p_holm), ""),
        ("p, always valid", p_text(v.p), ""),
    )
    title = f"{test.rate}: {test.treatment} against {test.control}"
    return Grid(title, ("", "value", f"{level} interval"), lines)


def analysis_records(analysis: Analysis) -> list[dict[str, Any]]:
    """A flat record for each comparison, exact numbers."""
    found = []
    for test in analysis.tests:
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
        valid = asdict(test.valid)
        record |= {f"always_valid_{k}": valid[k] for k in ("p", "low", "high")}
        found.append(record)
    return found


def planned_document(planned: Planned) -> Document:
    """One table."""
    sides = "one-sided" if planned.one_sided else "two-sided"
    grid = Grid(
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
    return _with_notes(
        [grid],
        [
            f"Power {planned.power:g} at level {planned.alpha:g}, {sides}, pooled z, equal arms.",
            _INDEPENDENT,
        ],
    )


def published_document(checks: Checks) -> Document:
    """Ours beside the printed figures, and what does not follow."""
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
    arms = Grid(
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
        *(_remark(c) for c in checks.checks if c.p is not None and c.p >= float(c.printed.value)),
        *_widths(checks),
        *(
            f"{c.printed.place}: {_TITLES[c.printed.figure]} {c.printed.value} is that of no arm;"
            f" the nearest is {_ours(c)} against {c.against}."
            for c in checks.checks
            if c.printed.control == "*" and c.verdict == NOT
        ),
        _INDEPENDENT,
    ]
    return _with_notes([arms, Grid(checks.published.title, head, lines)], notes)


def _remark(own: Check) -> str:
    who = f"{own.printed.treatment} against {own.against}, {_TITLES[own.printed.figure]}"
    return f"{who} {own.printed.value}: two-sided p is {own.p or 0.0:.2g}, not below it."


def _widths(checks: Checks) -> Iterator[str]:
    verdicts = {(c.printed.figure, c.against): c.verdict for c in checks.checks}
    for (figure, against), verdict in verdicts.items():
        pooled = verdicts.get(("pooled_width", against))
        if figure == "width" and (verdict, pooled) == (NOT, FOLLOWS):
            yield (
                f"The interval against {against} is as wide as the pooled standard error makes it,"
                " which is that of the test: under no difference. An interval of the difference"
                " takes each arm's own variance."
            )


def _ours(own: Check) -> str:
    return _figure(own, own.ours)


def _figure(own: Check, value: float) -> str:
    if own.p is not None:
        text = p_text(value)
        return text if text.startswith("<") else f"{value:.2g}"
    # A digit more than printed where rounding hides the difference.
    digits = len(own.printed.value.partition(".")[2])
    return f"{value:.{digits + 1}f}"


def _with_notes(grids: Sequence[Grid], notes: Sequence[str]) -> Document:
    return Document(tuple(grids), tuple(notes))


def _percent(share: float, sign: str = "") -> str:
    return "-" if math.isnan(share) else f"{100 * share:{sign}.2f} %"


def _points(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:+.3f} points"


def _interval(interval: Interval) -> str:
    if math.isnan(interval.low):
        return "-"
    return f"[{100 * interval.low:+.3f}, {100 * interval.high:+.3f}]"


def _csv(records: Sequence[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(records[0]) if records else [], lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({k: "" if v is None else v for k, v in record.items()})
    return out.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in r.items()}
        for r in records
    ]


ANALYSED: dict[str, Callable[[Analysis], str]] = {
    "md": lambda found: analysis_document(found).markdown(),
    "csv": lambda a: _csv(analysis_records(a)),
    "json": lambda a: _json(
        {"arms": [asdict(arm) for arm in a.arms], "tests": _plain(analysis_records(a))}
    ),
}
PLANNED: dict[str, Callable[[Planned], str]] = {
    "md": lambda found: planned_document(found).markdown(),
    "csv": lambda p: _csv([asdict(p)]),
    "json": lambda p: _json(asdict(p)),
}
PUBLISHED: dict[str, Callable[[Checks], str]] = {
    "md": lambda found: published_document(found).markdown(),
    "csv": lambda c: _csv(as_records(c)),
    "json": lambda c: _json({"title": c.published.title, "figures": _plain(as_records(c))}),
}

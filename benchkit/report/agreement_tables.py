"""What a report of agreement says on the terminal and in Markdown."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from benchkit.report.agreement import MEAN, AgreementReport, Group, Pair
from benchkit.report.grid import Grid
from benchkit.report.wording import number
from benchkit.stats.agreement import STATISTICS
from benchkit.stats.grades import Estimate
from benchkit.stats.scale import places_on

TITLES = {
    "kappa": "Kappa (quadratic)",
    "spearman": "Spearman ρ",
    "kendall": "Kendall τ-b",
    "pearson": "Pearson r",
    "exact": "Exact agreement",
    "adjacent": "Within one category",
    "nominal": "Krippendorff α, nominal",
    "ordinal": "Krippendorff α, ordinal",
    "interval": "Krippendorff α, interval",
    "icc_single": "ICC(2,1)",
    "icc_average": "ICC(2,k)",
    "mean_kappa": "Mean pairwise kappa",
}
WEIGHTED = {"mean_kappa"}  # of a group; alpha and ICC have no weights
NOT_SHOWN = "°"
_IN_FULL = 3  # pairs that each get a table of their own
_LISTED = 10  # disagreements
_IN_OVERVIEW = ("kappa", "spearman", "pearson", "exact")


def grids(report: AgreementReport) -> Iterator[Grid]:
    """Raters and their marginals, all raters, pairs, confusions, systems, disagreements."""
    yield _raters(report)
    for group in report.groups:
        if len(group.raters) > 2 or len(report.groups) == 1:
            yield _group(group, report)
    full = _in_full(report)
    if len(report.pairs) > len(full):
        yield _overview(report)
    for pair in full:
        yield _pair(pair, report)
        if pair.sample.confusion is not None:
            yield _confusion(pair)
        if pair.by_system is not None:
            yield _systems(pair, report)
    if report.apart:
        yield _disagreements(report)


def missing(pair: Pair) -> int:
    """Items that at least one of the two did not grade."""
    return sum(pair.sample.missing)


def estimates(group: Group) -> dict[str, Estimate]:
    """What there is of a group, by the names of `TITLES`."""
    icc = {"icc_single": group.icc.single, "icc_average": group.icc.average}
    kappa = {} if group.kappa is None else {"mean_kappa": group.kappa}
    return {**group.alphas, **icc, **kappa}


def shown(estimate: Estimate) -> str:
    """'.612 [.590, .634]', without an interval where there is none, '-' where undefined."""
    if np.isnan(estimate.value):
        return "-"
    if np.isnan(estimate.low):
        return number(estimate.value)
    return f"{number(estimate.value)} {interval(estimate)}"


def interval(estimate: Estimate) -> str:
    """'[.590, .634]', or nothing."""
    if np.isnan(estimate.low):
        return ""
    return f"[{number(estimate.low)}, {number(estimate.high)}]"


def p_value(p: float) -> str:
    """'<.0001', '.0123', or nothing where there is no test."""
    if np.isnan(p):
        return ""
    return "<.0001" if p < 0.0001 else f"{p:.4f}".removeprefix("0")


def _in_full(report: AgreementReport) -> Sequence[Pair]:
    """Pairs with tables of their own: all, or those with the mean of the reference, if few."""
    with_mean = [pair for pair in report.pairs if pair.first == MEAN]
    for pairs in (report.pairs, with_mean):
        if len(pairs) <= _IN_FULL:
            return pairs
    return ()


def _raters(report: AgreementReport) -> Grid:
    """The marginals: without them a kappa cannot be read."""
    sheet, scale = report.sheet, report.categories or ()
    lines: list[tuple[str, ...]] = []
    for name, grades in zip(sheet.raters, sheet.grades.T, strict=True):
        there = ~np.isnan(grades)
        own, n = grades[there], int(there.sum())
        if not n:
            lines.append((name, "0", str(len(grades))))
            continue
        weights = (np.ones(len(grades)) if sheet.weights is None else sheet.weights)[there]
        weights = weights / weights.sum()
        mean = float(weights @ own)
        spread = f"{np.sqrt(weights @ (own - mean) ** 2 * n / (n - 1)):.2f}" if n > 1 else ""
        places = places_on(own, scale).astype(int) if scale else np.zeros(n, dtype=int)
        shares = np.bincount(places, weights, len(scale))[: len(scale)]
        lines.append(
            (name, str(n), str(len(grades) - n), f"{mean:.2f}", spread, *map(number, shares))
        )
    what = "answers" if sheet.systems else "items"
    title = f"Grades by {len(sheet.raters)} raters on {len(sheet.items)} {what}"
    head = ("Rater", "Graded", "Missing", "Mean", "SD", *(f"{c:g}" for c in scale))
    return Grid(title, head, tuple(lines), tuple(_raters_notes(report)))


def _raters_notes(report: AgreementReport) -> Iterator[str]:
    yield from _scale_notes(report)
    weights = report.sheet.weights
    if weights is not None:
        yield (
            f"Weighted: a grade counts for the {weights.min():.3g} to {weights.max():.3g} answers"
            " that its answer stands for, in means and shares, kappa, correlations, exact"
            " agreement and the means of systems. Counts, confusion matrices, α, ICC, p of a pair"
            f" and what is within {_together(report)} are of the graded alone, without weights."
        )
    if len(report.reference) > 1:
        yield f"{MEAN.capitalize()}: of {', '.join(report.reference)}, where they graded the item."
    scale = report.categories
    if scale is not None and scale[-1] - scale[0] <= report.gap:
        yield f"No two grades of this scale are more than {report.gap:g} apart: set --gap."
    elif not report.apart:
        yield f"No item has grades more than {report.gap:g} apart."


def _scale_notes(report: AgreementReport) -> Iterator[str]:
    if report.categories is None:
        yield (
            "Grades are not whole numbers, or too many: without --scale there is no kappa, no exact"
            " agreement and no confusion matrix."
        )
        return
    scale = ", ".join(f"{category:g}" for category in report.categories)
    origin = "; whole numbers from the lowest grade to the highest" if report.inferred else ""
    yield f"Scale: {scale}{origin}. Shares of the categories are of a rater's own grades."
    there = report.sheet.grades[~np.isnan(report.sheet.grades)]
    between = int((~np.isin(there, report.categories)).sum())
    if between:
        yield (
            f"{between} grades stand between categories: for kappa, exact agreement and the"
            " confusion matrix they count as the nearest, halves up."
        )


def _group(group: Group, report: AgreementReport) -> Grid:
    found = estimates(group)
    counts = dict.fromkeys(found, group.items)
    counts.update(icc_single=group.icc.n, icc_average=group.icc.n)
    names = ", ".join(group.raters)
    plain = found.keys() - WEIGHTED if report.weighted else set()
    lines = (f"{group.items} items have two grades or more, {group.single} have one, "
             f"{group.none} have none. ICC: the {group.icc.n} items that all graded "
             f"({group.icc.incomplete} left out).")  # fmt: skip
    return Grid(
        f"Agreement of {group.name}: {names}",
        ("Statistic", "Value", "95 % interval", "p", "n"),
        tuple(
            _line(name, e, counts[name], " (unweighted)" if name in plain else "")
            for name, e in found.items()
        ),
        (
            lines,
            "p: grades shuffled within raters (α), F test (ICC)"
            + ("; both take answers as independent." if report.sheet.together else "."),
            *_reasons(found),
        ),
    )


def _pair(pair: Pair, report: AgreementReport) -> Grid:
    sample = pair.sample
    lines = [_line(name, sample.estimates[name], sample.n) for name in STATISTICS]
    only_second, only_first, neither = sample.missing
    notes = [
        f"Missing: {only_first} without a grade by {pair.second}, {only_second} by {pair.first},"
        f" {neither} by either."
    ]
    if report.weighted:
        notes.append("Values and intervals are weighted; p and n are not.")
    if sample.rounded:
        notes.append(f"{sample.rounded} pairs have a grade between categories: the nearest counts.")
    if sample.confusion is not None:
        notes.append(
            f"Exact agreement by chance, given how often each uses each grade:"
            f" {number(sample.exact_by_chance)}."
        )
    if report.sheet.together:
        notes.append(
            f"Intervals: {_together(report)} are resampled with all their answers. p takes answers"
            " as independent."
        )
    notes += _reasons(sample.estimates)
    title = f"{pair.first} and {pair.second}"
    return Grid(
        title, ("Statistic", "Value", "95 % interval", "p", "n"), tuple(lines), tuple(notes)
    )


def _overview(report: AgreementReport) -> Grid:
    lines = []
    for pair in report.pairs:
        cells = []
        for name in _IN_OVERVIEW:
            estimate = pair.sample.estimates[name]
            cells.append(shown(estimate) + (NOT_SHOWN if estimate.p >= 0.05 else ""))
        lines.append(
            (f"{pair.first} / {pair.second}", str(pair.sample.n), str(missing(pair)), *cells)
        )
    head = ("Pair", "n", "Missing", *(TITLES[name] for name in _IN_OVERVIEW))
    notes = (
        f"[95 % interval]; {NOT_SHOWN} p ≥ .05. All statistics, p values and confusion matrices:"
        " --out DIR.",
    )
    return Grid("Pairs of raters", head, tuple(lines), notes)


def _confusion(pair: Pair) -> Grid:
    counts, scale = pair.sample.confusion, pair.sample.categories
    assert counts is not None and scale is not None  # noqa: S101
    lines = [
        (f"{category:g}", *(f"{cell:.0f}" for cell in row), f"{row.sum():.0f}")
        for category, row in zip(scale, counts, strict=True)
    ]
    lines.append(("sum", *(f"{cell:.0f}" for cell in counts.sum(axis=0)), f"{counts.sum():.0f}"))
    head = ("", *(f"{category:g}" for category in scale), "sum")
    title = f"Confusion: rows {pair.first}, columns {pair.second}"
    return Grid(title, head, tuple(lines))


def _systems(pair: Pair, report: AgreementReport) -> Grid:
    by_system, within, used = pair.by_system or {}, pair.within or {}, pair.used or {}
    lines = tuple(
        (
            TITLES[name], shown(by_system[name]), p_value(by_system[name].p),
            shown(within[name]), p_value(within[name].p), str(used[name]),
        )
        for name in by_system
    )  # fmt: skip
    where = _together(report)
    weighted = "weighted " if report.weighted else ""
    notes = [
        f"Over systems: correlation of the {weighted}mean grades of {pair.systems} systems; p from"
        f" their orders. Within {where}: mean of the correlations over the answers of each; where a"
        " rater's grades are all equal there is none."
    ]
    notes += _reasons(by_system) + _reasons(within)
    head = ("Statistic", "Over systems", "p", f"Within {where}", "p", where.capitalize())
    return Grid(f"{pair.first} and {pair.second}, by system", head, lines, tuple(notes))


def _together(report: AgreementReport) -> str:
    """What the answers that go together share."""
    return "clusters" if report.sheet.clusters else "items"


def _disagreements(report: AgreementReport) -> Grid:
    sheet = report.sheet.only(report.annotators)
    lines = []
    for found in report.apart[:_LISTED]:
        item = sheet.items[found.row]
        name = f"{item} / {sheet.systems[found.row]}" if sheet.systems else item
        grades = ("" if np.isnan(g) else f"{g:g}" for g in sheet.grades[found.row])
        lines.append((name, f"{found.gap:g}", *grades))
    notes = []
    if len(report.apart) > _LISTED:
        notes.append(f"The widest {_LISTED} of {len(report.apart)}; all of them: --out DIR.")
    title = f"More than {report.gap:g} apart, for consensus: {len(report.apart)}"
    return Grid(title, ("Item", "Gap", *sheet.raters), tuple(lines), tuple(notes))


def _line(name: str, estimate: Estimate, n: int, mark: str = "") -> tuple[str, ...]:
    value = "-" if np.isnan(estimate.value) else number(estimate.value)
    return (TITLES[name] + mark, value, interval(estimate), p_value(estimate.p), str(n))


def _reasons(found: Mapping[str, Estimate]) -> list[str]:
    """Why a value or an interval is not there; statistics with the same reason in one line."""
    reasons: dict[str, list[str]] = {}
    for name, estimate in found.items():
        if estimate.reason:
            reasons.setdefault(estimate.reason, []).append(TITLES[name])
    return [f"{'; '.join(names)}: {reason}." for reason, names in reasons.items()]

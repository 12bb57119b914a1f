"""What a report of agreement says on the terminal and in Markdown."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from benchkit.report.agreement.measurement import (
    REFERENCE_MEAN,
    AgreementReport,
    RaterGroup,
    RaterPair,
)
from benchkit.report.core.labels import format_rate
from benchkit.report.core.text_table import TextTable
from benchkit.stats.agreement.contingency import AgreementEstimate
from benchkit.stats.agreement.rating_scale import nearest_category
from benchkit.stats.agreement.two_raters import PAIR_STATISTICS

AGREEMENT_TITLES = {
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
WEIGHTED_STATISTICS = {"mean_kappa"}  # of a group; alpha and ICC have no weights
NOT_SIGNIFICANT_MARK = "°"
_IN_FULL = 3  # pairs that each get a table of their own
_LISTED = 10  # disagreements
_IN_OVERVIEW = ("kappa", "spearman", "pearson", "exact")


def agreement_tables(report: AgreementReport) -> Iterator[TextTable]:
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
        if pair.item_level.confusion is not None:
            yield _confusion(pair)
        if pair.system_level is not None:
            yield _systems(pair, report)
    if report.disagreements:
        yield _disagreements(report)


def count_missing(pair: RaterPair) -> int:
    """Items that at least one of the two did not grade."""
    return sum(pair.item_level.missing)


def group_estimates(group: RaterGroup) -> dict[str, AgreementEstimate]:
    """What there is of a group, by the names of `TITLES`."""
    icc = {"icc_single": group.icc.single, "icc_average": group.icc.average}
    kappa = {} if group.kappa is None else {"mean_kappa": group.kappa}
    return {**group.alphas, **icc, **kappa}


def format_estimate(estimate: AgreementEstimate) -> str:
    """'.612 [.590, .634]', without an interval where there is none, '-' where undefined."""
    if np.isnan(estimate.value):
        return "-"
    if np.isnan(estimate.low):
        return format_rate(estimate.value)
    return f"{format_rate(estimate.value)} {format_interval(estimate)}"


def format_interval(estimate: AgreementEstimate) -> str:
    """'[.590, .634]', or nothing."""
    if np.isnan(estimate.low):
        return ""
    return f"[{format_rate(estimate.low)}, {format_rate(estimate.high)}]"


def format_agreement_p_value(p: float) -> str:
    """'<.0001', '.0123', or nothing where there is no test."""
    if np.isnan(p):
        return ""
    return "<.0001" if p < 0.0001 else f"{p:.4f}".removeprefix("0")


def _in_full(report: AgreementReport) -> Sequence[RaterPair]:
    """Pairs with tables of their own: all, or those with the mean of the reference, if few."""
    with_mean = [pair for pair in report.pairs if pair.first == REFERENCE_MEAN]
    for pairs in (report.pairs, with_mean):
        if len(pairs) <= _IN_FULL:
            return pairs
    return ()


def _raters(report: AgreementReport) -> TextTable:
    """The marginals: without them a kappa cannot be read."""
    ratings, scale = report.ratings, report.categories or ()
    lines: list[tuple[str, ...]] = []
    for name, grades in zip(ratings.raters, ratings.grades.T, strict=True):
        is_graded = ~np.isnan(grades)
        values, n = grades[is_graded], int(is_graded.sum())
        if not n:
            lines.append((name, "0", str(len(grades))))
            continue
        weights = (np.ones(len(grades)) if ratings.weights is None else ratings.weights)[is_graded]
        weights = weights / weights.sum()
        mean = float(weights @ values)
        spread = f"{np.sqrt(weights @ (values - mean) ** 2 * n / (n - 1)):.2f}" if n > 1 else ""
        places = nearest_category(values, scale).astype(int) if scale else np.zeros(n, dtype=int)
        shares = np.bincount(places, weights, len(scale))[: len(scale)]
        lines.append(
            (name, str(n), str(len(grades) - n), f"{mean:.2f}", spread, *map(format_rate, shares))
        )
    what = "answers" if ratings.systems else "items"
    title = f"Grades by {len(ratings.raters)} raters on {len(ratings.items)} {what}"
    head = ("Rater", "Graded", "Missing", "Mean", "SD", *(f"{c:g}" for c in scale))
    return TextTable(title, head, tuple(lines), tuple(_raters_notes(report)))


def _raters_notes(report: AgreementReport) -> Iterator[str]:
    yield from _scale_notes(report)
    weights = report.ratings.weights
    if weights is not None:
        yield (
            f"Weighted: a grade counts for the {weights.min():.3g} to {weights.max():.3g} answers"
            " that its answer stands for, in means and shares, kappa, correlations, exact"
            " agreement and the means of systems. Counts, confusion matrices, α, ICC, p of a pair"
            f" and what is within {_together(report)} are of the graded alone, without weights."
        )
    if len(report.reference) > 1:
        yield f"{REFERENCE_MEAN.capitalize()}: of {', '.join(report.reference)}, where they graded the item."
    scale = report.categories
    if scale is not None and scale[-1] - scale[0] <= report.gap:
        yield f"No two grades of this scale are more than {report.gap:g} apart: set --gap."
    elif not report.disagreements:
        yield f"No item has grades more than {report.gap:g} apart."


def _scale_notes(report: AgreementReport) -> Iterator[str]:
    if report.categories is None:
        yield (
            "Grades are not whole numbers, or too many: without --scale there is no kappa, no exact"
            " agreement and no confusion matrix."
        )
        return
    scale = ", ".join(f"{category:g}" for category in report.categories)
    origin = "; whole numbers from the lowest grade to the highest" if report.scale_inferred else ""
    yield f"Scale: {scale}{origin}. Shares of the categories are of a rater's own grades."
    grades = report.ratings.grades[~np.isnan(report.ratings.grades)]
    between = int((~np.isin(grades, report.categories)).sum())
    if between:
        yield (
            f"{between} grades stand between categories: for kappa, exact agreement and the"
            " confusion matrix they count as the nearest, halves up."
        )


def _group(group: RaterGroup, report: AgreementReport) -> TextTable:
    estimates = group_estimates(group)
    counts = dict.fromkeys(estimates, group.n_items)
    counts.update(icc_single=group.icc.n, icc_average=group.icc.n)
    names = ", ".join(group.raters)
    plain = estimates.keys() - WEIGHTED_STATISTICS if report.weighted else set()
    lines = (f"{group.n_items} items have two grades or more, {group.n_single} have one, "
             f"{group.n_ungraded} have none. ICC: the {group.icc.n} items that all graded "
             f"({group.icc.incomplete} left out).")  # fmt: skip
    return TextTable(
        f"Agreement of {group.name}: {names}",
        ("Statistic", "Value", "95 % interval", "p", "n"),
        tuple(
            _line(name, e, counts[name], " (unweighted)" if name in plain else "")
            for name, e in estimates.items()
        ),
        (
            lines,
            "p: grades shuffled within raters (α), F test (ICC)"
            + ("; both take answers as independent." if report.ratings.resampling_units else "."),
            *_reasons(estimates),
        ),
    )


def _pair(pair: RaterPair, report: AgreementReport) -> TextTable:
    sample = pair.item_level
    lines = [_line(name, sample.estimates[name], sample.n) for name in PAIR_STATISTICS]
    only_second, only_first, neither = sample.missing
    notes = [
        f"Missing: {only_first} without a grade by {pair.second}, {only_second} by {pair.first},"
        f" {neither} by either."
    ]
    if report.weighted:
        notes.append("Values and intervals are weighted; p and n are not.")
    if sample.n_rounded:
        notes.append(
            f"{sample.n_rounded} pairs have a grade between categories: the nearest counts."
        )
    if sample.confusion is not None:
        notes.append(
            f"Exact agreement by chance, given how often each uses each grade:"
            f" {format_rate(sample.exact_by_chance)}."
        )
    if report.ratings.resampling_units:
        notes.append(
            f"Intervals: {_together(report)} are resampled with all their answers. p takes answers"
            " as independent."
        )
    notes += _reasons(sample.estimates)
    title = f"{pair.first} and {pair.second}"
    return TextTable(
        title, ("Statistic", "Value", "95 % interval", "p", "n"), tuple(lines), tuple(notes)
    )


def _overview(report: AgreementReport) -> TextTable:
    lines = []
    for pair in report.pairs:
        cells = []
        for name in _IN_OVERVIEW:
            estimate = pair.item_level.estimates[name]
            cells.append(
                format_estimate(estimate) + (NOT_SIGNIFICANT_MARK if estimate.p >= 0.05 else "")
            )
        lines.append(
            (
                f"{pair.first} / {pair.second}",
                str(pair.item_level.n),
                str(count_missing(pair)),
                *cells,
            )
        )
    head = ("Pair", "n", "Missing", *(AGREEMENT_TITLES[name] for name in _IN_OVERVIEW))
    notes = (
        f"[95 % interval]; {NOT_SIGNIFICANT_MARK} p ≥ .05. All statistics, p values and confusion matrices:"
        " --out DIR.",
    )
    return TextTable("Pairs of raters", head, tuple(lines), notes)


def _confusion(pair: RaterPair) -> TextTable:
    counts, scale = pair.item_level.confusion, pair.item_level.categories
    assert counts is not None and scale is not None  # noqa: S101
    lines = [
        (f"{category:g}", *(f"{cell:.0f}" for cell in row), f"{row.sum():.0f}")
        for category, row in zip(scale, counts, strict=True)
    ]
    lines.append(("sum", *(f"{cell:.0f}" for cell in counts.sum(axis=0)), f"{counts.sum():.0f}"))
    head = ("", *(f"{category:g}" for category in scale), "sum")
    title = f"Confusion: rows {pair.first}, columns {pair.second}"
    return TextTable(title, head, tuple(lines))


def _systems(pair: RaterPair, report: AgreementReport) -> TextTable:
    by_system, within, used = (
        pair.system_level or {},
        pair.within_item or {},
        pair.within_item_counts or {},
    )
    lines = tuple(
        (
            AGREEMENT_TITLES[name], format_estimate(by_system[name]), format_agreement_p_value(by_system[name].p),
            format_estimate(within[name]), format_agreement_p_value(within[name].p), str(used[name]),
        )
        for name in by_system
    )  # fmt: skip
    where = _together(report)
    weighted = "weighted " if report.weighted else ""
    notes = [
        f"Over systems: correlation of the {weighted}mean grades of {pair.n_systems} systems; p from"
        f" their orders. Within {where}: mean of the correlations over the answers of each; where a"
        " rater's grades are all equal there is none."
    ]
    notes += _reasons(by_system) + _reasons(within)
    head = ("Statistic", "Over systems", "p", f"Within {where}", "p", where.capitalize())
    return TextTable(f"{pair.first} and {pair.second}, by system", head, lines, tuple(notes))


def _together(report: AgreementReport) -> str:
    """What the answers that go together share."""
    return "clusters" if report.ratings.clusters else "items"


def _disagreements(report: AgreementReport) -> TextTable:
    ratings = report.ratings.select_raters(report.annotators)
    lines = []
    for disagreement in report.disagreements[:_LISTED]:
        item = ratings.items[disagreement.row]
        name = f"{item} / {ratings.systems[disagreement.row]}" if ratings.systems else item
        grades = ("" if np.isnan(g) else f"{g:g}" for g in ratings.grades[disagreement.row])
        lines.append((name, f"{disagreement.gap:g}", *grades))
    notes = []
    if len(report.disagreements) > _LISTED:
        notes.append(
            f"The widest {_LISTED} of {len(report.disagreements)}; all of them: --out DIR."
        )
    title = f"More than {report.gap:g} apart, for consensus: {len(report.disagreements)}"
    return TextTable(title, ("Item", "Gap", *ratings.raters), tuple(lines), tuple(notes))


def _line(name: str, estimate: AgreementEstimate, n: int, mark: str = "") -> tuple[str, ...]:
    value = "-" if np.isnan(estimate.value) else format_rate(estimate.value)
    return (
        AGREEMENT_TITLES[name] + mark,
        value,
        format_interval(estimate),
        format_agreement_p_value(estimate.p),
        str(n),
    )


def _reasons(estimates: Mapping[str, AgreementEstimate]) -> list[str]:
    """Why a value or an interval is not there; statistics with the same reason in one line."""
    reasons: dict[str, list[str]] = {}
    for name, estimate in estimates.items():
        if estimate.reason:
            reasons.setdefault(estimate.reason, []).append(AGREEMENT_TITLES[name])
    return [f"{'; '.join(names)}: {reason}." for reason, names in reasons.items()]

"""A report of agreement as tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchkit.count_text import count_text
from benchkit.data.dataset_statistics import mark_synthetic
from benchkit.report.agreement.disagreements_table import disagreements_table
from benchkit.report.agreement.measurement import (
    REFERENCE_MEAN,
    AgreementReport,
    RaterGroup,
    RaterPair,
)
from benchkit.report.agreement.scale_checks import describe_missing_scale
from benchkit.report.core.cell import SIGNIFICANCE_LEVEL
from benchkit.report.core.labels import format_mean, format_p_value, format_rate
from benchkit.report.core.text_table import TextCell, TextTable
from benchkit.stats.agreement.contingency import AgreementEstimate, effective_number
from benchkit.stats.agreement.rating_scale import nearest_category
from benchkit.stats.agreement.synthetic_raters import SYNTHETIC
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
_MAX_FULL_PAIRS = 3  # pairs that each get a table of their own
_OVERVIEW_STATISTICS = ("kappa", "spearman", "pearson", "exact")
_HEADER = ("Statistic", "Value [95 % interval]", "p", "n")


def agreement_tables(report: AgreementReport) -> Iterator[TextTable]:
    """Yield raters and their marginals, groups, pairs, confusions, systems and disagreements.

    Every title says SYNTHETIC where the grades of a rater are generated.
    """
    is_synthetic = any(SYNTHETIC in name for name in report.ratings.raters)
    for table in _tables(report):
        if is_synthetic and SYNTHETIC not in table.title:
            yield replace(table, title=mark_synthetic(table.title))
        else:
            yield table


def _tables(report: AgreementReport) -> Iterator[TextTable]:
    yield _raters(report)
    for group in report.groups:
        if len(group.raters) > 2 or len(report.groups) == 1:
            yield _group(group, report)
    full_pairs = _full_pairs(report)
    if len(report.pairs) > len(full_pairs):
        yield _overview(report)
    for pair in full_pairs:
        yield _pair(pair, report)
        if table := confusion_table(pair):
            yield table
        if pair.system_level is not None:
            yield _systems(pair, report)
    if report.disagreements:
        yield disagreements_table(report)


def count_missing(pair: RaterPair) -> int:
    """Return the number of items that at least one of the two did not grade."""
    return sum(pair.item_level.missing)


def group_estimates(group: RaterGroup) -> dict[str, AgreementEstimate]:
    """Return the statistics of a group by the names of `AGREEMENT_TITLES`."""
    icc = {"icc_single": group.icc.single, "icc_average": group.icc.average}
    kappa = {} if group.kappa is None else {"mean_kappa": group.kappa}
    return {**group.alphas, **icc, **kappa}


def format_estimate(estimate: AgreementEstimate) -> str:
    """Return '.612 [.590, .634]', without an interval where there is none, '-' where undefined."""
    if np.isnan(estimate.value):
        return "-"
    return format_mean(estimate.value, estimate.low, estimate.high)


def missing_reasons(estimates: Mapping[str, AgreementEstimate]) -> list[str]:
    """Return why values or intervals are missing; statistics with the same reason share a line."""
    titles_by_reason: dict[str, list[str]] = {}
    for name, estimate in estimates.items():
        if estimate.reason:
            titles_by_reason.setdefault(estimate.reason, []).append(AGREEMENT_TITLES[name])
    return [f"{'; '.join(titles)}: {reason}." for reason, titles in titles_by_reason.items()]


def confusion_table(pair: RaterPair) -> TextTable | None:
    """Return how often the two gave each pair of grades, with sums; None without categories."""
    counts, scale = pair.item_level.confusion, pair.item_level.categories
    if counts is None or scale is None:
        return None
    names = [*(f"{category:g}" for category in scale), "sum"]
    whole = np.vstack([counts, counts.sum(axis=0)])
    whole = np.column_stack([whole, whole.sum(axis=1)]).astype(int)
    rows = tuple((name, *map(str, row)) for name, row in zip(names, whole.tolist(), strict=True))
    return TextTable(f"Confusion: rows {pair.first}, columns {pair.second}", ("", *names), rows)


def _full_pairs(report: AgreementReport) -> Sequence[RaterPair]:
    """Return the pairs with tables of their own: all, or those with the reference mean, if few."""
    with_mean = [pair for pair in report.pairs if pair.first == REFERENCE_MEAN]
    for pairs in (report.pairs, with_mean):
        if len(pairs) <= _MAX_FULL_PAIRS:
            return pairs
    return ()


def _raters(report: AgreementReport) -> TextTable:
    """Return the marginals, without which a kappa cannot be interpreted."""
    ratings, scale = report.ratings, report.categories or ()
    rows: list[tuple[str, ...]] = []
    for name, grades in zip(ratings.raters, ratings.grades.T, strict=True):
        is_graded = ~np.isnan(grades)
        values, n = grades[is_graded], int(is_graded.sum())
        if not n:
            rows.append((name, "0", str(len(grades))))
            continue
        weights = (np.ones(len(grades)) if ratings.weights is None else ratings.weights)[is_graded]
        weights = weights / weights.sum()
        mean = float(weights @ values)
        spread = f"{np.sqrt(weights @ (values - mean) ** 2 * n / (n - 1)):.2f}" if n > 1 else ""
        places = nearest_category(values, scale).astype(int) if scale else np.zeros(n, dtype=int)
        shares = np.bincount(places, weights, len(scale))[: len(scale)]
        counts = str(n), str(len(grades) - n)
        rows.append((name, *counts, f"{mean:.2f}", spread, *map(format_rate, shares)))
    what = count_text(len(ratings.items), "answer" if ratings.systems else "item")
    title = f"Grades by {count_text(len(ratings.raters), 'rater')} on {what}"
    header = ("Rater", "Graded", "Missing", "Mean", "SD", *(f"{c:g}" for c in scale))
    return TextTable(title, header, tuple(rows), tuple(_raters_notes(report)))


def _raters_notes(report: AgreementReport) -> Iterator[str]:
    yield from report.caveats
    yield from _scale_notes(report)
    weights = report.ratings.weights
    if weights is not None:
        yield (
            f"Weighted: each grade counts for the {weights.min():.3g} to {weights.max():.3g}"
            " answers that its answer represents, in means and shares, kappa, correlations, exact"
            " agreement and the means of systems. Counts, confusion matrices, α, ICC, p of a pair"
            f" and correlations within {_units(report)} are unweighted. With weights the"
            f" answers say as much as {effective_number(weights):.0f} of equal weights (Kish)."
        )
    if report.n_pairs_left_out:
        yield (
            f"Not compared one by one, as --pairs all does:"
            f" {count_text(report.n_pairs_left_out, 'pair')} of raters."
        )
    if len(report.reference) > 1:
        raters = ", ".join(report.reference)
        yield f"{REFERENCE_MEAN.capitalize()}: of {raters}, where they graded the item."
    scale = report.categories
    if not report.common_scale:
        return
    if scale is not None and scale[-1] - scale[0] <= report.gap:
        yield f"No two grades of this scale are more than {report.gap:g} apart: set --gap."
    elif not report.disagreements:
        yield f"No item has grades more than {report.gap:g} apart."


def _scale_notes(report: AgreementReport) -> Iterator[str]:
    if not report.common_scale:
        yield "Raters have no common scale (--scale none): pairs have correlations alone."
        return
    if report.categories is None:
        yield (
            f"{describe_missing_scale(report.ratings)}: without --scale there is no kappa, no exact"
            " agreement and no confusion matrix."
        )
        return
    scale = ", ".join(f"{category:g}" for category in report.categories)
    origin = "; whole numbers from the lowest grade to the highest" if report.scale_inferred else ""
    yield f"Scale: {scale}{origin}. Shares of the categories are of a rater's own grades."
    grades = report.ratings.grades[~np.isnan(report.ratings.grades)]
    n_between = int((~np.isin(grades, report.categories)).sum())
    if n_between:
        yield (
            f"Between categories: {count_text(n_between, 'grade')}. For kappa, exact agreement and"
            " the confusion matrix the nearest category counts, halves up."
        )


def _group(group: RaterGroup, report: AgreementReport) -> TextTable:
    estimates = group_estimates(group)
    counts = dict.fromkeys(estimates, group.n_items)
    counts.update(icc_single=group.icc.n, icc_average=group.icc.n)
    unweighted = estimates.keys() - WEIGHTED_STATISTICS if report.weighted else set()
    rows = tuple(
        _estimate_row(name, e, counts[name], " (unweighted)" if name in unweighted else "")
        for name, e in estimates.items()
    )
    notes = (
        f"Items with two grades or more: {group.n_items}, with one: {group.n_single}, with none:"
        f" {group.n_ungraded}. ICC: the {count_text(group.icc.n, 'item')} that all graded"
        f" ({group.icc.incomplete} left out).",
        "p: grades shuffled within raters (α), F test (ICC)"
        + ("; both treat answers as independent." if report.ratings.resampling_units else "."),
        *missing_reasons(estimates),
    )
    title = f"Agreement of {group.name}: {', '.join(group.raters)}"
    return TextTable(title, _HEADER, rows, notes)


def _pair(pair: RaterPair, report: AgreementReport) -> TextTable:
    sample = pair.item_level
    rows = tuple(_estimate_row(name, sample.estimates[name], sample.n) for name in PAIR_STATISTICS)
    only_second, only_first, neither = sample.missing
    notes = [
        f"Missing: {only_first} without a grade by {pair.second}, {only_second} by {pair.first},"
        f" {neither} by either."
    ]
    if report.weighted:
        notes.append("Values and intervals are weighted; p and n are not.")
    if sample.n_rounded:
        notes.append(
            f"Pairs with a grade between categories, of which the nearest counts:"
            f" {sample.n_rounded}."
        )
    if sample.confusion is not None:
        notes.append(
            "Exact agreement by chance, given how often each uses each grade:"
            f" {format_rate(sample.exact_by_chance)}."
        )
    if report.ratings.resampling_units:
        notes.append(
            f"Intervals: {_units(report)} are resampled with all their answers. p treats answers"
            " as independent."
        )
    notes += missing_reasons(sample.estimates)
    return TextTable(f"{pair.first} and {pair.second}", _HEADER, rows, tuple(notes))


def _overview(report: AgreementReport) -> TextTable:
    rows: list[tuple[str | TextCell, ...]] = []
    for pair in report.pairs:
        cells = []
        for name in _OVERVIEW_STATISTICS:
            estimate = pair.item_level.estimates[name]
            marks = (NOT_SIGNIFICANT_MARK,) * (estimate.p >= SIGNIFICANCE_LEVEL)
            cells.append(TextCell(format_estimate(estimate), marks=marks))
        names = f"{pair.first} / {pair.second}"
        rows.append((names, str(pair.item_level.n), str(count_missing(pair)), *cells))
    header = ("Pair", "n", "Missing", *(AGREEMENT_TITLES[name] for name in _OVERVIEW_STATISTICS))
    notes = (
        f"[95 % interval]; {NOT_SIGNIFICANT_MARK} p ≥ .05. --out DIR writes all statistics, p"
        " values and confusion matrices.",
    )
    return TextTable("Pairs of raters", header, tuple(rows), notes)


def _systems(pair: RaterPair, report: AgreementReport) -> TextTable:
    by_system, within = pair.system_level or {}, pair.within_item or {}
    used = pair.within_item_counts or {}
    rows = tuple(
        (
            AGREEMENT_TITLES[name],
            format_estimate(by_system[name]),
            format_p_value(by_system[name].p),
            format_estimate(within[name]),
            format_p_value(within[name].p),
            str(used[name]),
        )
        for name in by_system
    )
    units, weighted = _questions(report), "weighted " if report.weighted else ""
    notes = [
        f"Over systems: correlation of the {weighted}mean grades of"
        f" {count_text(pair.n_systems, 'system')}; p by"
        f" permuting the systems. Within {units}: mean of the correlations over the answers of"
        " each; none where all grades of a rater are equal.",
        *missing_reasons(by_system),
        *missing_reasons(within),
    ]
    header = ("Statistic", "Over systems", "p", f"Within {units}", "p", units.capitalize())
    title = f"{pair.first} and {pair.second}, by system"
    return TextTable(title, header, rows, tuple(notes))


def _units(report: AgreementReport) -> str:
    """Return what answers are grouped by."""
    return "clusters" if report.ratings.clusters else "items"


def _questions(report: AgreementReport) -> str:
    """Return what several systems answered."""
    return "cases" if report.ratings.cases else _units(report)


def _estimate_row(
    name: str, estimate: AgreementEstimate, n: int, suffix: str = ""
) -> tuple[str, ...]:
    title = AGREEMENT_TITLES[name] + suffix
    return title, format_estimate(estimate), format_p_value(estimate.p), str(n)

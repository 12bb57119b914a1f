"""Reports of agreement as CSV, as JSON and as a folder."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchkit import io
from benchkit.report.agreement.measurement import AgreementReport, RaterPair
from benchkit.report.agreement.tables import (
    WEIGHTED_STATISTICS,
    confusion_table,
    count_missing,
    group_estimates,
)
from benchkit.report.core.file_names import unique_stems
from benchkit.report.core.json_text import finite
from benchkit.report.core.text_table import csv_text
from benchkit.stats.agreement.contingency import AgreementEstimate

AGREEMENT_CSV_COLUMNS = (
    "level", "first", "second", "statistic", "value", "low", "high", "p", "n", "missing",
    "weighted", "reason",
)  # fmt: skip


def agreement_csv(report: AgreementReport) -> str:
    """Return the statistics of a report as CSV, one a line (`agreement_records`)."""
    return csv_text(AGREEMENT_CSV_COLUMNS, agreement_records(report), _short_number)


def agreement_json(report: AgreementReport) -> dict[str, Any]:
    """Return everything that a report holds; undefined numbers are None."""
    ratings = report.ratings
    return {
        "raters": list(ratings.raters),
        "reference": list(report.reference),
        "items": len(ratings.items),
        "categories": None if report.categories is None else list(report.categories),
        "categories_inferred": report.scale_inferred,
        "common_scale": report.common_scale,
        "caveats": list(report.caveats),
        "pairs_left_out": report.n_pairs_left_out,
        "statistics": [finite(record) for record in agreement_records(report)],
        "confusions": [
            {
                "first": pair.first,
                "second": pair.second,
                "counts": pair.item_level.confusion.astype(int).tolist(),
                "exact_by_chance": pair.item_level.exact_by_chance,
                "between_categories": pair.item_level.n_rounded,
            }
            for pair in report.pairs
            if pair.item_level.confusion is not None
        ],
        "gap": report.gap if report.common_scale else None,
        "disagreements": [
            finite(dict(zip(_disagreement_columns(report), row, strict=True)))
            for row in _disagreements(report)
        ],
    }


def agreement_records(report: AgreementReport) -> Iterator[dict[str, Any]]:
    """Yield the statistics of a report by the names of `AGREEMENT_CSV_COLUMNS`.

    `level` is sample, system or within-item for pairs, and group for several raters. `n` counts
    items (systems at that level), `missing` those that lack a grade. `weighted` is about value and
    interval; the p of a sample never is.
    """
    weighted = report.weighted
    for group in report.groups:
        estimates = group_estimates(group)
        counts = dict.fromkeys(estimates, (group.n_items, group.n_single + group.n_ungraded))
        counts |= dict.fromkeys(("icc_single", "icc_average"), (group.icc.n, group.icc.incomplete))
        key = ("group", " + ".join(group.raters), "")
        yield from _records(key, estimates, counts, WEIGHTED_STATISTICS if weighted else ())
    for pair in report.pairs:
        names, sample = (pair.first, pair.second), pair.item_level
        n = dict.fromkeys(sample.estimates, (sample.n, count_missing(pair)))
        yield from _records(("sample", *names), sample.estimates, n, n if weighted else ())
        if pair.system_level is None or pair.within_item is None or pair.within_item_counts is None:
            continue
        absent = len(set(report.ratings.systems or ())) - pair.n_systems
        n = dict.fromkeys(pair.system_level, (pair.n_systems, absent))
        yield from _records(("system", *names), pair.system_level, n, n if weighted else ())
        items = len(set(report.ratings.resampling_units or ()))
        used = {name: (count, items - count) for name, count in pair.within_item_counts.items()}
        yield from _records(("within-item", *names), pair.within_item, used)


def write_agreement(report: AgreementReport, folder: Path) -> list[Path]:
    """Write agreement.csv, disagreements.csv and confusion_<a>_<b>.csv; return their paths."""
    texts = {
        "agreement": agreement_csv(report),
        "disagreements": csv_text(
            _disagreement_columns(report), _disagreements(report), _short_number
        ),
    }
    for pair, name in confusion_file_names(report.pairs):
        if table := confusion_table(pair):
            header = [f"{pair.first} \\ {pair.second}", *table.header[1:]]
            texts[name] = csv_text(header, (row for row in table.rows if isinstance(row, tuple)))
    for name, text in texts.items():
        io.write_text(folder / f"{name}.csv", text)
    return [folder / f"{name}.csv" for name in texts]


def confusion_file_names(pairs: Sequence[RaterPair]) -> Iterator[tuple[RaterPair, str]]:
    """Yield each pair with the stem of its confusion files, which no other pair has."""
    return zip(pairs, unique_stems(("confusion", p.first, p.second) for p in pairs), strict=True)


def _records(
    key: tuple[str, str, str],
    estimates: Mapping[str, AgreementEstimate],
    counts: Mapping[str, tuple[int, int]],
    weighted: Collection[str] = (),
) -> Iterator[dict[str, Any]]:
    for name, estimate in estimates.items():
        n, absent = counts[name]
        start = dict(zip(AGREEMENT_CSV_COLUMNS, (*key, name), strict=False))
        end = {"n": n, "missing": absent, "weighted": name in weighted}
        yield {**start, **asdict(estimate), **end}


def _disagreement_columns(report: AgreementReport) -> list[str]:
    return ["item", *["system"] * bool(report.ratings.systems), "gap", *report.annotators]


def _disagreements(report: AgreementReport) -> Iterator[list[Any]]:
    ratings = report.ratings.select_raters(report.annotators)
    for disagreement in report.disagreements:
        row = disagreement.row
        system = [ratings.systems[row]] if ratings.systems else []
        yield [ratings.items[row], *system, disagreement.gap, *ratings.grades[row].tolist()]


def _short_number(value: float) -> str:
    """Return the exact number, as '4' where it is whole."""
    return repr(value).removesuffix(".0")

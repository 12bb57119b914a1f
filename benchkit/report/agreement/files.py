"""Reports of agreement as CSV, as JSON and as a folder."""

import csv
import io
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchkit import io as files
from benchkit.report.agreement.measurement import AgreementReport, RaterPair
from benchkit.report.agreement.tables import WEIGHTED_STATISTICS, count_missing, group_estimates
from benchkit.report.core.file_names import unique_stems
from benchkit.stats.agreement.contingency import AgreementEstimate

AGREEMENT_CSV_COLUMNS = (
    "level", "first", "second", "statistic", "value", "low", "high", "p", "n", "missing",
    "weighted", "reason",
)  # fmt: skip


def agreement_csv(report: AgreementReport) -> str:
    """One line a statistic. level: sample, system or within-item of a pair; group of several.

    n: items (systems, at that level) that it is of; missing: those without all grades it needs.
    weighted: whether value and interval are; p of a sample never is.
    """
    return _csv(
        AGREEMENT_CSV_COLUMNS,
        ([line[name] for name in AGREEMENT_CSV_COLUMNS] for line in agreement_records(report)),
    )


def agreement_json(report: AgreementReport) -> dict[str, Any]:
    """Everything; undefined numbers are null."""
    sheet = report.ratings
    return {
        "raters": list(sheet.raters),
        "reference": list(report.reference),
        "items": len(sheet.items),
        "categories": None if report.categories is None else list(report.categories),
        "categories_inferred": report.scale_inferred,
        "statistics": [_plain(line) for line in agreement_records(report)],
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
        "gap": report.gap,
        "disagreements": [
            _plain(dict(zip(_apart_head(report), row, strict=True))) for row in _apart(report)
        ],
    }


def agreement_records(report: AgreementReport) -> Iterator[dict[str, Any]]:
    """The statistics of the report by the names of `CSV_COLUMNS`."""
    weighted = report.weighted
    for group in report.groups:
        of_icc, left = (group.icc.n, group.icc.incomplete), group.n_single + group.n_ungraded
        counts = dict.fromkeys(group_estimates(group), (group.n_items, left))
        counts |= {"icc_single": of_icc, "icc_average": of_icc}
        key = ("group", " + ".join(group.raters), "")
        yield from _lines(
            key, group_estimates(group), counts, WEIGHTED_STATISTICS if weighted else ()
        )
    for pair in report.pairs:
        names, sample = (pair.first, pair.second), pair.item_level
        n = dict.fromkeys(sample.estimates, (sample.n, count_missing(pair)))
        yield from _lines(("sample", *names), sample.estimates, n, n if weighted else ())
        if (
            pair.system_level is not None
            and pair.within_item is not None
            and pair.within_item_counts is not None
        ):
            absent = len(set(report.ratings.systems or ())) - pair.n_systems
            n = dict.fromkeys(pair.system_level, (pair.n_systems, absent))
            yield from _lines(("system", *names), pair.system_level, n, n if weighted else ())
            items = len(set(report.ratings.resampling_units or ()))
            used = {name: (count, items - count) for name, count in pair.within_item_counts.items()}
            yield from _lines(("within-item", *names), pair.within_item, used)


def write_agreement(report: AgreementReport, folder: Path) -> list[Path]:
    """Write agreement.csv, disagreements.csv and confusion_<a>_<b>.csv; returns their paths."""
    paths = [folder / "agreement.csv", folder / "disagreements.csv"]
    files.write_text(paths[0], agreement_csv(report))
    files.write_text(paths[1], _csv(_apart_head(report), _apart(report)))
    for pair, name in confusion_file_names(report.pairs):
        counts, scale = pair.item_level.confusion, pair.item_level.categories
        if counts is None or scale is None:
            continue
        head = [f"{pair.first} \\ {pair.second}", *(f"{c:g}" for c in scale), "sum"]
        whole = counts.astype(int)
        rows = [
            [f"{c:g}", *row.tolist(), int(row.sum())] for c, row in zip(scale, whole, strict=True)
        ]
        rows.append(["sum", *whole.sum(axis=0).tolist(), int(whole.sum())])
        paths.append(folder / f"{name}.csv")
        files.write_text(paths[-1], _csv(head, rows))
    return paths


def confusion_file_names(pairs: Sequence[RaterPair]) -> Iterator[tuple[RaterPair, str]]:
    """Each pair with the name of its confusion files, which no other pair has."""
    return zip(pairs, unique_stems(("confusion", p.first, p.second) for p in pairs), strict=True)


def _lines(
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


def _apart_head(report: AgreementReport) -> list[str]:
    system = ["system"] if report.ratings.systems else []
    return ["item", *system, "gap", *report.annotators]


def _apart(report: AgreementReport) -> Iterator[list[Any]]:
    sheet = report.ratings.select_raters(report.annotators)
    for disagreement in report.disagreements:
        system = [sheet.systems[disagreement.row]] if sheet.systems else []
        yield [
            sheet.items[disagreement.row],
            *system,
            disagreement.gap,
            *sheet.grades[disagreement.row].tolist(),
        ]


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value).removesuffix(".0")
    return value


def _plain(line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in line.items()
    }

"""Reports of agreement as CSV, as JSON and as a folder."""

import csv
import io
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchkit import files
from benchkit.report.agreement import AgreementReport, Pair
from benchkit.report.agreement_tables import WEIGHTED, estimates, missing
from benchkit.report.plot_text import stems
from benchkit.stats.grades import Estimate

CSV_COLUMNS = (
    "level", "first", "second", "statistic", "value", "low", "high", "p", "n", "missing",
    "weighted", "reason",
)  # fmt: skip


def agreement_csv(report: AgreementReport) -> str:
    """One line a statistic. level: sample, system or within-item of a pair; group of several.

    n: items (systems, at that level) that it is of; missing: those without all grades it needs.
    weighted: whether value and interval are; p of a sample never is.
    """
    return _csv(CSV_COLUMNS, ([line[name] for name in CSV_COLUMNS] for line in lines(report)))


def agreement_json(report: AgreementReport) -> dict[str, Any]:
    """Everything; undefined numbers are null."""
    sheet = report.sheet
    return {
        "raters": list(sheet.raters),
        "reference": list(report.reference),
        "items": len(sheet.items),
        "categories": None if report.categories is None else list(report.categories),
        "categories_inferred": report.inferred,
        "statistics": [_plain(line) for line in lines(report)],
        "confusions": [
            {
                "first": pair.first,
                "second": pair.second,
                "counts": pair.sample.confusion.astype(int).tolist(),
                "exact_by_chance": pair.sample.exact_by_chance,
                "between_categories": pair.sample.rounded,
            }
            for pair in report.pairs
            if pair.sample.confusion is not None
        ],
        "gap": report.gap,
        "disagreements": [
            _plain(dict(zip(_apart_head(report), row, strict=True))) for row in _apart(report)
        ],
    }


def lines(report: AgreementReport) -> Iterator[dict[str, Any]]:
    """The statistics of the report by the names of `CSV_COLUMNS`."""
    weighted = report.weighted
    for group in report.groups:
        of_icc, left = (group.icc.n, group.icc.incomplete), group.single + group.none
        counts = dict.fromkeys(estimates(group), (group.items, left))
        counts |= {"icc_single": of_icc, "icc_average": of_icc}
        key = ("group", " + ".join(group.raters), "")
        yield from _lines(key, estimates(group), counts, WEIGHTED if weighted else ())
    for pair in report.pairs:
        names, sample = (pair.first, pair.second), pair.sample
        n = dict.fromkeys(sample.estimates, (sample.n, missing(pair)))
        yield from _lines(("sample", *names), sample.estimates, n, n if weighted else ())
        if pair.by_system is not None and pair.within is not None and pair.used is not None:
            absent = len(set(report.sheet.systems or ())) - pair.systems
            n = dict.fromkeys(pair.by_system, (pair.systems, absent))
            yield from _lines(("system", *names), pair.by_system, n, n if weighted else ())
            items = len(set(report.sheet.together or ()))
            used = {name: (count, items - count) for name, count in pair.used.items()}
            yield from _lines(("within-item", *names), pair.within, used)


def write_agreement(report: AgreementReport, folder: Path) -> list[Path]:
    """Write agreement.csv, disagreements.csv and confusion_<a>_<b>.csv; returns their paths."""
    paths = [folder / "agreement.csv", folder / "disagreements.csv"]
    files.write_text(paths[0], agreement_csv(report))
    files.write_text(paths[1], _csv(_apart_head(report), _apart(report)))
    for pair, name in confusion_names(report.pairs):
        counts, scale = pair.sample.confusion, pair.sample.categories
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


def confusion_names(pairs: Sequence[Pair]) -> Iterator[tuple[Pair, str]]:
    """Each pair with the name of its confusion files, which no other pair has."""
    return zip(pairs, stems(("confusion", p.first, p.second) for p in pairs), strict=True)


def _lines(
    key: tuple[str, str, str],
    found: Mapping[str, Estimate],
    counts: Mapping[str, tuple[int, int]],
    weighted: Collection[str] = (),
) -> Iterator[dict[str, Any]]:
    for name, estimate in found.items():
        n, absent = counts[name]
        start = dict(zip(CSV_COLUMNS, (*key, name), strict=False))
        end = {"n": n, "missing": absent, "weighted": name in weighted}
        yield {**start, **asdict(estimate), **end}


def _apart_head(report: AgreementReport) -> list[str]:
    system = ["system"] if report.sheet.systems else []
    return ["item", *system, "gap", *report.annotators]


def _apart(report: AgreementReport) -> Iterator[list[Any]]:
    sheet = report.sheet.only(report.annotators)
    for found in report.apart:
        system = [sheet.systems[found.row]] if sheet.systems else []
        yield [sheet.items[found.row], *system, found.gap, *sheet.grades[found.row].tolist()]


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

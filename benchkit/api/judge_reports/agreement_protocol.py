"""Agreement as a paper measures it: from labels, or from generated ones."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchkit import io
from benchkit.console import echo, echo_file
from benchkit.csv_cells import write_rows
from benchkit.errors import ConfigError
from benchkit.io import folder_name
from benchkit.report.agreement.confusion_plot import write_confusions
from benchkit.report.agreement.paper_protocol import (
    ProtocolAgreement,
    find_paper_protocol,
    measure_protocol,
    protocol_tables,
    ratings_rows,
    synthetic_ratings,
)
from benchkit.report.agreement.preferences import holds_pairs
from benchkit.report.agreement.ratings_io import read_ratings, read_ratings_file
from benchkit.report.core.latex import render_latex
from benchkit.report.core.terminal_table import print_tables, wide_console
from benchkit.report.core.text_table import TextTable, csv_text, render_markdown
from benchkit.report.paper.published_values import PUBLISHED_FOLDER
from benchkit.runs.records import JUDGE_PREFIX
from benchkit.stats.agreement.synthetic_raters import SYNTHETIC

_CSV_COLUMNS = ("source", "statistic", "ours", "published")


def agreement_like_paper(
    labels: Sequence[Path],
    reference: str,
    *,
    judge: str = "",
    criterion: str = "",
    published: Path | None = None,
    demo: bool = False,
    noise: float = 1.0,
    out: Path | None = None,
    seed: int = 0,
) -> tuple[list[TextTable], list[Path]]:
    """Measure a model beside people as a paper does, and return the tables and the files written.

    Args:
        labels: Labels by people and a judge, as `benchkit annotate --read` writes them.
        reference: "c-apo:figure8" (teacher's coherence, 400 samples) or "c-apo:figure10" (judge's
            grades, 250 samples).
        judge: The judge, where the labels have several.
        criterion: Which one, where the labels are by several.
        published: Folder of published figures, by default those that come with benchkit.
        demo: Measure generated grades instead of labels; all that comes of it says SYNTHETIC.
        noise: Standard deviation by which generated people depart from the generated model, in
            grades.
        out: Folder for the tables, the drawn confusion matrix and, of a demo, its labels.
        seed: Of the resampling and of what is generated.

    Raises:
        ConfigError: Neither labels nor a demo, or both; or no such figure, people or judge.
    """
    if demo and not reference:
        raise ConfigError(
            "a demo is of a paper's agreement, and which one is not said",
            "--paper c-apo:figure8 or --paper c-apo:figure10",
        )
    protocol = find_paper_protocol(reference)
    if demo == bool(labels):
        raise ConfigError(
            "a demo has labels of its own" if demo else "no labels to measure",
            "give files of labels, or --demo for generated ones, not both",
        )
    for path in labels:
        if holds_pairs(read_ratings_file(path)):
            raise ConfigError(
                f"{path}: labels of pairs, which have no grades to compare with the paper's",
                "without --paper, benchkit agree gives their win rates",
            )
    if demo:
        ratings = synthetic_ratings(protocol, noise, seed)
    else:
        ratings = read_ratings(labels, criterion=criterion)
    result = measure_protocol(ratings, protocol, judge.removeprefix(JUDGE_PREFIX), seed)
    tables = protocol_tables(result, published or PUBLISHED_FOLDER)
    if demo:
        stated = (
            f"{SYNTHETIC}: {protocol.n_people} generated people, each the generated model's grade"
            f" plus normal noise of standard deviation {noise:g}, rounded; seed {seed}."
        )
        tables[0] = TextTable(
            tables[0].title, tables[0].header, tables[0].rows, (stated, *tables[0].notes)
        )
    paths: list[Path] = []
    if out is not None:
        paths = _write(result, tables, out)
        if demo:
            paths.append(out / f"{SYNTHETIC}-labels.csv")
            rows = [("item", "rater", "grade", "scale"), *ratings_rows(ratings)]
            io.write_text(paths[-1], write_rows(rows))
    return tables, paths


def print_like_paper(tables: Sequence[TextTable], format_: str) -> None:
    """Print tables of `agreement_like_paper` on a terminal, or as `render_agreement` has them.

    CSV has no place for notes, which go to standard error.
    """
    if format_ == "terminal":
        print_tables(wide_console(), tables)
        return
    echo_file(render_agreement(tables, format_))
    for note in tables[0].notes if format_ == "csv" else ():
        echo(note, fg="yellow", err=True)


def render_agreement(tables: Sequence[TextTable], format_: str) -> str:
    """Return tables of `agreement_like_paper` as `md`, `latex` or `json`, or the first as `csv`.

    CSV says in its first column whether ours are of generated grades.
    JSON has what tables print: title, statistics, the confusion matrix where there is one, notes.
    """
    if format_ == "json":
        return json.dumps(_as_record(tables), indent=2, ensure_ascii=False) + "\n"
    if format_ == "csv":
        rows = [list(row) for row in tables[0].rows if isinstance(row, tuple)]
        source = SYNTHETIC if SYNTHETIC in tables[0].title else "measured"
        return csv_text(_CSV_COLUMNS, [[source, *row] for row in rows])
    return render_latex(tables) if format_ == "latex" else render_markdown(tables)


def _as_record(tables: Sequence[TextTable]) -> dict[str, Any]:
    first, *matrices = tables
    statistics = [
        dict(zip(("statistic", "ours", "published"), map(str, row), strict=True))
        for row in first.rows
        if isinstance(row, tuple)
    ]
    confusions = [
        {
            "title": matrix.title,
            "grades": list(matrix.header[1:-1]),
            "counts": [[int(str(cell)) for cell in row[1:-1]] for row in matrix.rows[:-1]
                       if isinstance(row, tuple)],
        }
        for matrix in matrices
    ]  # fmt: skip
    return {
        "title": first.title,
        "statistics": statistics,
        "confusion": confusions[0] if confusions else None,
        "notes": list(first.notes),
    }


def _write(result: ProtocolAgreement, tables: Sequence[TextTable], folder: Path) -> list[Path]:
    name = folder_name(result.protocol.names[0].replace(":", "-"))
    path = folder / f"{SYNTHETIC + '-' if result.is_synthetic else ''}{name}.md"
    io.write_text(path, render_markdown(tables))
    try:
        return [path, *write_confusions([result.pair], folder)]
    except ConfigError as error:
        echo(f"no plots: {error}", fg="yellow", err=True)
        return [path]

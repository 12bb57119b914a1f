"""benchkit agree"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli.lists import names


class Format(StrEnum):
    """What agreement can be printed as."""

    terminal = "terminal"
    md = "md"
    csv = "csv"
    json = "json"


def agree(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Grades as CSV, TSV, Parquet or JSONL: a row a grade, with columns item, rater"
            " and grade; without a rater column, a file is a rater. The labels that benchkit"
            " annotate reads back are such a file.",
        ),
    ],
    item: Annotated[str, typer.Option(help="Column that says what was graded.")] = "item",
    rater: Annotated[str, typer.Option(help="Column that says who graded it.")] = "rater",
    grade: Annotated[str, typer.Option(help="Column of the grade, a number.")] = "grade",
    system: Annotated[
        str,
        typer.Option(
            help="Column of the method that gave the graded answer; by default 'system', if there."
        ),
    ] = "",
    cluster: Annotated[
        str,
        typer.Option(
            help="Column of the case that is answered: answers to one case are resampled together."
            " By default 'cluster', if there; else, with systems, the item."
        ),
    ] = "",
    weight: Annotated[
        str,
        typer.Option(
            help="Column of sampling weights, how many answers each stands for; by default"
            " 'weight', if there."
        ),
    ] = "",
    raters: Annotated[
        str,
        typer.Option(
            help="For a table with a row an item: its columns of grades (a,b), a rater each."
        ),
    ] = "",
    reference: Annotated[
        str, typer.Option(help="Compare with this rater, or with the mean of several (a,b).")
    ] = "",
    scale: Annotated[
        str,
        typer.Option(
            help="All grades there are, as 0-3 or 0,1,2,3; by default what a column 'scale' says,"
            " else the whole numbers from the lowest grade to the highest."
        ),
    ] = "",
    gap: Annotated[
        float | None,
        typer.Option(
            help="List items whose grades are further apart; by default two thirds of the scale"
            " (4 of 1-7)."
        ),
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.terminal,
    out: Annotated[
        Path | None, typer.Option(help="Folder for tables, confusion matrices, disagreements.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and the permutations.")] = 0,
) -> None:
    """Say how well raters agree: people with people, judges with people, with intervals."""
    import json

    from benchkit.errors import ConfigError
    from benchkit.report.agreement import assess
    from benchkit.report.agreement_files import agreement_csv, agreement_json, write_agreement
    from benchkit.report.agreement_tables import grids
    from benchkit.report.confusion import write_confusions
    from benchkit.report.grade_sheets import Columns, read_sheet
    from benchkit.report.grid import markdown, show
    from benchkit.report.terminal import wide_console
    from benchkit.stats.scale import scale_of

    columns = Columns(item, rater, grade, system, cluster, weight)
    sheet = read_sheet(paths, columns, names(raters))
    categories = scale_of(scale) if scale else None
    report = assess(sheet, names(reference), categories, gap, seed)
    match format_:
        case Format.terminal:
            show(wide_console(), list(grids(report)))
        case Format.md:
            typer.echo(markdown(list(grids(report))), nl=False)
        case Format.csv:
            typer.echo(agreement_csv(report), nl=False)
        case Format.json:
            typer.echo(json.dumps(agreement_json(report), indent=2, allow_nan=False))
    if out is None:
        return
    written = write_agreement(report, out)
    try:
        written += write_confusions(report.pairs, out)
    except ConfigError as error:
        typer.secho(f"no plots: {error}", fg="yellow", err=True)
    for path in written:
        typer.echo(f"wrote {path}", err=True)

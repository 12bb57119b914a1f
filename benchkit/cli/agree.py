"""benchkit agree"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli.csv_option import split_names


class AgreementFormat(StrEnum):
    """What agreement can be printed as."""

    terminal = "terminal"
    md = "md"
    csv = "csv"
    json = "json"


def agree_command(
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
    format_: Annotated[
        AgreementFormat, typer.Option("--format", help="How to print it.")
    ] = AgreementFormat.terminal,
    out: Annotated[
        Path | None, typer.Option(help="Folder for tables, confusion matrices, disagreements.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and the permutations.")] = 0,
) -> None:
    """Say how well raters agree: people with people, judges with people, with intervals."""
    import json

    from benchkit.errors import ConfigError
    from benchkit.report.agreement.confusion_plot import write_confusions
    from benchkit.report.agreement.files import agreement_csv, agreement_json, write_agreement
    from benchkit.report.agreement.measurement import measure_agreement
    from benchkit.report.agreement.ratings_io import RatingsColumns, read_ratings
    from benchkit.report.agreement.tables import agreement_tables
    from benchkit.report.core.text_table import print_tables, render_markdown, wide_console
    from benchkit.stats.agreement.rating_scale import parse_scale

    columns = RatingsColumns(item, rater, grade, system, cluster, weight)
    sheet = read_ratings(paths, columns, split_names(raters))
    categories = parse_scale(scale) if scale else None
    report = measure_agreement(sheet, split_names(reference), categories, gap, seed)
    match format_:
        case AgreementFormat.terminal:
            print_tables(wide_console(), list(agreement_tables(report)))
        case AgreementFormat.md:
            typer.echo(render_markdown(list(agreement_tables(report))), nl=False)
        case AgreementFormat.csv:
            typer.echo(agreement_csv(report), nl=False)
        case AgreementFormat.json:
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

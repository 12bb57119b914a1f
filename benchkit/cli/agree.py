"""benchkit agree"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from benchkit.cli import options
from benchkit.cli.csv_option import split_names
from benchkit.console import echo, echo_file, echo_files


def agree_command(
    paths: options.GradesArgument,
    item: Annotated[str, typer.Option(help="Column that says what was graded.")] = "item",
    rater: Annotated[str, typer.Option(help="Column that says who graded it.")] = "rater",
    grade: Annotated[str, typer.Option(help="Column of the grade, a number.")] = "grade",
    system: options.SystemOption = "",
    cluster: options.ClusterOption = "",
    weight: options.WeightOption = "",
    raters: Annotated[
        str,
        typer.Option(help="For a table with one row an item: a column a rater, named a,b,..."),
    ] = "",
    criterion: options.CriterionOption = "",
    reference: Annotated[
        str, typer.Option(help="Compare with this rater, or with the mean of several (a,b).")
    ] = "",
    pairs: Annotated[
        Literal["none", "reference", "all"] | None,
        typer.Option(
            help="Pairs of raters with statistics of their own: none, those with the reference, or"
            " all; by default all up to 45 pairs, above those with the reference, if there is one."
        ),
    ] = None,
    scale: options.ScaleOption = "",
    gap: options.GapOption = None,
    format_: Annotated[
        Literal["terminal", "md", "csv", "json"], typer.Option("--format", help="How to print it.")
    ] = "terminal",
    out: Annotated[
        Path | None, typer.Option(help="Folder for tables, confusion matrices, disagreements.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap and the permutations.")] = 0,
) -> None:
    """Measure how well raters agree: people with people, judges with people, with intervals."""
    from benchkit.api.agreement import (
        AGREEMENT_FORMATS,
        select_criteria,
        write_agreement_report,
    )
    from benchkit.io import folder_name
    from benchkit.report.agreement.measurement import measure_agreement
    from benchkit.report.agreement.ratings_io import RatingsColumns, read_ratings
    from benchkit.report.agreement.tables import agreement_tables
    from benchkit.report.core.terminal_table import print_tables, wide_console
    from benchkit.stats.agreement.rating_scale import parse_scale

    columns = RatingsColumns(item, rater, grade, system, cluster, weight)
    categories = parse_scale(scale) if scale not in ("", "none") else None
    criteria = select_criteria(paths, criterion, format_) if not raters else [""]
    for name in criteria:
        ratings = read_ratings(paths, columns, split_names(raters), name)
        report = measure_agreement(
            ratings, split_names(reference), categories, gap, seed, pairs, scale != "none"
        )
        if len(criteria) > 1:
            echo(f"\nCriterion {name}")
        if format_ == "terminal":
            print_tables(wide_console(), list(agreement_tables(report)))
        else:
            echo_file(AGREEMENT_FORMATS[format_](report))
        if format_ == "csv":  # which has no place for them
            for caveat in report.caveats:
                echo(caveat, fg="yellow", err=True)
        if out is not None:
            folder = out / folder_name(name) if len(criteria) > 1 else out
            echo_files(write_agreement_report(report, folder))

"""benchkit agree"""

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli import annotation_options, options
from benchkit.cli.csv_option import split_names
from benchkit.console import echo, echo_file


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
    reference: annotation_options.ReferenceOption = "",
    pairs: annotation_options.PairsOption = None,
    scale: options.ScaleOption = "",
    gap: options.GapOption = None,
    format_: annotation_options.AgreementFormatOption = "terminal",
    out: Annotated[
        Path | None, typer.Option(help="Folder for tables, confusion matrices, disagreements.")
    ] = None,
    judgements: annotation_options.AllJudgementsOption = None,
    suite: annotation_options.LabelledSuiteOption = "",
    epsilon: annotation_options.EpsilonOption = 0.15,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap and the permutations.")] = 0,
) -> None:
    """Measure how well raters agree: people with people, judges with people, with intervals.

    Where people and judges graded, it also says whether a judge could replace people and, with all
    answers that the judge graded, what its means are after correction by people's grades.
    """
    from benchkit.api.agreement import AGREEMENT_FORMATS, calibrate_judges, write_agreement_report
    from benchkit.report.agreement.measurement import measure_agreement
    from benchkit.report.agreement.ratings_io import RatingsColumns, read_ratings
    from benchkit.report.agreement.tables import agreement_tables
    from benchkit.report.calibration.tables import calibration_tables
    from benchkit.report.core.text_table import print_tables, wide_console
    from benchkit.stats.agreement.rating_scale import parse_scale

    columns = RatingsColumns(item, rater, grade, system, cluster, weight)
    ratings = read_ratings(paths, columns, split_names(raters))
    common_scale = scale != "none"
    categories = parse_scale(scale) if scale and common_scale else None
    report = measure_agreement(
        ratings, split_names(reference), categories, gap, seed, pairs, common_scale
    )
    calibrations = calibrate_judges(
        report, paths, judgements or (), suite=suite, epsilon=epsilon, seed=seed
    )
    if format_ == "terminal":
        tables = [*agreement_tables(report), *calibration_tables(calibrations)]
        print_tables(wide_console(), tables)
    else:
        echo_file(AGREEMENT_FORMATS[format_](report, calibrations))
    if format_ == "csv":  # which has no place for them
        for caveat in report.caveats:
            echo(caveat, fg="yellow", err=True)
    if out is not None:
        paths, problem = write_agreement_report(report, out, calibrations)
        if problem:
            echo(f"no plots: {problem}", fg="yellow", err=True)
        for path in paths:
            echo(f"wrote {path}", err=True)

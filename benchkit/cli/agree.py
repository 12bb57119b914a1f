"""benchkit agree"""

from typing import Annotated

import typer

from benchkit.cli import options
from benchkit.cli.annotation import options as annotation_options
from benchkit.cli.csv_option import split_names
from benchkit.console import echo, echo_files


def agree_command(
    files: annotation_options.OptionalGradesArgument = None,
    item: Annotated[str, typer.Option(help="Column that says what was graded.")] = "item",
    rater: Annotated[str, typer.Option(help="Column that says who graded it.")] = "rater",
    grade: Annotated[str, typer.Option(help="Column of the grade, a number.")] = "grade",
    system: options.SystemOption = "",
    cluster: options.ClusterOption = "",
    weight: options.WeightOption = "",
    raters: annotation_options.RaterColumnsOption = "",
    criterion: options.CriterionOption = "",
    reference: annotation_options.ReferenceOption = "",
    pairs: annotation_options.PairsOption = None,
    scale: options.ScaleOption = "",
    gap: options.GapOption = None,
    format_: annotation_options.AgreementFormatOption = "terminal",
    out: annotation_options.AgreementFolderOption = None,
    judgements: annotation_options.AllJudgementsOption = None,
    suite: annotation_options.LabelledSuiteOption = "",
    epsilon: annotation_options.EpsilonOption = 0.15,
    paper: annotation_options.LikePaperOption = "",
    demo: annotation_options.SyntheticOption = False,
    noise: annotation_options.NoiseOption = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap and the permutations.")] = 0,
) -> None:
    """Measure how well raters agree: people with people, judges with people, with intervals.

    Where people and judges graded, it also says whether a judge could replace people and, with all
    answers that the judge graded, what its means are after correction by people's grades. Labels of
    pairs also give each method's win rate.
    """
    from benchkit.api import agreement as api
    from benchkit.api.judge_reports.agreement_protocol import agreement_like_paper, print_like_paper
    from benchkit.io import folder_name
    from benchkit.report.agreement.measurement import measure_agreement
    from benchkit.report.agreement.preferences import read_win_rates
    from benchkit.report.agreement.ratings_io import RatingsColumns, read_ratings
    from benchkit.stats.agreement.rating_scale import parse_scale

    if paper or demo:
        tables, written = agreement_like_paper(
            files or (), paper, judge=reference, criterion=criterion, demo=demo, noise=noise,
            out=out, seed=seed,
        )  # fmt: skip
        print_like_paper(tables, format_)
        echo_files(written)
        return
    paths = api.require_files(files)
    preferences = None if raters else read_win_rates(paths, seed)
    columns = RatingsColumns(item, rater, grade, system, cluster, weight)
    categories = parse_scale(scale) if scale not in ("", "none") else None
    criteria = api.select_criteria(paths, criterion, format_) if not raters else [""]
    for name in criteria:
        ratings = read_ratings(paths, columns, split_names(raters), name)
        if api.prefer_alone(ratings, preferences, format_, out):
            return
        report = measure_agreement(
            ratings, split_names(reference), categories, gap, seed, pairs, scale != "none"
        )
        calibrations = api.calibrate_judges(
            report, paths, judgements or (), suite=suite, epsilon=epsilon, seed=seed,
            criterion=name, one_of_several=len(criteria) > 1,
        )  # fmt: skip
        if len(criteria) > 1:
            echo(f"\nCriterion {name}")
        api.print_agreement(report, calibrations, preferences, format_)
        if out is not None:
            folder = out / folder_name(name) if len(criteria) > 1 else out
            echo_files(api.write_agreement_report(report, folder, calibrations, preferences))

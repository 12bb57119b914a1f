"""benchkit annotate"""

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli import options
from benchkit.cli.annotation import options as annotation_options
from benchkit.cli.annotation.option_checks import check_sources, refuse_options
from benchkit.cli.csv_option import split_names
from benchkit.console import echo, echo_files


def annotate_command(
    more: options.PathsArgument = None,
    judgements: options.JudgementsOption = None,
    rationales: options.RationalesOption = "",
    read: annotation_options.ExportsOption = None,
    out: annotation_options.PagesOption = None,
    key: Annotated[Path | None, typer.Option(help="--read: key.json of the pages.")] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Answers in the sample.")] = 250,
    annotators: Annotated[int, typer.Option(min=1, help="Pages, one a person.")] = 2,
    overlap: annotation_options.OverlapOption = 1.0,
    balanced: options.BalancedOption = False,
    pairs: annotation_options.PairwiseOption = False,
    synthetic: annotation_options.SyntheticExportsOption = None,
    suite: Annotated[str, typer.Option(help="The suite of a store, or of rationales.")] = "",
    dataset: options.DatasetOption = "",
    data: options.DataFolderOption = Path("data"),
    trust: options.TrustOption = False,
    judge: options.OnlyJudgeOption = "",
    rubric: annotation_options.PeopleRubricOption = "",
    plan: annotation_options.PlanOption = False,
    half_width: annotation_options.HalfWidthOption = 0.1,
    labels: annotation_options.LabelsOption = None,
    correlation: annotation_options.CorrelationOption = 0.5,
    seed: Annotated[int, typer.Option(help="Seed of the sample and the order.")] = 0,
) -> None:
    """Make pages on which people grade what judges or a teacher graded, blind; read them back.

    Answers are drawn at random, equally many of each method in each task where there are enough.
    Give each person one page, and nobody key.json. People see the whole history; a judge's settings
    may show less of it. With --plan, answers that people have to grade are counted, not written.
    """
    from benchkit.api.annotation import make_annotation_pages, plan_annotation, read_annotations
    from benchkit.errors import ConfigError
    from benchkit.report.core.terminal_table import print_tables, wide_console

    check_sources(judgements, rationales, read)
    paths = [*(judgements or []), *(read or []), *(more or [])]
    of_pages = {
        "--pairs": pairs, "--rubric": rubric, "--balanced": balanced, "--synthetic": synthetic
    }  # fmt: skip
    if plan:
        refuse_options("--plan", "counts answers that people grade, and makes no pages", of_pages)
        judged = paths if judgements else ()
        settings = (half_width, labels or (), suite, judge, correlation, split_names(dataset))
        print_tables(wide_console(), plan_annotation(judged, *settings))
        return
    if out is None:
        raise ConfigError("there is no place to write to", "name it with --out")
    if read and key is None:
        raise ConfigError("labels cannot be read without their key", "--key FOLDER/key.json")
    if read and key is not None:
        of_pages |= {"--suite": suite, "--dataset": dataset, "--judge": judge}
        refuse_options("--read", "takes all that is in the exports", of_pages)
        output_paths, progress = read_annotations(paths, key, out)
        print_tables(wide_console(), [progress])
    else:
        output_paths, lines = make_annotation_pages(
            paths, out, rationales=rationales, suite=suite, datasets=split_names(dataset),
            judge=judge, rubric=rubric, n=n, annotators=annotators, overlap=overlap,
            balanced=balanced, seed=seed, data=data, trust=trust, pairs=pairs,
            synthetic=synthetic,
        )  # fmt: skip
        echo("\n".join(lines))
    echo_files(output_paths)
    for path in (output_paths[1:] or output_paths) if read else ():
        echo(f"next: benchkit agree {path}", err=True)

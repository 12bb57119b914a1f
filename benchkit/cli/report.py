"""benchkit report"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from benchkit.cli import options
from benchkit.cli.annotation import options as annotation_options
from benchkit.console import echo, echo_files


def report_command(
    suite: options.StoredSuiteOption,
    out: options.StoreOption = Path("runs"),
    format_: Annotated[
        Literal["terminal", "md", "csv", "latex", "html", "json"],
        typer.Option("--format", help="How to print it; json with --ranks."),
    ] = "terminal",
    layout: Annotated[
        Literal["tasks", "paper"],
        typer.Option(help="A table a task, or as papers do: tasks side by side."),
    ] = "tasks",
    intervals: Annotated[
        bool, typer.Option(help="95 % intervals in the papers' layout, too.")
    ] = False,
    ranks: Annotated[
        bool, typer.Option(help="Each row's rank, with its 95 % interval, and the mean over tasks.")
    ] = False,
    costs: Annotated[
        bool, typer.Option(help="What training and answering cost, instead of the metrics.")
    ] = False,
    interference: Annotated[
        str,
        typer.Option(
            help="Instead of the metrics: the share of errors that are high-preference negatives of"
            " this row, an expert such as sasrec."
        ),
    ] = "",
    paper: Annotated[
        str,
        typer.Option(help="Print ours in the shape of a paper's table or figure: c-apo:table2."),
    ] = "",
    protocol: Annotated[
        str,
        typer.Option(
            help="Only this protocol; mixed: sampled where a method is sampled, else scored, as"
            " papers print and --paper shows by default."
        ),
    ] = "",
    labels: annotation_options.LabelsOption = None,
    cite: options.CiteOption = False,
    forget: options.ForgetOption = None,
    leaderboards: Annotated[
        Path | None, typer.Option(help="Also write all formats to LEADERBOARDS/SUITE.")
    ] = None,
    published: options.PublishedOption = None,
    data: options.DataFolderOption = Path("data"),
) -> None:
    """Print the tables of a suite from the run store; nothing is computed again."""
    from benchkit.api.exports.suite_citations import print_citations
    from benchkit.api.report import ReportView, forget_rows, print_view, unmatched_published
    from benchkit.report.core.terminal_table import wide_console

    if cite:
        print_citations(out, suite, data)
        return
    shape = (format_, layout, intervals, costs, paper, protocol, published, ranks, interference)
    view = ReportView(*shape, tuple(labels or ()))
    if problem := view.find_conflict(writes=leaderboards is not None):
        raise typer.BadParameter(problem[1], param_hint=problem[0])
    for line in forget_rows(out, suite, forget or (), leaderboards is not None):
        echo(line, err=True)
    results, notes = print_view(view, out, suite, data, wide_console())
    if leaderboards is not None:
        echo_files(results.write(leaderboards, published=published, ranks=ranks))
        notes += unmatched_published(results, published)
    for note in dict.fromkeys(notes):
        echo(f"note: {note}", fg="yellow", err=True)
    options.exit_if_damaged(results.collected.damaged_rows)

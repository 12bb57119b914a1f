"""benchkit report"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ReportFormat(StrEnum):
    """What a report can be printed as."""

    terminal = "terminal"
    md = "md"
    csv = "csv"
    latex = "latex"
    html = "html"


class ReportLayout(StrEnum):
    """How tables are laid out: one a task with intervals, or one with all tasks side by side."""

    tasks = "tasks"
    paper = "paper"


def report_command(
    suite: Annotated[str, typer.Option(help="A suite that was run (its name in the store).")],
    out: Annotated[Path, typer.Option(help="The run store.")] = Path("runs"),
    format_: Annotated[
        ReportFormat, typer.Option("--format", help="How to print it.")
    ] = ReportFormat.terminal,
    layout: Annotated[
        ReportLayout, typer.Option(help="A table a task, or as papers do: tasks side by side.")
    ] = ReportLayout.tasks,
    intervals: Annotated[
        bool, typer.Option(help="95 % intervals in the papers' layout, too.")
    ] = False,
    costs: Annotated[
        bool, typer.Option(help="What training and answering cost, instead of the metrics.")
    ] = False,
    paper: Annotated[
        str, typer.Option(help="Print ours in the shape of a published table: c-apo:table2.")
    ] = "",
    protocol: Annotated[str, typer.Option(help="What --paper shows; by default scored.")] = "",
    forget: Annotated[
        list[str] | None,
        typer.Option(help="A row (its label) that leaves the tables; its runs stay on disk."),
    ] = None,
    leaderboards: Annotated[
        Path | None, typer.Option(help="Also write all formats to LEADERBOARDS/SUITE.")
    ] = None,
    published: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Published figures that stand beside ours, by default leaderboards/published.",
        ),
    ] = None,
    data: Annotated[Path, typer.Option(help="Where prepared datasets are kept.")] = Path("data"),
) -> None:
    """Print the tables of a suite from the run store; nothing is computed again."""
    from benchkit.cli.case_lookup import make_case_lookup
    from benchkit.report.core import text_table
    from benchkit.report.core.collect import collect_results
    from benchkit.report.core.text_table import wide_console
    from benchkit.report.leaderboard import writer
    from benchkit.report.leaderboard.tables import print_results
    from benchkit.report.paper.published_values import PUBLISHED_FOLDER, unmatched_tables
    from benchkit.report.site import page
    from benchkit.runs.store import Store, slug

    as_papers, as_page = bool(paper) or layout is ReportLayout.paper, format_ is ReportFormat.html
    _check_options(format_, costs, as_papers)
    for option, given, needed, there in (
        ("--intervals", intervals, "--layout paper or --paper", as_papers),
        ("--protocol", bool(protocol), "--paper", bool(paper)),
        (
            "--published",
            published is not None,
            "--layout paper, --paper, --costs, --format html or --leaderboards",
            as_papers or costs or as_page or leaderboards is not None,
        ),
    ):
        if given and not there:
            raise typer.BadParameter(f"goes with {needed}", param_hint=option)
    store, folder = Store(out), published or PUBLISHED_FOLDER
    for label in forget or ():
        count = store.forget(suite, label)
        typer.echo(f"forgot {label}: {count} planned runs; their folders stay", err=True)
    results = collect_results(store, suite)
    if as_papers:
        text = writer.render_paper_table(
            results, store, folder, format_.value, intervals, paper, protocol or "scored"
        )
        typer.echo(text, nl=False)
    elif costs and format_ is ReportFormat.terminal:
        text_table.print_tables(wide_console(), writer.cost_tables(results, folder))
    elif costs:
        typer.echo(writer.render_costs(results, folder, format_.value), nl=False)
    elif as_page:
        text = page.render_page(results, store, folder=folder, questions=make_case_lookup(data))
        typer.echo(text, nl=False)
    elif format_ is ReportFormat.terminal:
        print_results(wide_console(), results)
    else:
        typer.echo(writer.render_tables(results, format_.value), nl=False)
    read_from = [folder] if costs or as_page or (as_papers and not paper) else []
    if leaderboards is not None:
        place = leaderboards / slug(suite)
        read_from.append(published or leaderboards / "published")
        for path in writer.write_leaderboard(
            results, store, place, make_case_lookup(data), published
        ):
            typer.echo(f"wrote {path}", err=True)
    for note in dict.fromkeys(
        note for own in read_from for note in unmatched_tables(results.plan, own)
    ):
        typer.secho(f"note: {note}", fg="yellow", err=True)


def _check_options(format_: ReportFormat, costs: bool, as_papers: bool) -> None:
    """Refuse what would print something else than what was asked for."""
    if costs and as_papers:
        raise typer.BadParameter(
            "is a table of its own: leave out --layout paper and --paper", param_hint="--costs"
        )
    if format_ is ReportFormat.html and (costs or as_papers):
        raise typer.BadParameter(
            "html is the page, which has all tasks and costs: print --layout paper, --paper and"
            " --costs as md, csv or latex",
            param_hint="--format",
        )

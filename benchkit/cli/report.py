"""benchkit report"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """What a report can be printed as."""

    terminal = "terminal"
    md = "md"
    csv = "csv"
    latex = "latex"
    html = "html"


class Layout(StrEnum):
    """How tables are laid out: one a task with intervals, or one with all tasks side by side."""

    tasks = "tasks"
    paper = "paper"


_PUBLISHED = Path("leaderboards/published")


def report(
    suite: Annotated[str, typer.Option(help="A suite that was run (its name in the store).")],
    out: Annotated[Path, typer.Option(help="The run store.")] = Path("runs"),
    format_: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.terminal,
    layout: Annotated[
        Layout, typer.Option(help="A table a task, or as papers do: tasks side by side.")
    ] = Layout.tasks,
    intervals: Annotated[
        bool, typer.Option(help="95 % intervals in the papers' layout, too.")
    ] = False,
    costs: Annotated[
        bool, typer.Option(help="What training and answering cost, instead of the metrics.")
    ] = False,
    paper: Annotated[
        str, typer.Option(help="Print ours in the shape of a published table: c-apo:table2.")
    ] = "",
    protocol: Annotated[str, typer.Option(help="What --paper shows.")] = "scored",
    leaderboards: Annotated[
        Path | None, typer.Option(help="Also write all formats to LEADERBOARDS/SUITE.")
    ] = None,
    published: Annotated[
        Path, typer.Option(help="Published figures that stand beside ours.")
    ] = _PUBLISHED,
    data: Annotated[Path, typer.Option(help="Where prepared datasets are kept.")] = Path("data"),
) -> None:
    """Print the tables of a suite from the run store; nothing is computed again."""
    from benchkit.cli.questions import questions_in
    from benchkit.report import grid, layout_text
    from benchkit.report.cost_table import cost_grids
    from benchkit.report.layout import layouts
    from benchkit.report.paper import in_shape_of
    from benchkit.report.published import read
    from benchkit.report.rows import collect
    from benchkit.report.site import page
    from benchkit.report.terminal import print_results, wide_console
    from benchkit.report.write import printed, write_all
    from benchkit.store import Store, slug

    store = Store(out)
    results = collect(store, suite)
    as_latex = format_ is Format.latex
    if paper:
        shaped = [in_shape_of(results, read(published, [paper]), protocol)]
        typer.echo((grid.latex if as_latex else grid.markdown)(shaped), nl=False)
    elif costs:
        priced = list(cost_grids(results))
        if format_ is Format.terminal:
            grid.show(wide_console(), priced)
        else:
            typer.echo((grid.latex if as_latex else grid.markdown)(priced), nl=False)
    elif layout is Layout.paper:
        render = layout_text.latex if as_latex else layout_text.markdown
        found = layouts(results, store, read(published, results.plan.published))
        typer.echo(render(results.plan, found, intervals), nl=False)
    elif format_ is Format.terminal:
        print_results(wide_console(), results)
    elif format_ is Format.html:
        text = page.render(results, store, folder=published, questions=questions_in(data))
        typer.echo(text, nl=False)
    else:
        typer.echo(printed(results, format_.value), nl=False)
    if leaderboards is not None:
        folder = leaderboards / slug(suite)
        for path in write_all(results, store, folder, questions_in(data)):
            typer.echo(f"wrote {path}", err=True)

"""benchkit diagnose"""

from pathlib import Path
from typing import Annotated

import typer


def diagnose(
    suite: Annotated[str, typer.Option(help="A suite that was run (its name in the store).")],
    dataset: Annotated[str, typer.Option(help="Only this dataset of the suite.")] = "",
    method: Annotated[str, typer.Option(help="Only this method, by its label.")] = "",
    out: Annotated[Path, typer.Option(help="The run store.")] = Path("runs"),
    to: Annotated[
        Path | None, typer.Option(help="Folder to write to; leaderboards/SUITE/diagnostics.")
    ] = None,
) -> None:
    """Show how preference training went: margins, weights, conflicts, as tables and plots."""
    from rich.table import Table

    from benchkit.errors import ConfigError
    from benchkit.report import diagnostics
    from benchkit.report.diagnosis_files import HEADER, table, write_tables
    from benchkit.report.diagnosis_plots import write_plots
    from benchkit.report.terminal import wide_console
    from benchkit.store import Store, slug

    found = diagnostics.diagnose(Store(out), suite, dataset, method)
    folder = to or Path("leaderboards") / slug(suite) / "diagnostics"
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for name in HEADER:
        grid.add_column(name, justify="left" if name == HEADER[0] else "right")
    for row in table(found):
        grid.add_row(*row)
    console = wide_console()
    console.print(grid)
    console.print(
        "a > b: means of the first and of the last fifth of the steps.  |βd| > 10: share of the"
        " utilities.  Saturated w: share of the weights below .01 or above .99.  Conflicts: share"
        " of the preferences with a rejected item that scores higher than the chosen one.",
        style="dim",
        highlight=False,
    )
    for line in found.without:
        console.print(f"not shown: {line}", style="dim", markup=False, highlight=False)
    paths = write_tables(found, folder)
    try:
        paths += write_plots(found, folder)
    except ConfigError as error:
        typer.secho(f"no plots: {error}", fg="yellow", err=True)
    for path in paths:
        typer.echo(f"wrote {path}", err=True)

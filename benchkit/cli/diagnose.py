"""benchkit diagnose"""

from pathlib import Path
from typing import Annotated

import typer


def diagnose_command(
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
    from benchkit.report.core.text_table import wide_console
    from benchkit.report.training import diagnostics
    from benchkit.report.training.files import (
        DIAGNOSIS_HEADER,
        diagnosis_rows,
        write_diagnosis_tables,
    )
    from benchkit.report.training.plots import write_diagnosis_plots
    from benchkit.runs.store import Store, slug

    found = diagnostics.diagnose_suite(Store(out), suite, dataset, method)
    folder = to or Path("leaderboards") / slug(suite) / "diagnostics"
    grid = Table(box=None, header_style="bold", pad_edge=False)
    for name in DIAGNOSIS_HEADER:
        grid.add_column(name, justify="left" if name == DIAGNOSIS_HEADER[0] else "right")
    for row in diagnosis_rows(found):
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
    for line in found.skipped:
        console.print(f"not shown: {line}", style="dim", markup=False, highlight=False)
    paths = write_diagnosis_tables(found, folder)
    try:
        paths += write_diagnosis_plots(found, folder)
    except ConfigError as error:
        typer.secho(f"no plots: {error}", fg="yellow", err=True)
    for path in paths:
        typer.echo(f"wrote {path}", err=True)

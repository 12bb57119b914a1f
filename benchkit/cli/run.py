"""benchkit run"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from benchkit.cli import options
from benchkit.cli.csv_option import parse_integers, split_names

if TYPE_CHECKING:
    from benchkit.runs.job import Outcome


def run_command(
    suite: options.SuiteOption,
    method: Annotated[
        str, typer.Option(help="Only these methods, comma-separated; FILE.py:Class works, too.")
    ] = "",
    dataset: options.DatasetOption = "",
    seed: Annotated[str, typer.Option(help="Seeds instead of the suite's, comma-separated.")] = "",
    limit_users: options.LimitUsersOption = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time, each in its own process.")] = 1,
    executor: options.ExecutorOption = "",
    threads: Annotated[
        int, typer.Option(min=1, help="Threads of one run; part of its identity.")
    ] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "cpu",
    overwrite: Annotated[
        Literal["never", "failed", "always"],
        typer.Option(help="Which finished runs are done again."),
    ] = "never",
    confine: options.ConfineOption = False,
    out: options.StoreOption = Path("runs"),
    data: options.DataFolderOption = Path("data"),
    trust: options.TrustOption = False,
    allow_key: options.AllowKeyOption = None,  # noqa: ARG001
    dry_run: Annotated[bool, typer.Option(help="Show what would run, and stop.")] = False,
    leaderboards: Annotated[
        Path, typer.Option(help="Tables, plots and the page are written to LEADERBOARDS/SUITE.")
    ] = Path("leaderboards"),
) -> None:
    """Run a suite: what is complete is kept, what was interrupted is done again."""
    from rich.text import Text

    from benchkit import api
    from benchkit.report.core.text_table import wide_console

    console = wide_console()
    chosen: dict[str, Any] = {
        "methods": split_names(method) or None, "datasets": split_names(dataset),
        "seeds": parse_integers(seed, "--seed"), "limit_users": limit_users, "jobs": jobs,
        "threads": threads, "device": device, "overwrite": overwrite, "executor": executor,
        "confine": confine, "store": out, "data": data, "trust": trust,
    }  # fmt: skip
    if dry_run:
        for planned in api.plan(suite, **chosen):
            state = "left out" if planned.state == "skipped" else planned.state
            rest = f"({planned.reason})" if planned.reason else planned.run_id
            console.print(Text(f"{state:9} {planned.title}  {rest}"), soft_wrap=True)
        return

    def tell_old_failure(outcome: "Outcome") -> None:
        if outcome.manifest.status == "failed" and not outcome.computed:
            line = f" {outcome.job.title}, earlier: {outcome.manifest.error}"
            console.print(Text("failed", "red").append(line, "default"), soft_wrap=True)
            console.print("  do it again with --overwrite failed", highlight=False)

    with api.show_progress(console) as handler:
        results = api.run(suite, **chosen, progress=handler, on_outcome=tell_old_failure)
    report = results.run_report
    for line in report.lines():
        console.print(Text(line), soft_wrap=True)
    results.print(console)
    for path in results.write(leaderboards):
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)
    options.exit_if_damaged(results.collected.damaged_rows)
    if report.n_failed:
        raise typer.Exit(1)

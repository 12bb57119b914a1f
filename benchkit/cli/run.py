"""benchkit run"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchkit.cli import options
from benchkit.cli.csv_option import parse_integers, split_names
from benchkit.cli.data.downloads import print_downloads
from benchkit.cli.engine_options import TrackerOption
from benchkit.console import echo_files

if TYPE_CHECKING:
    from benchkit.runs.job import Outcome


def run_command(
    suite: options.SuiteOption,
    method: options.AnyMethodsOption = "",
    dataset: options.DatasetOption = "",
    seed: Annotated[str, typer.Option(help="Seeds instead of the suite's, comma-separated.")] = "",
    limit_users: options.LimitUsersOption = None,
    demo: options.DemoOption = False,
    demo_users: options.DemoUsersOption = 300,
    jobs: options.JobsOption = 1,
    executor: options.ExecutorOption = "",
    executor_option: options.ExecutorOptionsOption = None,
    threads: options.ThreadsOption = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "cpu",
    overwrite: options.OverwriteOption = "never",
    confine: options.ConfineOption = False,
    profile: options.ProfileOption = "auto",
    change: options.ChangeOption = None,
    out: options.StoreOption = Path("runs"),
    data: options.DataFolderOption = Path("data"),
    fetch: options.FetchOption = True,
    trust: options.TrustOption = False,
    allow_key: options.AllowKeyOption = None,  # noqa: ARG001
    dry_run: Annotated[bool, typer.Option(help="Show what would run, and stop.")] = False,
    tracker: TrackerOption = "",
    leaderboards: options.LeaderboardsOption = Path("leaderboards"),
) -> None:
    """Run a suite: what is complete is kept, what was interrupted is done again."""
    from rich.text import Text

    from benchkit import api
    from benchkit.api.live_leaderboard import LiveLeaderboard
    from benchkit.api.run_report import print_old_failure
    from benchkit.config.demo import demo_name
    from benchkit.report.core.terminal_table import wide_console

    console = wide_console()
    suite = demo_name(suite, demo_users) if demo else suite
    chosen: dict[str, Any] = {
        "methods": split_names(method) or None, "datasets": split_names(dataset),
        "seeds": parse_integers(seed, "--seed"), "limit_users": limit_users, "jobs": jobs,
        "threads": threads, "device": device, "overwrite": overwrite, "executor": executor,
        "confine": confine, "profile": profile, "changes": change or (), "store": out,
        "data": data, "trust": trust, "executor_options": executor_option or (),
    }  # fmt: skip
    if dry_run:
        planned = print_downloads(api.plan(suite, **chosen))
        api.print_plan(planned, console, jobs=jobs, threads=threads, executor=executor)
        return

    live = LiveLeaderboard(out, data, leaderboards)

    def take(outcome: "Outcome") -> None:
        live.update(outcome.job.suite)
        print_old_failure(console, outcome)

    with options.say_what_is_kept(out), api.show_progress(console) as handler:
        results = api.run(
            suite, **chosen, fetch=fetch, progress=handler, on_outcome=take,
            trackers=split_names(tracker),
        )  # fmt: skip
    for line in results.run_report.lines():
        console.print(Text(line), soft_wrap=True)
    paths = results.write(leaderboards)
    results.print(console)
    echo_files(paths, err=False)
    options.exit_if_damaged(results.collected.damaged_rows)
    if results.run_report.n_failed:
        raise typer.Exit(1)

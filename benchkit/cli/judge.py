"""benchkit judge"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchkit.cli import engine_options, options
from benchkit.cli.csv_option import split_names
from benchkit.console import echo

if TYPE_CHECKING:
    from benchkit.judging.runner import JudgeResult


def judge_command(
    suite: Annotated[str, typer.Option(help="A suite that was run: a name, or its TOML file.")],
    by: Annotated[
        str, typer.Option(help="A judge by name or FILE.py:Class, instead of the suite's judges.")
    ] = "",
    config: options.JudgeConfigOption = None,
    rubric: Annotated[
        str, typer.Option(help="Its rubric: a name, or a TOML file (`benchkit ls rubrics`).")
    ] = "",
    replies: engine_options.RepliesOption = None,
    label: Annotated[str, typer.Option(help="What it is called in tables.")] = "",
    cases: Annotated[
        int | None, typer.Option(min=1, help="Cases of a task, the same for every method.")
    ] = None,
    method: options.MethodsOption = "",
    dataset: options.DatasetOption = "",
    limit_users: options.LimitUsersOption = None,
    batch: engine_options.BatchOption = False,
    executor: engine_options.EngineExecutorOption = "",
    executor_option: engine_options.EngineExecutorOptionsOption = None,
    estimate: options.EstimateOption = False,
    probe: options.ProbeOption = None,
    again: Annotated[
        bool, typer.Option(help="Judge again, even where a verdict is stored.")
    ] = False,
    trust: options.TrustOption = False,
    allow_key: options.AllowKeyOption = None,  # noqa: ARG001
    out: options.StoreOption = Path("runs"),
    data: options.DataFolderOption = Path("data"),
    leaderboards: options.RenewedOption = Path("leaderboards"),
) -> None:
    """Grade the rationales of complete runs; what was judged or paid for is kept."""
    from benchkit import api
    from benchkit.api.judge_reports.probes import estimate_or_probe
    from benchkit.api.report import renew_leaderboard
    from benchkit.report.core.terminal_table import wide_console

    planned = api.plan_judging(
        suite, by=by, label=label, config=api.read_judge_settings(config, rubric, trust),
        methods=split_names(method), datasets=split_names(dataset), limit_users=limit_users,
        cases=cases, store=out, data=data, trust=trust, batch=batch, replies=replies,
        executor=executor, executor_options=executor_option or (),
    )  # fmt: skip
    console = wide_console()
    if estimate or probe is not None:
        estimate_or_probe(planned, estimate, probe, again, console, leaderboards)
        return
    for old in planned.replaced_judges():
        name = f"judge {old.label!r} (rubric {old.rubric})"
        echo(f"replaces {name} in the tables; keep both with --label")

    def print_outcome(outcome: "JudgeResult") -> None:
        for line in api.describe_judging(outcome):
            console.print(line, highlight=False, markup=True)

    with options.say_what_is_kept(out), api.show_progress(console) as handler:
        results = api.execute_judging(
            planned, again=again, data=data, progress=handler, on_outcome=print_outcome
        )
    results.print(console, only_grades=True)
    renew_leaderboard(results, leaderboards, out)
    options.exit_if_damaged(results.collected.damaged_rows)
    if results.run_report.n_failed:
        raise typer.Exit(1)

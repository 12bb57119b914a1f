"""benchkit pairs"""

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli import engine_options, options
from benchkit.cli.csv_option import split_names
from benchkit.console import echo


def pairs_command(
    suite: Annotated[str, typer.Option(help="A suite that was run: a name, or its TOML file.")],
    by: Annotated[
        str, typer.Option(help="A judge by name or FILE.py:Class, instead of the suite's judges.")
    ] = "",
    config: options.JudgeConfigOption = None,
    rubric: Annotated[
        str,
        typer.Option(
            help="Its rubric: one that asks about pairs (pair-quality, or a TOML file), or one of"
            " single answers, whose grades are then compared."
        ),
    ] = "",
    label: Annotated[str, typer.Option(help="What it is called in tables.")] = "",
    cases: Annotated[
        int | None, typer.Option(min=1, help="Cases of a task, the same for every method.")
    ] = None,
    method: options.MethodsOption = "",
    dataset: options.DatasetOption = "",
    limit_users: options.LimitUsersOption = None,
    executor: engine_options.EngineExecutorOption = "",
    executor_option: engine_options.EngineExecutorOptionsOption = None,
    estimate: options.EstimateOption = False,
    trust: options.TrustOption = False,
    allow_key: options.AllowKeyOption = None,  # noqa: ARG001
    out: options.StoreOption = Path("runs"),
    data: options.DataFolderOption = Path("data"),
    leaderboards: Annotated[
        Path,
        typer.Option(help="Where LEADERBOARDS/SUITE, if there is one, gets files pairs-JUDGE.*."),
    ] = Path("leaderboards"),
) -> None:
    """Let judges say which of two methods explains better, case by case and in both orders."""
    from benchkit import api
    from benchkit.api.judge_reports.pairs import describe_pair_costs, report_pairs
    from benchkit.report.core.terminal_table import wide_console

    planned = api.plan_judging(
        suite, by=by, label=label, config=api.read_judge_settings(config, rubric, trust),
        methods=split_names(method), datasets=split_names(dataset), limit_users=limit_users,
        cases=cases, store=out, data=data, trust=trust, executor=executor,
        executor_options=executor_option or (), for_pairs=True,
    )  # fmt: skip
    if estimate:
        for line in describe_pair_costs(planned):
            echo(line)
        return
    with options.say_what_is_kept(out):
        report_pairs(planned, wide_console(), leaderboards)

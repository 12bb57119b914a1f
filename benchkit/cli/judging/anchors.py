"""benchkit anchors"""

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli import options
from benchkit.cli.csv_option import split_names
from benchkit.console import echo


def anchors_command(
    file: Annotated[Path, typer.Argument(help="The anchors, with what versions said.")],
    suite: Annotated[
        str, typer.Option(help="Draw anchors from this suite's runs, into a new FILE.")
    ] = "",
    n: Annotated[int, typer.Option(min=2, help="How many anchors are drawn.")] = 50,
    by: Annotated[str, typer.Option(help="The judge, by name or FILE.py:Class.")] = "",
    config: options.JudgeConfigOption = None,
    rubric: Annotated[
        str, typer.Option(help="Its rubric: a name, or a TOML file (`benchkit ls rubrics`).")
    ] = "",
    name: Annotated[
        str, typer.Option(help="What this version is called; by default its models and the time.")
    ] = "",
    max_shift: Annotated[
        float, typer.Option(min=0, help="A mean grade that moved by more is a drift.")
    ] = 0.25,
    min_kappa: Annotated[
        float, typer.Option(max=1, help="A lower agreement of two versions is a drift.")
    ] = 0.8,
    method: options.MethodsOption = "",
    dataset: options.DatasetOption = "",
    limit_users: options.LimitUsersOption = None,
    device: Annotated[str, typer.Option(help="For a model in this process.")] = "cpu",
    trust: options.TrustOption = False,
    allow_key: options.AllowKeyOption = None,  # noqa: ARG001
    out: options.StoreOption = Path("runs"),
    data: options.DataFolderOption = Path("data"),
) -> None:
    """Let a new version of a judge grade the same answers again, and say how far it moved."""
    from benchkit import api
    from benchkit.api.judge_reports import anchors as reports
    from benchkit.data.dataset_statistics import mark_synthetic
    from benchkit.report.core.terminal_table import print_tables, wide_console

    if suite and file.exists():
        raise typer.BadParameter(f"{file} has anchors already: leave it out", param_hint="--suite")
    settings = api.read_judge_settings(config, rubric, trust)
    drawn = None
    if suite:
        planned = api.plan_judging(
            suite, by=by, config=settings, methods=split_names(method), store=out, data=data,
            datasets=split_names(dataset), limit_users=limit_users, trust=trust,
        )  # fmt: skip
        job, drawn, available = reports.draw_from_plan(planned, n)
        fewer = f", fewer than the {n:,} of --n" if len(drawn.anchors) < n else ""
        echo(f"{file}: {len(drawn.anchors):,} anchors of {available:,} answers to judge{fewer}")
    else:
        job = reports.make_anchor_judge(by, "", settings)
    limits = reports.DriftLimits(max_shift, min_kappa)
    report = reports.grade_anchors(
        file, job, drawn, name=name, store=out, device=device, limits=limits
    )
    if not report.drifts:
        line = f"{file}: the first version; call it again with the next one"
        echo(mark_synthetic(line) if report.is_synthetic else line)
        for caveat in report.caveats:
            echo(f"judge: {caveat}")
    print_tables(wide_console(), report.tables())
    if any(drift.warnings for drift in report.drifts):
        echo("the judge drifted: see above", fg="yellow", err=True)
        raise typer.Exit(1)

"""benchkit abtest"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from benchkit.cli import options
from benchkit.console import echo_file


def abtest_command(
    control: options.ControlOption = "",
    treatment: Annotated[
        list[str] | None, typer.Option(help="The same of a treatment; may be repeated.")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="A file with columns arm, impressions, clicks and maybe conversions."),
    ] = None,
    level: Annotated[
        float, typer.Option(min=0.5, max=0.9999, help="Confidence level of the intervals.")
    ] = 0.95,
    tau: options.TauOption = 0.01,
    plan: Annotated[bool, typer.Option(help="Say how many impressions an arm needs.")] = False,
    baseline: Annotated[float | None, typer.Option(help="--plan: rate of the control.")] = None,
    lift: Annotated[
        float | None, typer.Option(help="--plan: relative lift to detect, e.g. .05.")
    ] = None,
    power: Annotated[float, typer.Option(help="--plan: probability to detect it.")] = 0.8,
    alpha: Annotated[float, typer.Option(help="--plan: level of the test.")] = 0.05,
    one_sided: Annotated[bool, typer.Option(help="--plan: use a one-sided test.")] = False,
    paper: Annotated[
        Literal["c-apo", "twice-rec"] | None,
        typer.Option(help="Compute a paper's figures again from its counts."),
    ] = None,
    format_: Annotated[
        Literal["terminal", "md", "csv", "json"], typer.Option("--format", help="How to print it.")
    ] = "terminal",
) -> None:
    """Analyse or plan an A/B test of click-through and conversion rates."""
    from benchkit.api.abtest import ABTestReport
    from benchkit.errors import ConfigError
    from benchkit.report.core.terminal_table import print_document, wide_console

    chosen = [
        name
        for name, value in (
            ("--plan", plan), ("--paper", paper), ("--csv", csv), ("--treatment", treatment),
        )
        if value
    ]  # fmt: skip
    if len(chosen) != 1:
        raise ConfigError(
            f"{' and '.join(chosen)} cannot go together" if chosen else "nothing to analyse",
            "--control C/N --treatment C/N, or --csv FILE, or --plan --baseline P --lift L, or"
            " --paper c-apo",
        )
    if paper is not None:
        report = ABTestReport.of_paper(paper)
    elif plan:
        report = ABTestReport.of_plan(baseline, lift, power, alpha, one_sided)
    elif csv is not None:
        report = ABTestReport.of_file(csv, control, level, tau)
    else:
        report = ABTestReport.of_counts(control, treatment or [], level, tau)
    if format_ == "terminal":
        print_document(wide_console(), report.document)
    else:
        echo_file(report.render(format_))

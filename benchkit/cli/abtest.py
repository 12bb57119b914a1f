"""benchkit abtest"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from benchkit.report.grid import Document


class Format(StrEnum):
    """What an A/B test can be printed as."""

    terminal = "terminal"
    md = "md"
    csv = "csv"
    json = "json"


class Paper(StrEnum):
    """Papers whose online test can be computed again from its printed counts."""

    c_apo = "c-apo"
    twice_rec = "twice-rec"


def abtest(
    control: Annotated[
        str,
        typer.Option(
            help="CLICKS/IMPRESSIONS, or CLICKS/IMPRESSIONS/CONVERSIONS; with --csv the name of"
            " the arm, the first one when left out."
        ),
    ] = "",
    treatment: Annotated[
        list[str] | None, typer.Option(help="The same of a treatment; may be repeated.")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="A file with columns arm, impressions, clicks and maybe conversions."),
    ] = None,
    level: Annotated[float, typer.Option(min=0.5, max=0.9999, help="Of intervals.")] = 0.95,
    tau: Annotated[
        float,
        typer.Option(help="Always-valid test: the difference of rates that it is tuned to."),
    ] = 0.01,
    plan: Annotated[bool, typer.Option(help="Say how many impressions an arm needs.")] = False,
    baseline: Annotated[float | None, typer.Option(help="--plan: rate of the control.")] = None,
    lift: Annotated[
        float | None, typer.Option(help="--plan: relative lift to find, e.g. .05.")
    ] = None,
    power: Annotated[float, typer.Option(help="--plan: chance to find it.")] = 0.8,
    alpha: Annotated[float, typer.Option(help="--plan: level of the test.")] = 0.05,
    one_sided: Annotated[bool, typer.Option(help="--plan: of a one-sided test.")] = False,
    paper: Annotated[
        Paper | None, typer.Option(help="Compute a paper's figures again from its counts.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.terminal,
) -> None:
    """Analyse or plan an A/B test of click-through and conversion rates."""
    from benchkit.errors import ConfigError
    from benchkit.report import abtest_published, abtest_text
    from benchkit.report.abtest import analyse, arm_of, plan_test, read_arms

    given = [
        name
        for name, there in (
            ("--plan", plan),
            ("--paper", paper is not None),
            ("--csv", csv is not None),
            ("--treatment", bool(treatment)),
        )
        if there
    ]
    if len(given) != 1:
        raise ConfigError(
            f"{' and '.join(given)} cannot go together" if given else "nothing to analyse",
            "--control C/N --treatment C/N, or --csv FILE, or --plan --baseline P --lift L, or"
            " --paper c-apo",
        )
    if paper is not None:
        checks = abtest_published.check(paper.value)
        _print(abtest_text.published_document(checks), abtest_text.PUBLISHED, checks, format_)
        return
    if plan:
        if baseline is None or lift is None:
            raise ConfigError("--plan needs the rate of the control and a lift",
                              "--plan --baseline .09 --lift .05")  # fmt: skip
        planned = plan_test(baseline, lift, power, alpha, one_sided)
        _print(abtest_text.planned_document(planned), abtest_text.PLANNED, planned, format_)
        return
    if csv is not None:
        first, others = read_arms(csv, control)
    else:
        if not control:
            raise ConfigError("--treatment has nothing to be compared with", "--control C/N")
        texts = treatment or []
        first = arm_of(control, "control")
        others = [
            arm_of(text, "treatment" if len(texts) == 1 else f"treatment {i}")
            for i, text in enumerate(texts, start=1)
        ]
    analysis = analyse(first, others, level, tau)
    _print(abtest_text.analysis_document(analysis), abtest_text.ANALYSED, analysis, format_)


def _print(
    document: "Document", formats: Mapping[str, Callable[[Any], str]], found: Any, format_: Format
) -> None:
    """On the terminal, or as the text of a format."""
    from benchkit.report.terminal import wide_console

    if format_ is Format.terminal:
        document.show(wide_console())
    else:
        typer.echo(formats[format_.value](found), nl=False)

"""benchkit abtest"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from benchkit.report.core.text_table import TableDocument


class AbtestFormat(StrEnum):
    """What an A/B test can be printed as."""

    terminal = "terminal"
    md = "md"
    csv = "csv"
    json = "json"


class PublishedTest(StrEnum):
    """Papers whose online test can be computed again from its printed counts."""

    c_apo = "c-apo"
    twice_rec = "twice-rec"


def abtest_command(
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
        PublishedTest | None, typer.Option(help="Compute a paper's figures again from its counts.")
    ] = None,
    format_: Annotated[
        AbtestFormat, typer.Option("--format", help="How to print it.")
    ] = AbtestFormat.terminal,
) -> None:
    """Analyse or plan an A/B test of click-through and conversion rates."""
    from benchkit.errors import ConfigError
    from benchkit.report.abtest import published_tests, rendering
    from benchkit.report.abtest.analysis import (
        analyse_abtest,
        parse_arm,
        plan_sample_size,
        read_arms,
    )

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
        checks = published_tests.check_published_test(paper.value)
        _print_document(
            rendering.published_test_document(checks),
            rendering.PUBLISHED_TEST_FORMATS,
            checks,
            format_,
        )
        return
    if plan:
        if baseline is None or lift is None:
            raise ConfigError("--plan needs the rate of the control and a lift",
                              "--plan --baseline .09 --lift .05")  # fmt: skip
        planned = plan_sample_size(baseline, lift, power, alpha, one_sided)
        _print_document(
            rendering.sample_size_document(planned), rendering.SAMPLE_SIZE_FORMATS, planned, format_
        )
        return
    if csv is not None:
        first, others = read_arms(csv, control)
    else:
        if not control:
            raise ConfigError("--treatment has nothing to be compared with", "--control C/N")
        texts = treatment or []
        first = parse_arm(control, "control")
        others = [
            parse_arm(text, "treatment" if len(texts) == 1 else f"treatment {i}")
            for i, text in enumerate(texts, start=1)
        ]
    analysis = analyse_abtest(first, others, level, tau)
    _print_document(
        rendering.analysis_document(analysis), rendering.ANALYSIS_FORMATS, analysis, format_
    )


def _print_document(
    document: "TableDocument",
    formats: Mapping[str, Callable[[Any], str]],
    found: Any,
    format_: AbtestFormat,
) -> None:
    """On the terminal, or as the text of a format."""
    from benchkit.report.core.text_table import wide_console

    if format_ is AbtestFormat.terminal:
        document.print(wide_console())
    else:
        typer.echo(formats[format_.value](found), nl=False)

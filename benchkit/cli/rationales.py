"""benchkit rationales"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchkit.cli import engine_options, options
from benchkit.console import VisibleConsole, echo

if TYPE_CHECKING:
    from benchkit.lm.teachers.base import Rationale


def rationales_command(
    suite: options.SuiteOption,
    dataset: options.OneDatasetOption = "",
    config: options.TeacherOption = None,
    batch: engine_options.BatchOption = False,
    executor: engine_options.EngineExecutorOption = "",
    executor_option: engine_options.EngineExecutorOptionsOption = None,
    estimate: Annotated[
        bool, typer.Option(help="Print calls, tokens and cost, at most, and ask nothing.")
    ] = False,
    negatives: Annotated[
        int, typer.Option(min=0, help="Explain so many items not interacted with, too.")
    ] = 0,
    candidates: Annotated[
        int, typer.Option(min=2, help="Items that a question lists, the target among them.")
    ] = 30,
    validation_cases: Annotated[
        int, typer.Option(min=0, help="Also explain so many validation targets.")
    ] = 300,
    limit_users: options.TrainingUsersOption = None,
    seed: Annotated[int, typer.Option(help="Seed of the candidates and negatives.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="The JSON-lines file, which a `file` teacher reads.")
    ] = None,
    triplets: Annotated[
        Path | None,
        typer.Option(help="Preferences as JSON lines, which preference methods train on."),
    ] = None,
    device: Annotated[str, typer.Option(help="For a model in this process.")] = "cpu",
    trust: options.TrustOption = False,
    allow_key: options.AllowKeyOption = None,  # noqa: ARG001
    data: options.DataFolderOption = Path("data"),
    cache: engine_options.AnswersFolderOption = Path("runs/.cache"),
) -> None:
    """Write rationales and coherence scores to train with.

    A teacher explains each user's last training interaction, negatives, and the targets of
    validation cases. What a language model has answered is kept: after an interruption run the
    same command again.
    """
    from benchkit.api.rationales import plan_rationales

    if out is None and triplets is None and not estimate:
        raise typer.BadParameter("name a file to write, or ask for an --estimate")
    if triplets is not None and not negatives:
        raise typer.BadParameter("--triplets needs --negatives")
    only_preferences = out is None and triplets is not None  # they are for training alone
    job = plan_rationales(
        suite, dataset, teacher=config, negatives=negatives, candidates=candidates,
        validation_cases=0 if only_preferences else validation_cases, limit_users=limit_users,
        seed=seed, device=device, data=data, cache=cache, trust=trust, batch=batch,
        executor=executor, executor_options=executor_option or (), note=lambda t: echo(t, err=True),
    )  # fmt: skip
    for line in job.describe():
        echo(line)
    if not estimate:
        for line in job.write(out, triplets, _track):
            echo(line)


def _track(rationales: "Iterable[Rationale]", total: int) -> "Iterable[Rationale]":
    from rich.progress import track

    console = VisibleConsole(stderr=True)
    return track(rationales, "writing", total, console=console, disable=not console.is_terminal)

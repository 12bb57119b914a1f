"""benchkit teach"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from benchkit.data.dataset import TrainData
    from benchkit.data.spec import DatasetSpec
    from benchkit.lm.teachers import Rationale, Teacher, TeacherConfig
    from benchkit.lm.types import Engine
    from benchkit.training.preference.examples import Preference


def rationales_command(
    suite: Annotated[str, typer.Option(help="A suite by name, or the path of a TOML file.")],
    dataset: Annotated[
        str, typer.Option(help="The dataset; not needed if the suite has only one.")
    ] = "",
    config: Annotated[
        Path | None, typer.Option(help="The teacher as TOML; the offline template if not given.")
    ] = None,
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
        int,
        typer.Option(
            min=0, help="Explain the targets of so many, too: weights are selected by them."
        ),
    ] = 300,
    limit_users: Annotated[
        int | None, typer.Option(min=1, help="Only so many users to train on.")
    ] = None,
    seed: Annotated[int, typer.Option(help="What candidates and negatives are drawn with.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="The JSON-lines file, which a `file` teacher reads.")
    ] = None,
    triplets: Annotated[
        Path | None,
        typer.Option(help="Preferences as JSON lines, which preference methods train on."),
    ] = None,
    device: Annotated[str, typer.Option(help="For a model in this process.")] = "cpu",
    data: Annotated[Path, typer.Option(help="Where prepared datasets are kept.")] = Path("data"),
    cache: Annotated[
        Path, typer.Option(help="Where item vectors and answers are kept between calls.")
    ] = Path("runs/cache"),
) -> None:
    """Write rationales and coherence scores to train with.

    Asked for are each user's last training interaction, given what came before, and negatives; and
    the targets of validation cases. What a language model has answered is kept: after an
    interruption run the same command again.
    """
    from benchkit.data.preparation.cache import load_or_prepare
    from benchkit.lm.teachers import build_training_questions, make_teacher
    from benchkit.training.core.example_builder import validation_questions
    from benchkit.training.preference.examples import group_preferences

    if out is None and triplets is None and not estimate:
        raise typer.BadParameter("name a file to write, or ask for an --estimate")
    if triplets is not None and not negatives:
        raise typer.BadParameter("--triplets needs --negatives")
    settings = _load_teacher_config(config)
    view = load_or_prepare(_select_dataset(suite, dataset), data).train_view()
    teacher = make_teacher(settings, cache, _make_engine_factory(view, cache, device, seed))
    training = build_training_questions(
        view, negatives=negatives, candidates=candidates, seed=seed, limit=limit_users
    )
    # Preferences are for training alone.
    cases = [] if out is None and triplets else view.validation
    questions = [*training, *validation_questions(cases, validation_cases)]
    typer.echo(f"{teacher.name}: {teacher.caveat}")
    typer.echo(
        f"{len(training):,} questions of training and {len(questions) - len(training):,} of"
        f" validation, {teacher.estimate(questions, view.catalog)}"
    )
    if estimate:
        return
    told: Iterable[Rationale] = _track_progress(
        teacher.write(questions, view.catalog), len(questions)
    )
    if triplets is not None:
        told = list(told)  # it is read twice
        _write_triplets(triplets, group_preferences(training, told[: len(training)]), teacher)
    if out is not None:
        _write_rationales(out, told, teacher, len(questions))


def _write_rationales(
    path: Path, told: "Iterable[Rationale]", teacher: "Teacher", asked: int
) -> None:
    from benchkit.lm.teachers import write_rationales

    counts = write_rationales(path, told, teacher)
    listed = ", ".join(f"{count:,} {status}" for status, count in counts.most_common())
    typer.echo(f"{listed}; wrote {path}")
    if counts["ok"] < asked:
        typer.secho(
            f"{asked - counts['ok']:,} questions have no rationale; answers that could"
            " not be used are asked for again by the same command",
            fg="yellow",
        )


def _write_triplets(path: Path, found: "list[Preference]", teacher: "Teacher") -> None:
    """Write all preferences, and say how many a method keeps that ranks them."""
    from benchkit.training.preference.examples import rank_rejected
    from benchkit.training.preference.preference_io import write_preferences

    written = write_preferences(path, found, teacher.caveat)
    _, counts = rank_rejected(found)
    typer.echo(f"preferences: {counts}; wrote all {written:,} to {path}")


def _load_teacher_config(path: Path | None) -> "TeacherConfig":
    """The teacher of a TOML file; paths in it are relative to its folder."""
    from pydantic import TypeAdapter

    from benchkit.config.loading import read_toml, validate_model
    from benchkit.lm.teachers import TeacherConfig, TemplateTeacherConfig

    if path is None:
        return TemplateTeacherConfig()
    values = read_toml(path)
    for name in ("path", "prompt"):
        if str(values.get(name, "")).endswith((".toml", ".jsonl")):
            values[name] = str(path.resolve().parent / values[name])
    teacher: TeacherConfig = validate_model(TypeAdapter(TeacherConfig), values, str(path))
    return teacher


def _select_dataset(suite: str, name: str) -> "DatasetSpec":
    from benchkit.config.suite import load_suite
    from benchkit.errors import unknown_name_error

    known = {spec.name: spec for spec in load_suite(suite).datasets}
    if not name and len(known) == 1:
        return next(iter(known.values()))
    if name not in known:
        raise unknown_name_error("dataset", name, known)
    return known[name]


def _make_engine_factory(
    view: "TrainData", cache: Path, device: str, seed: int
) -> Callable[[Mapping[str, Any]], "Engine"]:
    """Makes engines from settings."""
    from benchkit.lm.backbones import make_engine_from_settings
    from benchkit.runs.progress import SilentProgress
    from benchkit.types import RunContext

    run = RunContext(
        seed, view.catalog, cache / "teach", SilentProgress(), cache=cache, device=device
    )
    return lambda settings: make_engine_from_settings(settings, view, run)


def _track_progress(rationales: "Iterable[Rationale]", total: int) -> "Iterator[Rationale]":
    """The same rationales, with a bar on a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(rationales, "writing", total, console=console, disable=not console.is_terminal)

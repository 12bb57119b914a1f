"""Write rationales and coherence scores to train with."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from benchkit.api.catalog import select_datasets
from benchkit.config.loading import read_toml, validate_model
from benchkit.config.suite import load_suite
from benchkit.config.suite_code import check_code
from benchkit.count_text import count_text
from benchkit.data.preparation.cache import load_or_prepare
from benchkit.data.request_batch import TrainData
from benchkit.data.spec import DatasetSpec
from benchkit.errors import ConfigError
from benchkit.key_access import check_keys
from benchkit.lm.data_parallel.engine_factory import (
    EngineFactory,
    make_chosen_engine,
    use_engine_factory,
)
from benchkit.lm.engines.batch_settings import ask_by_batches, batch_shares
from benchkit.lm.teachers import TeacherConfig, make_teacher
from benchkit.lm.teachers.base import Rationale, Teacher, TeacherQuestion
from benchkit.lm.teachers.llm import LLMTeacherConfig
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.lm.teachers.rationale_file import write_rationales
from benchkit.lm.teachers.sentence_encoder import check_encoder
from benchkit.lm.teachers.template import TemplateTeacherConfig
from benchkit.lm.types import Engine
from benchkit.runs.executors import choose_engines
from benchkit.runs.progress import NoteProgress
from benchkit.training.core.example_builder import validation_questions
from benchkit.training.preference.examples import group_preferences, rank_rejected
from benchkit.training.preference.preference_io import write_preferences
from benchkit.types import Progress, RunContext

_CACHE = Path("runs/.cache")  # of the store that runs are in by default
_FORMER_CACHE = Path("runs/cache")


@dataclass(frozen=True)
class RationaleJob:
    """Questions for a teacher, and the teacher that answers them.

    Attributes:
        teacher: Who writes the rationales.
        view: The training data that the questions are about.
        training: Questions on training interactions and on negatives.
        validation: Questions on the targets of validation cases.
        engines: What makes the teacher's engine; None for one of this process.
    """

    teacher: Teacher
    view: TrainData
    training: tuple[TeacherQuestion, ...]
    validation: tuple[TeacherQuestion, ...]
    engines: EngineFactory | None = None

    def describe(self) -> Iterator[str]:
        """Yield what is asked of whom, and what it would cost at most."""
        with use_engine_factory(self.engines):
            yield from self._describe()

    def _describe(self) -> Iterator[str]:
        questions = [*self.training, *self.validation]
        yield f"{self.teacher.name}: {self.teacher.caveat}"
        yield (
            f"{count_text(len(self.training), 'question')} of training and"
            f" {len(self.validation):,} of validation,"
            f" {self.teacher.estimate(questions, self.view.catalog)}"
        )
        for share in batch_shares(getattr(self.teacher, "engine_settings", {})):
            yield f"by the Batch endpoint, at {share:.0%} of the prices"

    def write(
        self,
        rationales: Path | None,
        triplets: Path | None,
        track: Callable[[Iterable[Rationale], int], Iterable[Rationale]] = lambda parts, _: parts,
    ) -> Iterator[str]:
        """Ask the teacher, write the files, and yield what was written.

        Args:
            rationales: JSON lines for a `file` teacher; None writes none.
            triplets: Preferences as JSON lines; None writes none.
            track: Wraps the rationales as they come, e.g. to show progress.
        """
        with use_engine_factory(self.engines):
            yield from self._write(rationales, triplets, track)

    def _write(
        self,
        rationales: Path | None,
        triplets: Path | None,
        track: Callable[[Iterable[Rationale], int], Iterable[Rationale]],
    ) -> Iterator[str]:
        questions = [*self.training, *self.validation]
        answers = track(self.teacher.write(questions, self.view.catalog), len(questions))
        if triplets is not None:
            answers = list(answers)  # it is read twice
            preferences = group_preferences(self.training, answers[: len(self.training)])
            count = write_preferences(triplets, preferences, self.teacher.caveat)
            _, preference_counts = rank_rejected(preferences)
            yield f"preferences: {preference_counts}; wrote all {count:,} to {triplets}"
        if rationales is not None:
            counts = write_rationales(rationales, answers, self.teacher)
            states = ", ".join(f"{count:,} {status}" for status, count in counts.most_common())
            yield f"{states}; wrote {rationales}"
            if missing := len(questions) - counts["ok"]:
                yield (
                    f"no rationale for {count_text(missing, 'question')}; answers that could not"
                    " be used are asked for again by the same command"
                )


def plan_rationales(
    suite: str,
    dataset: str = "",
    *,
    teacher: Path | None = None,
    negatives: int = 0,
    candidates: int = 30,
    validation_cases: int = 300,
    limit_users: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    data: Path = Path("data"),
    cache: Path = _CACHE,
    trust: bool = False,
    batch: bool = False,
    executor: str = "",
    executor_options: Iterable[str] = (),
    note: Callable[[str], object] = lambda _: None,
) -> RationaleJob:
    """Build the questions that a teacher answers; nothing is asked yet.

    Asked for are each user's last training interaction, given what came before, and negatives; and
    the targets of validation cases.

    Args:
        suite: A suite by name, or the path of a TOML file.
        dataset: One of its datasets; optional when the suite has one.
        teacher: Settings as TOML; the offline template teacher when None.
        negatives: Items without interaction that are explained, too, per user.
        candidates: Items that a question lists, the target among them.
        validation_cases: How many validation targets to explain.
        limit_users: Only so many users to train on.
        seed: Of the draws of candidates and negatives.
        device: For a model in this process.
        data: Folder of the prepared datasets.
        cache: Folder of item vectors and answers, kept between calls: that of a store, whose runs
            then find them.
        trust: Let code run that a file names, wherever the file is from.
        batch: Ask the teacher's server by the Batch endpoint: at half the price, within a day.
        executor: Where the teacher's language model is asked: "inline", in this process, or "ray",
            in several at once on a cluster. The rationales and the stored answers are the same.
        executor_options: Options of ray, e.g. ["address=auto", "actors=8"].
        note: Receives, in words, how batches and requests to other processes stand.

    Raises:
        ConfigError: A name or a setting is wrong.
    """
    if cache == _CACHE and _FORMER_CACHE.is_dir():
        note(f"answers to an earlier version are in {_FORMER_CACHE}: --cache {_FORMER_CACHE}")
    engines = choose_engines(executor, tuple(executor_options))
    config = read_teacher_config(teacher, trust, batch)
    check_keys(config)
    if engines is not None and isinstance(config, LLMTeacherConfig):
        size = engines.scale_batch(config.engine, config.batch)
        config = config.model_copy(update={"batch": size})
    view = load_or_prepare(_select_dataset(suite, dataset, trust), data).train_view()
    if isinstance(config, TemplateTeacherConfig):
        check_encoder(config.encoder, device)
    make_engine = _make_engine_factory(view, cache, device, seed, NoteProgress(note))
    rationale_teacher = make_teacher(config, cache, make_engine, device)
    training = build_training_questions(
        view, negatives=negatives, candidates=candidates, seed=seed, limit=limit_users
    )
    validation = validation_questions(view.validation, validation_cases)
    return RationaleJob(rationale_teacher, view, tuple(training), tuple(validation), engines)


def read_teacher_config(
    path: Path | None, trust: bool = False, batch: bool = False
) -> TeacherConfig:
    """Read a teacher's settings; paths in the file are relative to its folder.

    Args:
        path: TOML; None is the offline template teacher.
        trust: Let code run that the file names, wherever the file is from.
        batch: Ask its server by the Batch endpoint.
    """
    values = {} if path is None else read_toml(path)
    if batch:
        values = ask_by_batches(values, "the teacher")
    if path is None:
        return TemplateTeacherConfig()
    check_code(path, values, trust=trust)
    for name in ("path", "prompt"):
        if str(values.get(name, "")).endswith((".toml", ".jsonl")):
            values[name] = str(path.resolve().parent / values[name])
    config: TeacherConfig = validate_model(
        TypeAdapter(TeacherConfig), values, str(path), hint="correct the teacher's file"
    )
    return config


def _select_dataset(suite: str, name: str, trust: bool) -> DatasetSpec:
    if not name:
        datasets = load_suite(suite, trust=trust).datasets
        if len(datasets) == 1:
            return datasets[0]
        known = ", ".join(dataset.name for dataset in datasets)
        raise ConfigError(f"suite {suite!r} has several datasets", f"name one of: {known}")
    return select_datasets(suite, [name], trust)[0]


def _make_engine_factory(
    view: TrainData, cache: Path, device: str, seed: int, progress: Progress
) -> Callable[[Mapping[str, Any]], Engine]:
    run = RunContext(seed, view.catalog, cache / "teach", progress, cache=cache, device=device)
    return lambda settings: make_chosen_engine(settings, view, run, "teacher")

"""What can be annotated: answers in stored judgements, each with what the judges made of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from benchkit.config.demo import is_demo
from benchkit.data.dataset_statistics import is_marked_synthetic
from benchkit.errors import ConfigError, DataError, StoreError
from benchkit.io import folder_name
from benchkit.judging.rubric import Criterion, Rubric
from benchkit.runs.record_values import guess_users
from benchkit.runs.records import JUDGEMENTS_SCHEMA, JudgementManifest
from benchkit.runs.store import Run, Store

_COLUMNS = ("case_id", "item", "title", "target", "target_title", "rationale", "history", "stage",
            "grades")  # fmt: skip


@dataclass(frozen=True, slots=True)
class GradedAnswer:
    """One answer that was shown to judges."""

    suite: str
    task: str
    method: str
    run_id: str
    case_id: str
    item: str
    title: str
    target: str
    target_title: str
    rationale: str
    history: tuple[str, ...]
    """A line an event, oldest first; all of it, of which a judge may have been shown only the end,
    and reviews only in part."""
    grades: dict[str, dict[str, float]]
    """Judge -> criterion -> grade; a judge that left the answer unscored has no grades."""
    user: str = ""
    """Whose case it is."""

    @property
    def key(self) -> tuple[str, ...]:
        """What identifies it; two judges may have been shown two answers to a case."""
        return (
            self.suite, self.task, self.method, self.run_id, self.case_id, self.item, self.rationale
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunJudgement:
    """A complete judgement of a run by one judge."""

    run: Run
    manifest: JudgementManifest
    method: str
    rubric: Rubric
    is_synthetic: bool = False
    """Whether the data of the suite are generated."""


@dataclass(frozen=True)
class Population:
    """The answers to draw from."""

    answers: tuple[GradedAnswer, ...]
    """In the order of their keys."""
    rubrics: Mapping[str, Rubric]
    """Judge -> the rubric that it graded by."""
    rubric: Rubric
    """What people grade by."""
    skipped_judges: Mapping[str, Rubric] = field(default_factory=dict)
    """Judges whose grades were not taken, with their rubrics."""

    def comparable_criteria(self, judge: str) -> tuple[Criterion, ...]:
        """Return the criteria on which the judge saw and graded what people will."""
        rubric = self.rubrics[judge]
        if rubric.shows_target != self.rubric.shows_target:
            return ()
        return tuple(c for c in self.rubric.criteria if c in rubric.criteria)


def find_judgements(
    paths: Sequence[Path], suite: str = "", judge: str = "", datasets: Sequence[str] = ()
) -> list[RunJudgement]:
    """Return the complete judgements at `paths`, in their order.

    Those of a store are in the order of the judges in the suite's plan.

    Args:
        paths: Verdict files (.parquet), folders of runs, or a store.
        suite: The suite of a store; its plan says which runs and judgements count.
        judge: Take only that judge's.
        datasets: Take only those of these tasks; all by default.

    Raises:
        ConfigError: Where a run has two judgements by the same judge, or none is of a dataset.
        StoreError: Where there is none.
    """
    judgements = [judgement for path in paths for judgement in _read_path(path, suite, judge)]
    if not judgements:
        whose = f" by {judge!r}" if judge else ""
        raise StoreError(
            f"no complete judgement{whose} in {', '.join(map(str, paths))}",
            "judge the runs first (benchkit judge), or name another judge or path",
        )
    tasks = list(dict.fromkeys(judgement.manifest.task for judgement in judgements))
    for name in datasets:
        if name not in tasks:
            raise ConfigError(
                f"no judged answer is of a dataset {name!r}", f"there are: {', '.join(tasks)}"
            )
    if datasets:
        judgements = [part for part in judgements if part.manifest.task in datasets]
    judge_ids: dict[tuple[str, str], str] = {}
    for judgement in judgements:
        manifest = judgement.manifest
        judge_id = judge_ids.setdefault((manifest.run_id, manifest.label), manifest.judge_id)
        if judge_id != manifest.judge_id:
            raise ConfigError(
                f"{judgement.run.path} holds two judgements by {manifest.label!r}",
                "name the .parquet file of one of them, or the store with --suite",
            )
    return judgements


def collect_population(
    judgements: Sequence[RunJudgement], rubric: Rubric | None = None
) -> Population:
    """Collect the answers in judgements that a person can grade by `rubric`.

    By default the rubric is that of the first judgement; judges with another are then left out.
    Where the rubric decides about wrong items by itself, they are left out: nobody has to look at
    them.

    Raises:
        ConfigError: Where a judge had several rubrics.
        DataError: Where nothing is left.
    """
    rubrics = _rubrics_of_judges(judgements)
    skipped = {}
    if rubric is None:
        rubric = judgements[0].rubric
        skipped = {label: r for label, r in rubrics.items() if r.hash != rubric.hash}
    selected = [judgement for judgement in judgements if judgement.manifest.label not in skipped]
    selected.sort(key=lambda judgement: (judgement.manifest.label, judgement.manifest.run_id))
    merged: dict[tuple[str, ...], GradedAnswer] = {}
    for judgement in selected:
        for answer in _judged_answers(judgement):
            if rubric.wrong is None or answer.item == answer.target:
                merged.setdefault(answer.key, answer).grades.update(answer.grades)
    if not merged:
        raise DataError(
            "no answer to annotate: no judge was shown any that the rubric asks about",
            "see the stages of the judgements (benchkit report), or name another rubric",
        )
    used = {label: r for label, r in rubrics.items() if label not in skipped}
    return Population(tuple(merged[key] for key in sorted(merged)), used, rubric, skipped)


def _read_path(path: Path, suite: str, judge: str) -> Iterator[RunJudgement]:
    if path.suffix == ".parquet":
        run = Run(path.parent.parent)
        manifests = [
            m for m in run.judgements() if f"{folder_name(m.label)}-{m.judge_id}" == path.stem
        ]
        if not manifests:
            raise StoreError(
                f"{path}: is no verdict file of a run", "name one of RUN/judgements/*.parquet"
            )
        yield from _select_judgements(run, manifests, judge)
    elif (path / "manifest.json").exists():
        run = Run(path)
        yield from _select_judgements(run, run.judgements(), judge)
    elif (path / "store.json").exists():
        yield from _read_plan(Store(path), suite, judge)
    else:
        raise StoreError(
            f"{path} is no verdict file, run or store",
            "name judgements (.parquet), folders of runs, or a store with --suite",
        )


def _read_plan(store: Store, suite: str, judge: str) -> Iterator[RunJudgement]:
    """Yield the judgements that the plan of a suite names."""
    plan = store.plan(suite) if suite else None
    if plan is None:
        known = ", ".join(store.suites()) or "none"
        cause = f"no suite {suite!r} in it" if suite else "which suite is not said"
        raise ConfigError(
            f"store {store.root}: {cause}", f"name it with --suite; there are: {known}"
        )
    runs = [
        store.run(plan.suite, row.task, row.label, row.run_id) for row in plan.rows if row.run_id
    ]
    for planned in plan.judges:
        for run in runs:
            if manifest := run.judgement(planned.label, planned.judge_id):
                is_synthetic = is_marked_synthetic(plan.title)
                yield from _select_judgements(run, [manifest], judge, is_synthetic)


def _select_judgements(
    run: Run, manifests: Iterable[JudgementManifest], judge: str, is_synthetic: bool = False
) -> Iterator[RunJudgement]:
    """Yield the complete ones of a run, by `judge` or by all."""
    run_manifest = run.manifest()
    if run_manifest is None:
        raise StoreError(f"{run.path}: holds no run", "name judgements inside a run store")
    for manifest in manifests:
        if manifest.status == "complete" and judge in ("", manifest.label):
            rubric = Rubric.model_validate(manifest.rubric)
            synthetic = is_synthetic or is_demo(manifest.suite)
            yield RunJudgement(run, manifest, run_manifest.label, rubric, synthetic)


def _rubrics_of_judges(judgements: Iterable[RunJudgement]) -> dict[str, Rubric]:
    rubrics: dict[str, Rubric] = {}
    for judgement in judgements:
        label = judgement.manifest.label
        if rubrics.setdefault(label, judgement.rubric).hash != judgement.rubric.hash:
            raise ConfigError(
                f"judge {label!r} had different rubrics in different runs",
                "name judgements by one rubric only",
            )
    return rubrics


def _judged_answers(judgement: RunJudgement) -> Iterator[GradedAnswer]:
    """Yield the rows of a judgement of stage `judged`."""
    manifest = judgement.manifest
    table = judgement.run.verdicts(manifest)
    if missing := [name for name in _COLUMNS if table.schema.get(name) != JUDGEMENTS_SCHEMA[name]]:
        raise StoreError(
            f"{judgement.run.path}: verdicts of {manifest.label!r}: column {missing[0]!r} is"
            " missing or of another type",
            "judge the run again",
        )
    for row in table.filter(pl.col("stage") == "judged").iter_rows(named=True):
        grades = {grade["criterion"]: grade["grade"] for grade in row["grades"]}
        yield GradedAnswer(
            manifest.suite, manifest.task, judgement.method, manifest.run_id,
            row["case_id"], row["item"], row["title"], row["target"], row["target_title"],
            row["rationale"], tuple(row["history"]), {manifest.label: grades},
            row.get("user") or guess_users([row["case_id"]])[0],
        )  # fmt: skip

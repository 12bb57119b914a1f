"""What can be annotated: exhibits of stored judgements, each with what the judges made of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from benchkit.errors import ConfigError, DataError, StoreError
from benchkit.judging.rubric import Criterion, Rubric
from benchkit.runs.records import JUDGEMENTS_SCHEMA, JudgementManifest
from benchkit.runs.store import Run, Store, slug

_NEEDED = ("case_id", "item", "title", "target", "target_title", "rationale", "history", "stage",
           "grades")  # fmt: skip


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """One answer that was shown to judges.

    history: a line an event, oldest first; all of it, of which a judge may have been shown only the
    end, and reviews only in part. grades: judge -> criterion -> grade; a judge that left the answer
    unscored is there without grades.
    """

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
    grades: dict[str, dict[str, float]]

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from all others; two judges may have been shown two answers to a case."""
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


@dataclass(frozen=True)
class Population:
    """Exhibits in the order of their keys, and the rubric that each judge graded them by.

    rubric: what people grade by. left_out: judges whose grades were not taken, with their rubrics.
    """

    answers: tuple[JudgedAnswer, ...]
    rubrics: Mapping[str, Rubric]
    rubric: Rubric
    skipped_judges: Mapping[str, Rubric] = field(default_factory=dict)

    def comparable_criteria(self, judge: str) -> tuple[Criterion, ...]:
        """Criteria on which the judge saw and graded what people will see and grade."""
        own = self.rubrics[judge]
        if own.shows_target != self.rubric.shows_target:
            return ()
        return tuple(criterion for criterion in self.rubric.criteria if criterion in own.criteria)


def find_judgements(paths: Sequence[Path], suite: str = "", judge: str = "") -> list[RunJudgement]:
    """The judgements at `paths`: verdict files (.parquet), folders of runs, or a store.

    In the order of the paths; those of a store in the order of the judges in the suite's plan.
    suite: the suite of a store; its plan says which runs and judgements count.
    judge: only that judge's. Judgements that are not complete are left out.
    Raises ConfigError or StoreError where there is none, or a run has two by the same judge.
    """
    found = [source for path in paths for source in _at(path, suite, judge)]
    if not found:
        whose = f" by {judge!r}" if judge else ""
        raise StoreError(
            f"no complete judgement{whose} in {', '.join(map(str, paths))}",
            "judge the runs first (benchkit judge), or name another judge or path",
        )
    by_run: dict[tuple[str, str], str] = {}
    for source in found:
        held = by_run.setdefault(
            (source.manifest.run_id, source.manifest.label), source.manifest.judge_id
        )
        if held != source.manifest.judge_id:
            raise ConfigError(
                f"{source.run.path} holds two judgements by {source.manifest.label!r}",
                "name the .parquet file of one of them, or the store with --suite",
            )
    return found


def collect_population(found: Iterable[RunJudgement], rubric: Rubric | None = None) -> Population:
    """The exhibits of judgements that a person can grade by `rubric`.

    By default the rubric is that of the first judgement; judges with another are then left out.
    Where the rubric decides about wrong items by itself, they are left out: nobody has to look at
    them. Raises ConfigError where a judge had several rubrics, DataError where nothing is left.
    """
    found = list(found)
    rubrics = _rubrics(found)
    left_out = {}
    if rubric is None:
        rubric = found[0].rubric
        left_out = {label: own for label, own in rubrics.items() if own.hash != rubric.hash}
    found = [source for source in found if source.manifest.label not in left_out]
    found.sort(key=lambda source: (source.manifest.label, source.manifest.run_id))
    merged: dict[tuple[str, ...], JudgedAnswer] = {}
    for exhibit in (exhibit for source in found for exhibit in _judged_answers(source)):
        if rubric.wrong is not None and exhibit.item != exhibit.target:
            continue
        first = merged.setdefault(exhibit.key, exhibit)
        first.grades.update(exhibit.grades)
    if not merged:
        raise DataError(
            "no answer to annotate: no judge was shown any that the rubric asks about",
            "see the stages of the judgements (benchkit report), or name another rubric",
        )
    taken = {label: own for label, own in rubrics.items() if label not in left_out}
    return Population(tuple(merged[key] for key in sorted(merged)), taken, rubric, left_out)


def _at(path: Path, suite: str, judge: str) -> Iterator[RunJudgement]:
    if path.suffix == ".parquet":
        run = Run(path.parent.parent)
        manifests = [m for m in run.judgements() if f"{slug(m.label)}-{m.judge_id}" == path.stem]
        if not manifests:
            raise StoreError(
                f"{path}: is no verdict file of a run", "name one of RUN/judgements/*.parquet"
            )
        yield from _sources(run, manifests, judge)
    elif (path / "manifest.json").exists():
        run = Run(path)
        yield from _sources(run, run.judgements(), judge)
    elif (path / "store.json").exists():
        yield from _from_plan(Store(path), suite, judge)
    else:
        raise StoreError(
            f"{path} is no verdict file, run or store",
            "name judgements (.parquet), folders of runs, or a store with --suite",
        )


def _from_plan(store: Store, suite: str, judge: str) -> Iterator[RunJudgement]:
    """What the plan of a suite names."""
    plan = store.plan(suite) if suite else None
    if plan is None:
        there = ", ".join(store.suites()) or "none"
        cause = f"no suite {suite!r} in it" if suite else "which suite is not said"
        raise ConfigError(
            f"store {store.root}: {cause}", f"name it with --suite; there are: {there}"
        )
    runs = [
        store.run(plan.suite, row.task, row.label, row.run_id) for row in plan.rows if row.run_id
    ]
    for planned in plan.judges:
        for run in runs:
            if manifest := run.judgement(planned.label, planned.judge_id):
                yield from _sources(run, [manifest], judge)


def _sources(
    run: Run, manifests: Iterable[JudgementManifest], judge: str
) -> Iterator[RunJudgement]:
    of_run = run.manifest()
    if of_run is None:
        raise StoreError(f"{run.path}: holds no run", "name judgements inside a run store")
    for manifest in manifests:
        if manifest.status == "complete" and judge in ("", manifest.label):
            rubric = Rubric.model_validate(manifest.rubric)
            yield RunJudgement(run, manifest, of_run.label, rubric)


def _rubrics(found: Iterable[RunJudgement]) -> dict[str, Rubric]:
    """Judge -> what it graded by."""
    rubrics: dict[str, Rubric] = {}
    for source in found:
        label = source.manifest.label
        if rubrics.setdefault(label, source.rubric).hash != source.rubric.hash:
            raise ConfigError(
                f"judge {label!r} had different rubrics in different runs",
                "name judgements by one rubric only",
            )
    return rubrics


def _judged_answers(source: RunJudgement) -> Iterator[JudgedAnswer]:
    """The rows of a judgement of stage `judged`."""
    table = source.run.verdicts(source.manifest)
    if missing := [name for name in _NEEDED if table.schema.get(name) != JUDGEMENTS_SCHEMA[name]]:
        raise StoreError(
            f"{source.run.path}: verdicts of {source.manifest.label!r}: column {missing[0]!r} is"
            " missing or of another type",
            "judge the run again",
        )
    manifest = source.manifest
    for row in table.filter(pl.col("stage") == "judged").iter_rows(named=True):
        own = {grade["criterion"]: grade["grade"] for grade in row["grades"]}
        yield JudgedAnswer(
            manifest.suite, manifest.task, source.method, manifest.run_id,
            row["case_id"], row["item"], row["title"], row["target"], row["target_title"],
            row["rationale"], tuple(row["history"]), {manifest.label: own},
        )  # fmt: skip

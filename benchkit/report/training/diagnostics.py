"""What preference training left beside a run: each step, and how its preferences were made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mode
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchkit.errors import StoreError
from benchkit.runs.records import PlannedRow
from benchkit.runs.store import Run, Store

FloatArray = NDArray[np.float64]
ModelT = TypeVar("ModelT", bound=BaseModel)


class _Line(BaseModel):
    """One micro-batch of steps.jsonl; None where a pair's response is absent.

    beyond_10: once called `saturated`.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    step: int = Field(ge=0)
    margin: tuple[float, ...] = Field(min_length=1)
    leads: float
    beyond_10: float = Field(validation_alias=AliasChoices("beyond_10", "saturated"))
    beta: float
    score_gap: tuple[float | None, ...] = ()
    weight: tuple[float | None, ...] = ()

    @model_validator(mode="after")
    def _aligned(self) -> "_Line":
        k = len(self.margin)
        if len(self.weight) != len(self.score_gap) or len(self.weight) % (k * (k + 1) // 2):
            raise ValueError(
                f"{len(self.weight)} weights and {len(self.score_gap)} score gaps are not those"
                f" of all pairs of {1 + k} responses"
            )
        return self


class _Choice(BaseModel):
    score: float | None = None


class _Preference(BaseModel):
    """What is looked at of one line of preferences.jsonl."""

    chosen: _Choice
    rejected: tuple[_Choice, ...]


class ElicitationCounts(BaseModel):
    """preferences.json: how many users were asked, and what became of their preferences.

    conflicts: share in which a rejected item scores higher than the chosen one. weak: share whose
    chosen item scores below 4.
    """

    asked: int
    incomplete: int
    tied: int
    kept: int
    conflicts: float
    weak: float


@dataclass(frozen=True)
class PreferenceConflicts:
    """C-APO's Figure 3: shares of n scored preferences.

    share: where a rejected item scores higher than the chosen one. hard, easy: of preferences with
    several rejected items, where the first, the last of these does; None where none has several.
    equal: where the best rejected item scores just as high. counts: None if no teacher was asked.
    """

    n: int
    share: float
    hard: float | None
    easy: float | None
    equal: float
    counts: ElicitationCounts | None


@dataclass(frozen=True)
class TrainingTrace:
    """Training, one entry a step; means over its micro-batches, which count alike.

    step: [n] in order. lead: [n, k] by how much the chosen response's utility leads that of each
    rejected one, in nats, without beta; NaN where a step has none. leads: [n] share of pairs in
    which it leads. beyond_10: [n] share of utilities with |beta d| > 10, where a sigmoid has no
    gradient left to speak of. beta: [n], where pairs have their own the mean. pairs: of each step
    [m, 2] score gap and weight of every pair of the chosen and a rejected response; empty where the
    loss has no weights.
    """

    step: NDArray[np.int64]
    lead: FloatArray
    lead_shares: FloatArray
    beyond_10: FloatArray
    beta: FloatArray
    pairs: tuple[FloatArray, ...]

    @property
    def margin(self) -> FloatArray:
        """[n, k] reward margins beta (d_c - d_k); where pairs have betas of their own, with the
        mean of these."""
        return self.beta[:, None] * self.lead

    @property
    def weighted(self) -> bool:
        """Whether there are weights."""
        return any(len(own) for own in self.pairs)


@dataclass(frozen=True)
class Diagnosis:
    """One run: what it is called, how it ended, its training and its preferences."""

    task: str
    label: str
    seed: int
    run_id: str
    status: str
    trace: TrainingTrace
    conflicts: PreferenceConflicts | None

    @property
    def rejected_names(self) -> tuple[str, ...]:
        """What the k rejected responses are called."""
        k = self.trace.lead.shape[1]
        if self.conflicts is not None and k == 2:
            return ("hard", "easy")
        return tuple(f"rejected {i}" for i in range(1, k + 1))


@dataclass(frozen=True)
class SuiteDiagnoses:
    """The runs of a suite with something to show, and why the others have nothing."""

    suite: str
    diagnoses: tuple[Diagnosis, ...]
    skipped: tuple[str, ...]


def diagnose_suite(store: Store, suite: str, task: str = "", label: str = "") -> SuiteDiagnoses:
    """Every run of the plan of `suite` that left a training record, of one task or label if given.

    Raises StoreError when the suite was not run, a name is not in its plan, no run has a record,
    or a record cannot be read.
    """
    plan = store.plan(suite)
    if plan is None:
        here = f"   (here: {', '.join(store.suites())})" if store.suites() else ""
        hint = f"benchkit run --suite {suite} --out {store.root}{here}"
        raise StoreError(f"store {store.root}: suite {suite!r} has not been run", hint)
    for kind, name, known in (("dataset", task, plan.tasks), ("method", label, plan.labels)):
        if name and name not in known:
            raise StoreError(
                f"suite {suite!r} was run without {kind} {name!r}", f"known: {', '.join(known)}"
            )
    found, without = [], []
    for row in plan.rows:
        if (task and row.task != task) or (label and row.label != label):
            continue
        own = _diagnosis(store, suite, row)
        if isinstance(own, str):
            seed = f" #{row.seed}" if row.seed else ""
            without.append(f"{row.task} / {row.label}{seed}: {own}")
        else:
            found.append(own)
    if not found:
        raise StoreError(
            f"suite {suite!r}: nothing to diagnose\n  " + "\n  ".join(without or ["no such row"]),
            "run a preference method, e.g. dpo or c-apo; others leave no training record",
        )
    return SuiteDiagnoses(suite, tuple(found), tuple(without))


def _diagnosis(store: Store, suite: str, row: PlannedRow) -> Diagnosis | str:
    """The diagnosis, or why there is none."""
    if row.skip_reason:
        return row.skip_reason
    run = store.run(suite, row.task, row.label, row.run_id or "")
    manifest = run.manifest()
    if manifest is None:
        return "not run"
    if not (run.artifacts / "steps.jsonl").is_file():
        if manifest.status == "complete":
            return "no preference method: it left no steps.jsonl"
        return f"{manifest.status}, and preference training had not begun"
    trace = read_trace(run.artifacts / "steps.jsonl")
    about = (row.task, row.label, row.seed, manifest.run_id, manifest.status)
    return Diagnosis(*about, trace, read_conflicts(run))


def read_trace(path: Path) -> TrainingTrace:
    """A steps.jsonl. Raises StoreError naming the line that is wrong, or when there is none.

    A last line without its end is left out: it is being written, or the run was cut off there.
    """
    lines = _lines(path, _Line)
    if not lines:
        raise StoreError(
            f"{path}: no step in it", "delete the file, and run again with --overwrite always"
        )
    steps = last_attempt(lines)
    k = max(len(line.margin) for line in lines)
    return TrainingTrace(
        step=np.array([own[0].step for own in steps]),
        lead=np.array([_column_means(own, k) for own in steps]),
        lead_shares=np.array([_mean(line.leads for line in own) for own in steps]),
        beyond_10=np.array([_mean(line.beyond_10 for line in own) for own in steps]),
        beta=np.array([_mean(line.beta for line in own) for own in steps]),
        pairs=tuple(np.concatenate([_chosen_pairs(line) for line in own]) for own in steps),
    )


def last_attempt(lines: Sequence[_Line]) -> list[list[_Line]]:
    """The micro-batches of each step, in order; what an interruption let be done twice is there
    once, as it was done last.

    Where the step falls, training was resumed there. A step that was broken off and is the first
    to be done again shows only in having more micro-batches than the others: its last ones count.
    """
    steps: dict[int, list[_Line]] = {}
    before = -1
    for line in lines:
        if line.step < before:
            steps = {step: own for step, own in steps.items() if step < line.step}
        steps.setdefault(line.step, []).append(line)
        before = line.step
    usual = mode(map(len, steps.values()))
    return [own[-usual:] for _, own in sorted(steps.items())]


def read_conflicts(run: Run) -> PreferenceConflicts | None:
    """From preferences.jsonl and preferences.json; None where preferences have no scores."""
    path, summary = run.artifacts / "preferences.jsonl", run.artifacts / "preferences.json"
    scored = []
    for own in _lines(path, _Preference) if path.is_file() else []:
        scores = [c.score for c in (own.chosen, *own.rejected) if c.score is not None]
        if own.rejected and len(scores) == 1 + len(own.rejected):
            scored.append(scores)
    if not scored:
        return None
    several = [own for own in scored if len(own) > 2]
    return PreferenceConflicts(
        n=len(scored),
        share=_mean(max(own[1:]) > own[0] for own in scored),
        hard=_mean(own[1] > own[0] for own in several) if several else None,
        easy=_mean(own[-1] > own[0] for own in several) if several else None,
        equal=_mean(max(own[1:]) == own[0] for own in scored),
        counts=_parsed(str(summary), _text(summary), ElicitationCounts)
        if summary.is_file()
        else None,
    )


def _chosen_pairs(line: _Line) -> FloatArray:
    """[m, 2]: of each example the first k pairs are those of the chosen response."""
    k = len(line.margin)
    both = np.array([line.score_gap, line.weight], dtype=float).reshape(2, -1, k * (k + 1) // 2)
    pairs = both[:, :, :k].reshape(2, -1).T
    there: FloatArray = pairs[np.isfinite(pairs).all(axis=1)]
    return there


def _column_means(lines: Sequence[_Line], k: int) -> FloatArray:
    padded = [[*line.margin, *[np.nan] * (k - len(line.margin))] for line in lines]
    return column_nan_means(np.array(padded))


def column_nan_means(rows: FloatArray) -> FloatArray:
    """[k] of [n, k]; NaN where a column has no number."""
    count = np.isfinite(rows).sum(axis=0)
    total = np.nansum(rows, axis=0)
    means: FloatArray = np.divide(total, count, out=np.full(rows.shape[1], np.nan), where=count > 0)
    return means


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _lines(path: Path, model: type[ModelT]) -> list[ModelT]:
    text = _text(path)
    whole = text[: text.rfind("\n") + 1]
    return [
        _parsed(f"{path}, line {number}", line, model)
        for number, line in enumerate(whole.split("\n"), start=1)
        if line.strip()
    ]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read: {error}", "delete it") from None


def _parsed(where: str, text: str, model: type[ModelT]) -> ModelT:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise StoreError(
            f"{where}: {name + ': ' if name else ''}{first['msg']}",
            "delete it",
        ) from None

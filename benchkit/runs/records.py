"""What is written to disk: versioned schemas of the per-case tables, the manifest and the plan."""

from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from benchkit.errors import StoreError
from benchkit.runs.progress import utc_timestamp

SCHEMA_VERSION = 3
EXTERNAL = "external"  # in the identity and the provenance of a run that benchkit did not run here

TableSchema = dict[str, pl.DataType | type[pl.DataType]]

# One row a case, of all protocols together. `status`, `scores` and `rationale` are of the scored
# protocol; `scores` and `lengths` are aligned with the frozen candidates.
# `sampled_status` and `samples` (in draw order) are of the sampled one. What a run was not asked
# is null.
PREDICTIONS_SCHEMA: TableSchema = {
    "case_id": pl.String,
    "target": pl.String,  # the answer, for whoever judges the records
    "status": pl.String,
    "scores": pl.List(pl.Float64),
    "lengths": pl.List(pl.Int64),  # tokens of each candidate, where scores are sums over them
    "samples": pl.List(
        pl.Struct(
            {"text": pl.String, "item": pl.String, "rationale": pl.String, "status": pl.String}
        )
    ),
    "sampled_status": pl.String,
    "rationale": pl.String,
    "usage": pl.String,  # JSON {protocol: {...}}, because every engine counts something else
    "history_length": pl.Int64,  # interactions that the request showed
}
# One row a case, protocol and metric.
METRICS_SCHEMA = {
    "case_id": pl.String,
    "protocol": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
}

# One row a judged case, of one judge and one run. `stage` says what decided: the rubric alone, for
# an answer that is `invalid`, `wrong` or `missing` its rationale, or else the judge (`judged`);
# nothing for one that is `unanswered`, as the method's engine failed.
# Older tables lack `user` and `named_outside`.
JUDGEMENTS_SCHEMA: TableSchema = {
    "case_id": pl.String,
    "user": pl.String,  # a user may be asked several times
    "item": pl.String,  # what was recommended; null where the answer names no candidate
    "title": pl.String,
    "target": pl.String,
    "target_title": pl.String,
    "rationale": pl.String,
    "named_outside": pl.Int64,  # items it names that the method was not shown; null without it
    "history": pl.List(pl.String),  # as it was shown, a line an event, oldest first
    "history_length": pl.Int64,
    "stage": pl.String,
    "status": pl.String,  # scored | unscored
    "reason": pl.String,  # why it is unscored, or invalid
    "grades": pl.List(pl.Struct({"criterion": pl.String, "grade": pl.Float64})),
    "text": pl.String,  # the judge's reply, as it came
    "evidence": pl.String,  # JSON {name: number} that the grade rests on
    "flags": pl.List(pl.String),
    "usage": pl.String,  # JSON
}

_ADDED_IN_SCHEMA = {
    "target": 2,
    "sampled_status": 2,
    "lengths": 2,
}  # columns of PREDICTIONS that came with a schema


def predictions_schema(version: int) -> TableSchema:
    """PREDICTIONS as it was in schema `version`."""
    return {
        name: kind
        for name, kind in PREDICTIONS_SCHEMA.items()
        if _ADDED_IN_SCHEMA.get(name, 1) <= version
    }


RunStatus = Literal["started", "complete", "failed"]


class MetricSummary(BaseModel):
    """One metric of one run, over all its cases. `low`, `high`: 95 % bootstrap interval.

    chance: exact value of a random ranking; p_chance: one-sided p of not being above it.
    Both are None for metrics that chance says nothing about.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str
    metric: str
    n: int
    mean: float
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    p_chance: float | None = None


class Manifest(BaseModel):
    """What a run was. `identity` holds everything that can change a number; its hash is `run_id`.

    row_id: the same hash without the seed: runs that differ in the seed alone share it.
    datasets: hashes of the content of `train` and `test`, which are known once they are prepared.
    caveats: what a reader must know of the row.
    cost: fit_seconds, as if nothing had been computed before; of that, what each stage takes (e.g.
        sft_stage_seconds), and reused_seconds, which were not spent here; the seconds of each
        protocol (e.g. scored_seconds); peak_memory_mb.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    run_id: str
    row_id: str
    status: RunStatus
    suite: str
    task: str
    label: str
    family: str
    seed: int
    caveats: tuple[str, ...] = ()
    identity: dict[str, Any]
    datasets: dict[str, str] = Field(default_factory=dict)
    provenance: dict[str, Any]
    started: str
    finished: str | None = None
    cost: dict[str, float] = Field(default_factory=dict)
    summary: list[MetricSummary] = Field(default_factory=list)
    error: str | None = None

    def end(self, status: RunStatus, **fields: Any) -> "Manifest":
        """Return the manifest of a run that ends now."""
        return self.model_copy(update={"status": status, "finished": utc_timestamp(), **fields})

    @property
    def is_external(self) -> bool:
        """Whether it was imported."""
        return EXTERNAL in self.identity

    @property
    def test_fingerprint(self) -> str:
        """Hash of the content of the test dataset; before schema 3 a part of the identity."""
        return str(self.datasets.get("test", self.identity["test"]))


class JudgementManifest(BaseModel):
    """What one judge made of one run; the verdicts lie beside it (`JUDGEMENTS`).

    judge_id: hash of everything but the run that can change a verdict. rubric: as it was used.
    cases, answers: how many cases at most, and which answer of each (`sampled` or `scored`).
    caveats: what a reader must know of the judge; warnings: of this judge with this run.
    counts: cases by stage, status and flag. cost: seconds, and what verdicts used in sum.
    """

    model_config = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    judge_id: str
    run_id: str
    suite: str
    task: str
    label: str
    judge: str
    status: RunStatus
    rubric: dict[str, Any]
    rubric_hash: str
    answers: str
    cases: int
    caveats: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    identity: dict[str, Any]
    provenance: dict[str, Any]
    started: str
    finished: str | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    cost: dict[str, float] = Field(default_factory=dict)
    error: str | None = None


class PlannedJudge(BaseModel):
    """A judge that a suite asks for: its row label, and the id of its judgements."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    judge_id: str
    rubric: str


class PlannedRow(BaseModel):
    """One run that a suite asks for, or in `left_out` why a method cannot do it.

    unsupported: protocols of the suite that the method is not capable of.
    in_suite: whether the suite names the method; the other rows were added to it.
    row_id: of the run, as in its manifest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    label: str
    family: str
    seed: int
    in_suite: bool = False
    unsupported: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    run_id: str | None = None
    row_id: str | None = None
    skip_reason: str | None = None


class PlanRecord(BaseModel):
    """What the last `benchkit run` of a suite asked for; it says which runs make up its tables."""

    model_config = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    suite: str
    title: str
    primary: str
    metrics: list[str]
    popular_share: float = 0.2
    history_buckets: list[tuple[int, ...]] = Field(default_factory=list)
    relative_drops: list[tuple[str, str]] = Field(default_factory=list)
    protocols: list[str]
    tasks: list[str]
    labels: list[str]
    rows: list[PlannedRow]
    judges: list[PlannedJudge] = Field(default_factory=list)
    published: list[str] = Field(default_factory=list)
    relative_to: str = ""
    titles: dict[str, str] = Field(default_factory=dict)
    """Of metrics and protocols that benchkit does not ship, by their names in records."""


# What the fields of manifests and plans were called before schema 3.
_RENAMED_FIELDS = {
    "remarks": "caveats",
    "unable": "unsupported",
    "left_out": "skip_reason",
    "of_suite": "in_suite",
    "drops": "relative_drops",
}


def upgrade_record(record: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest or plan of any earlier schema with the field names of this one."""
    renamed = {_RENAMED_FIELDS.get(name, name): value for name, value in record.items()}
    if isinstance(rows := renamed.get("rows"), list):
        renamed["rows"] = [upgrade_record(row) for row in rows]
    return renamed


def check_schema(version: object, where: str) -> None:
    """Refuse records of a later benchkit than this one."""
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise StoreError(
            f"{where} was written by a newer benchkit (schema {version}; this one reads {SCHEMA_VERSION})",
            "upgrade benchkit, or write to another folder with --out",
        )

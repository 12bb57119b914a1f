"""Schemas of what is written to disk: the tables of a run, its manifest, the plan of a suite."""

from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from benchkit.errors import StoreError
from benchkit.faults import FaultRecord
from benchkit.files.checksums import FileChecksum
from benchkit.runs.estimates.expected_costs import ExpectedCosts
from benchkit.runs.progress import utc_timestamp

SCHEMA_VERSION = 6
_CHECKSUMS_SINCE = 5  # schema whose records have checksums
LINKED_FROM = "linked_from"  # key in the provenance of a run that was computed for another suite
JUDGE_PREFIX = "judge:"  # of raters in labels that are judges, not people
EXTERNAL = "external"  # key in the identity and the provenance of an imported run

TableSchema = dict[str, pl.DataType | type[pl.DataType]]

# One row a case, for all protocols together; null where a run was not asked under one. `status`,
# `scores` and `rationale` belong to the scored protocol; `scores` and `lengths` are in the order of
# the frozen candidates. `sampled_status` and `samples` (in draw order) belong to the sampled one.
PREDICTIONS_SCHEMA: TableSchema = {
    "case_id": pl.String,
    "user": pl.String,  # whose case it is: a user may have several
    "target": pl.String,
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
    "usage": pl.String,  # JSON {protocol: {...}}: every engine counts something else
    "history_length": pl.Int64,  # interactions in the request
}
# One row a case, protocol and metric.
METRICS_SCHEMA: TableSchema = {
    "case_id": pl.String,
    "protocol": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
}

_STATEMENTS = pl.List(
    pl.Struct({"start": pl.Int64, "stop": pl.Int64, "label": pl.String, "reason": pl.String})
)
_REASONS = pl.List(pl.Struct({"text": pl.String, "recalled": pl.Boolean}))
# One row a judged case, of one judge and one run. `stage` says what decided: `judged`, the judge;
# `invalid`, `wrong` or `missing` (no rationale), the rubric alone; `unanswered`, nothing, because
# the method's engine failed. Older tables lack `ADDED_TO_JUDGEMENTS`.
JUDGEMENTS_SCHEMA: TableSchema = {
    "case_id": pl.String,
    "user": pl.String,  # a user may be asked several times
    "item": pl.String,  # what was recommended; null where the answer names no candidate
    "title": pl.String,
    "target": pl.String,
    "target_title": pl.String,
    "reference": pl.String,  # the user's own review of the target; null where there is none
    "similarity": pl.Float64,  # of rationale and reference; it enters no grade
    "rationale": pl.String,
    "named_outside": pl.Int64,  # items it names that the method was not shown; null if not counted
    "history": pl.List(pl.String),  # as the judge saw it, a line an event, oldest first
    "history_length": pl.Int64,
    "stage": pl.String,
    "status": pl.String,  # scored | unscored
    "reason": pl.String,  # why it is unscored, or invalid
    "grades": pl.List(pl.Struct({"criterion": pl.String, "grade": pl.Float64})),
    "text": pl.String,  # the judge's reply, unchanged
    "evidence": pl.String,  # JSON {name: number} that the grade rests on
    "flags": pl.List(pl.String),
    "usage": pl.String,  # JSON
    # Statement checks, which enter no grade; null where the judge makes none.
    "statements": _STATEMENTS,  # characters `start:stop` of the rationale, and what is said of them
    "stated_reasons": _REASONS,  # clauses of `reference`, and whether the rationale recalls them
    "control": pl.String,  # the generic rationale of the most popular item
    "control_statements": _STATEMENTS,  # as of `control` in place of the rationale
    "control_reasons": _REASONS,  # as of `control` in place of the rationale
}

ADDED_TO_JUDGEMENTS = (
    "user", "named_outside", "reference", "similarity", "statements", "stated_reasons", "control",
    "control_statements", "control_reasons",
)  # fmt: skip

_ADDED_IN_SCHEMA = {
    "target": 2,
    "sampled_status": 2,
    "lengths": 2,
    "user": 4,
}  # columns of PREDICTIONS that came with a schema


def predictions_schema(version: int) -> TableSchema:
    """Return `PREDICTIONS_SCHEMA` as it was in schema `version`."""
    return {
        name: kind
        for name, kind in PREDICTIONS_SCHEMA.items()
        if _ADDED_IN_SCHEMA.get(name, 1) <= version
    }


RunStatus = Literal["started", "complete", "failed"]


class MetricSummary(BaseModel):
    """One metric of one run, over all its cases."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str
    metric: str
    n: int
    """Cases that it is over."""
    users: int | None = None
    """Users whose cases they are; None before schema 4, which took cases as independent."""
    mean: float
    """Over cases."""
    low: float | None = None
    high: float | None = None
    """`low` to `high` is a 95 % bootstrap interval over users."""
    chance: float | None = None
    """Exact value of a random ranking; None for metrics that have none."""
    p_chance: float | None = None
    """One-sided p value of being above `chance`, over users."""


class Manifest(BaseModel):
    """What was run, how it ended and what it cost."""

    model_config = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    run_id: str
    """Hash of `identity`."""
    row_id: str
    """Hash of `identity` without the seed: runs that differ in the seed alone share it."""
    status: RunStatus
    suite: str
    task: str
    label: str
    family: str
    seed: int
    caveats: tuple[str, ...] = ()
    """What a reader must know of the row."""
    identity: dict[str, Any]
    """Everything that can change a number."""
    datasets: dict[str, str] = Field(default_factory=dict)
    """Hashes of the contents of `train` and `test`, known once they are prepared."""
    provenance: dict[str, Any]
    started: str
    finished: str | None = None
    cost: dict[str, float] = Field(default_factory=dict)
    """`fit_seconds`, as if nothing had been computed before; of that, the seconds of each stage
    (`sft_stage_seconds`) and `reused_seconds`, which were not spent here; the seconds and tokens of
    each protocol (`scored_seconds`, `scored_tokens`); `peak_memory_mb`, `peak_gpu_memory_mb`."""
    size: dict[str, float] = Field(default_factory=dict)
    """Measures of the data that the costs depend on; none before schema 6."""
    expected: ExpectedCosts | None = None
    """What it was expected to cost before it began."""
    summary: list[MetricSummary] = Field(default_factory=list)
    faults: list[FaultRecord] = Field(default_factory=list)
    """Of each protocol that has any."""
    error: str | None = None
    resumable: bool = False
    """Whether it failed for its engine (no server, no readable answers): the next run goes on."""
    answers_since: float | None = None
    """Unix time of the order to ask everything again; answers stored before are not used."""
    files: dict[str, FileChecksum] = Field(default_factory=dict)
    """Checksums of all files of a complete run, by their paths in its folder; none before schema 5.
    Of the log, what was written until the run was complete: judges append to it."""

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
    """How one judge judged one run; the verdicts lie beside it (`JUDGEMENTS_SCHEMA`)."""

    model_config = ConfigDict(extra="forbid")

    schema_version: int = SCHEMA_VERSION
    judge_id: str
    """Hash of everything but the run that can change a verdict."""
    run_id: str
    suite: str
    task: str
    label: str
    judge: str
    status: RunStatus
    rubric: dict[str, Any]
    rubric_hash: str
    answers: str
    """Which answer of a case was judged: `sampled` or `scored`."""
    cases: int
    """How many cases at most."""
    caveats: tuple[str, ...] = ()
    """What a reader must know of the judge."""
    warnings: tuple[str, ...] = ()
    """What a reader must know of this judge with this run."""
    models: tuple[str, ...] = ()
    identity: dict[str, Any]
    provenance: dict[str, Any]
    started: str
    finished: str | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    """Cases by stage, status and flag."""
    cost: dict[str, float] = Field(default_factory=dict)
    """Seconds, and the sum of what the verdicts used."""
    faults: list[FaultRecord] = Field(default_factory=list)
    error: str | None = None
    answers_since: float | None = None
    """As of a run."""
    verdicts_file: FileChecksum | None = None
    """Checksum of the verdicts; None before schema 5."""


class PlannedJudge(BaseModel):
    """A judge that a suite names: its label, and the id of its judgements."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    judge_id: str
    rubric: str


class PlannedRow(BaseModel):
    """One run of a plan, or why a method cannot do it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    label: str
    family: str
    seed: int
    in_suite: bool = False
    """Whether the suite names the method; other rows were added to the suite."""
    unsupported: tuple[str, ...] = ()
    """Protocols of the suite that the method cannot do."""
    caveats: tuple[str, ...] = ()
    run_id: str | None = None
    row_id: str | None = None
    skip_reason: str | None = None


class PlanRecord(BaseModel):
    """Which runs make up the tables of a suite, as the last `benchkit run` of it said."""

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


def has_checksums(version: object) -> bool:
    """Return whether records of a schema have checksums, so that damage to them can be found."""
    return isinstance(version, int) and version >= _CHECKSUMS_SINCE


def check_schema(version: object, where: str) -> None:
    """Raise StoreError for records of a later benchkit than this one."""
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise StoreError(
            f"{where} was written by a newer benchkit (schema {version}; this one reads"
            f" {SCHEMA_VERSION})",
            "upgrade benchkit, or write to another folder with --out",
        )

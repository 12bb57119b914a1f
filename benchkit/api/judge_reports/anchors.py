"""Anchors: let a version of a judge grade them, and say how far it is from earlier versions."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchkit.api.judge_reports.generated_data import judges_generated_data
from benchkit.config.judging import JudgeSpec, JudgingSpec
from benchkit.errors import ConfigError, DataError
from benchkit.judging.anchors.anchor_file import (
    AnchorSet,
    check_grades,
    read_anchors,
    write_anchors,
)
from benchkit.judging.anchors.anchor_run import draw_anchors, judge_anchors
from benchkit.judging.judge_job import JudgeJob, make_judge_jobs
from benchkit.judging.rubric import Rubric
from benchkit.report.core.text_table import TextTable
from benchkit.report.drift.drift_summary import Drift, VersionGrades, compare_versions
from benchkit.report.drift.tables import drift_tables
from benchkit.runs.progress import SilentProgress
from benchkit.runs.store import Store
from benchkit.types import RunContext

if TYPE_CHECKING:
    from benchkit.api.judgement import JudgingPlan


@dataclass(frozen=True)
class DriftLimits:
    """What is called a drift."""

    max_shift: float
    min_kappa: float


def make_anchor_judge(by: str, label: str, config: Mapping[str, Any]) -> JudgeJob:
    """Return the judge of anchors that are in a file already. Raises ConfigError without one."""
    if not by:
        raise ConfigError("no judge is named", "name one with --by (`benchkit ls judges`)")
    spec = JudgeSpec(judge=by, label=label, config=dict(config))
    (job,) = make_judge_jobs(JudgingSpec(judges=(spec,)))
    return job


@dataclass(frozen=True)
class DriftReport:
    """How far the last version of a judge is from earlier ones, and what a reader must know."""

    drifts: tuple[Drift, ...]
    """From the first version to this one, and from the one before, if that is another; nothing for
    the first version."""
    caveats: tuple[str, ...]
    """Of the versions that are compared."""
    is_synthetic: bool
    """Whether the answers are to generated data."""

    def tables(self) -> list[TextTable]:
        """Return a table for each pair of versions."""
        return list(drift_tables(self.drifts, self.caveats, self.is_synthetic))


def draw_from_plan(planned: "JudgingPlan", count: int) -> tuple[JudgeJob, AnchorSet, int]:
    """Draw anchors from the runs of a suite; there may be fewer than `count`.

    Returns:
        The judge, the anchors, and of how many answers they were drawn.

    Raises:
        ConfigError: There is not just one judge.
    """
    jobs = make_judge_jobs(planned.judging)
    if len(jobs) > 1:
        names = ", ".join(job.spec.name for job in jobs)
        raise ConfigError(f"the suite has several judges: {names}", "name one with --by")
    anchors, available = draw_anchors(jobs[0], planned.targets, count)
    anchors = anchors.model_copy(update={"synthetic": judges_generated_data(planned)})
    return jobs[0], anchors, available


def grade_anchors(
    path: Path,
    job: JudgeJob,
    anchors: AnchorSet | None,
    *,
    name: str,
    store: Path,
    device: str,
    limits: DriftLimits,
) -> DriftReport:
    """Let a judge grade the anchors of a file, add its version to it, and return the drifts.

    Nothing is written unless all grades are those of the rubric.

    Args:
        path: The file.
        job: The judge.
        anchors: Anchors that were drawn just now; None for those of the file.
        name: What the version is called; by default its models and the time.
        store: The run store, whose cache keeps the answers.
        device: For a model in this process.
        limits: What is called a drift.

    Raises:
        DataError: A grade in the file, or one that the judge gave, is none of the rubric.
    """
    anchors = anchors or read_anchors(path)
    rubric = job.judge.rubric
    check_grades(anchors, rubric, path)
    cache = Store(store).cache
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        context = RunContext(
            0, anchors.catalog(), Path(scratch), SilentProgress(), cache, device=device
        )
        try:
            judged = judge_anchors(anchors, job, context, name)
        except DataError as error:
            raise DataError(f"{path}: {error.cause}", error.hint) from error
    drifts = compare_last_version(judged, rubric, limits)
    write_anchors(judged, path)
    compared = {judged.versions[-1].name, *(drift.earlier for drift in drifts)}
    caveats = [version.caveats for version in judged.versions if version.name in compared]
    unique = dict.fromkeys(caveat for of_version in caveats for caveat in of_version)
    return DriftReport(tuple(drifts), tuple(unique), judged.synthetic)


def compare_last_version(anchors: AnchorSet, rubric: Rubric, limits: DriftLimits) -> list[Drift]:
    """Return the drifts from the first version to the last, and from the one before to the last."""
    versions = [VersionGrades(version.name, version.grades) for version in anchors.versions]
    users = {anchor.key: anchor.user for anchor in anchors.anchors}
    scales = {}
    for criterion in rubric.criteria:
        parts = 1 + rubric.half_grades
        steps = range(parts * (criterion.high - criterion.low) + 1)
        scales[criterion.name] = tuple(criterion.low + step / parts for step in steps)
    *earlier, last = versions
    drifts: list[Drift] = []
    for version in dict.fromkeys([0, len(earlier) - 1]) if earlier else ():
        drifts += compare_versions(
            earlier[version], last, users, scales, limits.max_shift, limits.min_kappa
        )
    return drifts

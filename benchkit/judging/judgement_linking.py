"""Take over judgements of other suites: the same judge of the same answers is not asked again."""

from collections.abc import Iterator
from contextlib import suppress

from benchkit.errors import DamageError
from benchkit.judging.judge_job import JudgeJob
from benchkit.judging.judgeable_runs import JudgeableRun
from benchkit.runs.records import LINKED_FROM, JudgementManifest
from benchkit.runs.store import Run, Store

_ANSWERS = "predictions.parquet"


def find_same_judgement(
    store: Store, job: JudgeJob, judgeable: JudgeableRun, max_fault_share: float
) -> tuple[Run, JudgementManifest] | None:
    """Return a complete judgement, and its run, of the same answers by the same judge."""
    if judgeable.manifest.is_external:
        return None
    for run in _runs_with_same_answers(store, judgeable):
        judge_id = job.plan_entry.judge_id
        for path in run.judgement_paths():
            if not path.stem.endswith(f"-{judge_id}"):
                continue
            with suppress(DamageError):
                judgement = run.read_judgement(path)
                if (
                    judgement is not None
                    and judgement.status == "complete"
                    and judgement.judge_id == judge_id
                    and not any(record.share > max_fault_share for record in judgement.faults)
                ):
                    return run, judgement
    return None


def link_judgement(
    store: Store, job: JudgeJob, judgeable: JudgeableRun, max_fault_share: float
) -> JudgementManifest | None:
    """Write such a judgement as one of this run; return it, None where there is none."""
    same = find_same_judgement(store, job, judgeable, max_fault_share)
    if same is None:
        return None
    run, judgement = same
    try:
        verdicts = run.verdicts(judgement)
    except DamageError:
        return None
    origin = {"suite": judgement.suite, "task": judgement.task, "label": judgement.label}
    place = judgeable.manifest
    judgement = judgement.model_copy(
        update={
            "suite": place.suite,
            "task": place.task,
            "label": job.spec.name,
            "judge": job.spec.judge,
            "provenance": {LINKED_FROM: origin, **judgement.provenance},
        }
    )
    judgeable.run.write_judgement(judgement, verdicts)
    return judgeable.run.judgement(judgement.label, judgement.judge_id)


def _runs_with_same_answers(store: Store, judgeable: JudgeableRun) -> Iterator[Run]:
    """Yield the other runs of this id that have the same answers.

    A run that was done again may have others under the same id: those of a language model.
    """
    run_id = judgeable.manifest.run_id
    answers = judgeable.manifest.files.get(_ANSWERS)
    for run in store.find_runs({run_id})[run_id]:
        if run.path == judgeable.run.path or answers is None:
            continue
        manifest = run.intact_manifest()
        if manifest is not None and manifest.files.get(_ANSWERS) == answers:
            yield run

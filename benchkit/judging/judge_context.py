"""What a judge of a run gets: its answers, those that need a judge, device, threads and cache."""

from collections.abc import Sequence

from benchkit.judging.inputs import MethodAnswer, read_answers
from benchkit.judging.judge_job import JudgeJob
from benchkit.judging.judgeable_runs import JudgeableRun
from benchkit.judging.rubric import Rubric
from benchkit.judging.verdicts import JudgeInput
from benchkit.runs.progress import SilentProgress
from benchkit.runs.store import Store
from benchkit.types import Catalog, Progress, RunContext


def read_run_answers(job: JudgeJob, run: JudgeableRun) -> tuple[Catalog, list[MethodAnswer]]:
    """Return the catalogue of a run, and its answers to the cases of a judge."""
    dataset = run.dataset()
    cases = dataset.test.sample_users(run.manifest.identity["limit_users"]).sample(job.cases)
    answers = read_answers(run.run.predictions(), dataset, cases, job.answers)
    return dataset.catalog, list(answers)


def select_inputs(rubric: Rubric, answers: Sequence[MethodAnswer]) -> list[JudgeInput]:
    """Return the inputs of the answers that need a judge."""
    return [answer.judge_input(rubric) for answer in answers if answer.stage(rubric) == "judged"]


def make_context(
    store: Store, run: JudgeableRun, catalog: Catalog, progress: Progress | None = None
) -> RunContext:
    """Return what a judge gets: the device and the threads of the run, and the store's cache."""
    identity = run.manifest.identity
    store.cache.mkdir(parents=True, exist_ok=True)
    return RunContext(
        seed=run.manifest.seed,
        catalog=catalog,
        scratch=run.run.scratch,
        progress=progress or SilentProgress(),
        cache=store.cache,
        device=identity.get("device", "cpu"),
        threads=identity.get("threads", 1),
    )

"""Say at the start of a run what it is expected to cost, and what does not fit this machine."""

from collections.abc import Sequence

from benchkit.runs.estimates.cost_texts import (
    describe_expected,
    format_forecast,
    format_seconds,
)
from benchkit.runs.estimates.machine import find_memory_problems, measure_free_memory
from benchkit.runs.estimates.plan_costs import count_workers, estimate_jobs, schedule_runs
from benchkit.runs.job import Job
from benchkit.runs.progress import EventHandler, RunEvent


def announce_costs(
    jobs: Sequence[Job], workers: int, emit: EventHandler, here: bool = True
) -> list[Job]:
    """Emit what jobs are expected to cost, and return them with that, for their manifests.

    Nothing is said where no earlier run is like any of them.

    Args:
        jobs: What is computed now.
        workers: Runs at a time.
        emit: Called with what is expected.
        here: Whether they are computed on this machine.
    """
    costs = estimate_jobs(jobs)
    if not any(cost.is_known for cost in costs):
        return list(jobs)
    for job, cost in zip(jobs, costs, strict=True):
        emit(RunEvent("expected", job.title, note=describe_expected(cost)))
    side_by_side = count_workers(workers, jobs[0].threads) if here else workers
    total = format_forecast(schedule_runs(costs, side_by_side), format_seconds)
    unknown = sum(cost.seconds is None for cost in costs)
    note = f"{total}, and {unknown} of which nothing is known" if unknown else total
    emit(RunEvent("expected", f"all {len(jobs)}", note=note))
    if here:
        titles = [job.title for job in jobs]
        by_title = dict(zip(titles, costs, strict=True))
        for title, problem in find_memory_problems(by_title, measure_free_memory(), workers):
            emit(RunEvent("warning", title, note=problem))
    return [
        job.change(expected=cost) if cost.is_known else job
        for job, cost in zip(jobs, costs, strict=True)
    ]

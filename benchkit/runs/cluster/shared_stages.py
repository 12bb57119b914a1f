"""Who may begin: runs that share a stage, such as a model's training, take turns until it is there.

A stage is made inside a method, so that nobody outside knows which run needs which. What is known
is what all of them depend on: the training data, and for what is drawn, the seed, too. One run goes
first for each, the one of a family that has the most stages; the others begin once it has ended.
What it does not need and several others do is made once a machine.
"""

from collections.abc import Sequence

from benchkit.runs.job import Job

# The more stages of others a family has, the earlier one of it goes first.
_FAMILIES = ("rl", "preference", "hybrid", "sft", "prompted")
_USES_MODELS = "transformers"


def shares_stages(job: Job) -> bool:
    """Return whether the method of a job may share what it computes with other methods."""
    return _USES_MODELS in job.card.packages


def sort_by_stages(jobs: Sequence[Job]) -> list[Job]:
    """Return jobs so that those whose stages serve many others come first, else in their order."""
    return sorted(jobs, key=rank_by_stages)


def rank_by_stages(job: Job) -> int:
    """Return a key that is lower the more runs wait for what this one computes; 0 if none does."""
    if not shares_stages(job):
        return 0  # short, and nobody waits for them
    family = job.card.family
    return 1 + (_FAMILIES.index(family) if family in _FAMILIES else len(_FAMILIES))


class StageTurns:
    """Decides which jobs may begin."""

    def __init__(self) -> None:
        self._done: set[tuple[object, ...]] = set()
        self._taken: dict[tuple[object, ...], str] = {}

    def take(self, job: Job) -> bool:
        """Return whether a job may begin; it then goes first for all that it shares."""
        waited_for = [stage for stage in _stages(job) if stage not in self._done]
        if any(stage in self._taken for stage in waited_for):
            return False
        self._taken.update(dict.fromkeys(waited_for, job.run_id))
        return True

    def end(self, job: Job, complete: bool) -> None:
        """Let others begin; where the job failed, one of them goes first."""
        for stage in _stages(job):
            if self._taken.get(stage) == job.run_id:
                del self._taken[stage]
                if complete:
                    self._done.add(stage)


def _stages(job: Job) -> list[tuple[object, ...]]:
    if not shares_stages(job):
        return []
    shared = (job.identity["train"], job.identity["device"], job.threads)
    return [shared, (*shared, job.seed)]

"""Stages of a training that several runs share, such as a language model's own: who pays for them.

A stage is made inside a method, so that nobody outside knows its key. What is known are records:
runs that shared a stage have its seconds from one record, so that they are the same to the
millisecond. Methods that shared one on earlier data will share it again. A stage whose seconds no
two runs have in common is taken to belong to its run.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from benchkit.runs.estimates.history import PastRun, RunFeatures

_SAME_FOR_ALL_SEEDS = {"nano", "item vectors"}

_Row = tuple[str, str]


class SharedStages:
    """Which stages are there, as runs of a plan are gone through in their order.

    Args:
        past: The complete runs of the store.
        has_cache: Whether the results of their stages are still there.
    """

    def __init__(self, past: Sequence[PastRun], has_cache: bool = True) -> None:
        self._sharers = _group_rows(past)
        self._computed: set[tuple[object, ...]] = set()
        for run in past if has_cache else ():
            self.add(run.features, run.features.row, run.stages)

    def is_computed(self, features: RunFeatures, row: _Row, stage: str) -> bool:
        """Return whether the result of a stage of a run is there.

        Args:
            features: The run.
            row: Its row, or the one whose records stand in for it.
            stage: Name of the stage.
        """
        rows = self._sharers.get((stage, row))
        if rows is None:
            if stage not in _SAME_FOR_ALL_SEEDS:
                return False
            rows = {row}
        return any(_key(features, other, stage) in self._computed for other in rows)

    def add(self, features: RunFeatures, row: _Row, stages: Iterable[str]) -> None:
        """Note that a run has these stages computed, for all that come after it."""
        self._computed |= {_key(features, row, stage) for stage in stages}


def _key(features: RunFeatures, row: _Row, stage: str) -> tuple[object, ...]:
    seed = None if stage in _SAME_FOR_ALL_SEEDS else features.seed
    return stage, row, features.train, features.device, features.threads, seed


def _group_rows(past: Sequence[PastRun]) -> dict[tuple[str, _Row], set[_Row]]:
    """Return (stage, row) -> the rows that had the stage from the same record, itself included;
    only for stages that several runs had from one."""
    by_record: dict[tuple[str, str, float], list[_Row]] = defaultdict(list)
    for run in past:
        for stage, seconds in run.stages.items():
            by_record[stage, run.features.train, seconds].append(run.features.row)
    sharers: dict[tuple[str, _Row], set[_Row]] = defaultdict(set)
    for (stage, _, _), rows in by_record.items():
        if len(rows) > 1:
            for row in rows:
                sharers[stage, row].update(rows)
    return dict(sharers)

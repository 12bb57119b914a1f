"""What every method of a task is asked, in which order, and by which metrics it is measured."""

from dataclasses import dataclass, field
from functools import cached_property

from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.errors import ConfigError
from benchkit.evaluation.metrics.base import Metric
from benchkit.evaluation.metrics.rank_based import RankMetric
from benchkit.faults import FaultTally


@dataclass(frozen=True)
class EvaluationSetup:
    """What every method of a task is asked, and the metrics of its answers."""

    dataset: PreparedDataset
    cases: Cases
    metrics: tuple[Metric, ...]
    popular_share: float
    max_fault_share: float = 1.0
    """Share of the cases that may have faults of the engine; with more, asking ends."""
    faults: dict[str, FaultTally] = field(default_factory=dict)
    """Protocol -> the faults of its answers, as they are given."""

    @cached_property
    def slices(self) -> list[Cases]:
        """The cases in consecutive parts that hold at most one case of a user.

        The history of a user's later case holds the answer of an earlier one. So a part is asked
        under every protocol before the next one; cases are in the order of time.
        """
        bounds, seen = [0], set[int]()
        for place, user in enumerate(self.cases.user.tolist()):
            if user in seen:
                bounds.append(place)
                seen.clear()
            seen.add(user)
        if len(bounds) == 1:
            return [self.cases]
        ends = [*bounds[1:], len(self.cases)]
        return [self.cases.slice(*place) for place in zip(bounds, ends, strict=True)]

    def tally(self, protocol: str) -> FaultTally:
        """Return the count of the faults under a protocol."""
        return self.faults.setdefault(protocol, FaultTally(len(self.cases), self.max_fault_share))

    def __post_init__(self) -> None:
        """Refuse metrics of one relevant item where cases have several.

        Raises:
            ConfigError: Such a metric would count every relevant item but one as an error.
        """
        if self.cases.other_targets is None:
            return
        wrong = [metric.name for metric in self.metrics if isinstance(metric, RankMetric)]
        if wrong:
            raise ConfigError(
                f"dataset {self.dataset.name!r} has cases with several relevant items, and"
                f" {', '.join(wrong)} look at one",
                'use metrics = ["recall@5", "precision@5", "map@5", "graded-ndcg@5"] and'
                ' primary = one of them, or split.cases = "row"',
            )

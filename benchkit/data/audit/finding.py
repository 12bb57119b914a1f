"""What an audit says: one finding a defect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FindingSeverity = Literal["leak", "defect", "note"]
_MAX_EXAMPLES = 5


@dataclass(frozen=True)
class AuditFinding:
    """One thing that is wrong with cases, or worth knowing of them."""

    name: str
    severity: FindingSeverity
    """`leak`: a method that knows nothing of users can find targets. `defect`: a number computed
    from these cases does not mean what it seems to. `note`: a property to report."""
    count: int
    """Cases concerned."""
    of: int
    """Cases examined."""
    consequence: str
    examples: tuple[str, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)
    """Figures of this finding by name, each a plain number."""
    statistic: float | None = None
    """Of a test; None for what is counted."""
    p: float | None = None
    """Holm-adjusted over the tests of one audit."""

    @property
    def share(self) -> float:
        """Share of the cases looked at."""
        return self.count / self.of if self.of else 0.0


def make_finding(
    name: str,
    severity: FindingSeverity,
    ids: Sequence[str],
    cases: NDArray[np.bool_],
    consequence: str,
    measures: Mapping[str, float] | None = None,
) -> AuditFinding | None:
    """Return a finding about the cases [n] that are True; None when there is none."""
    rows = np.flatnonzero(cases)
    if not len(rows):
        return None
    examples = tuple(ids[row] for row in rows[:_MAX_EXAMPLES])
    return AuditFinding(
        name, severity, len(rows), len(cases), consequence, examples, measures or {}
    )

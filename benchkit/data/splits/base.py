"""What a split is: which interactions train, and which are the targets of cases."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from benchkit.errors import DataError
from benchkit.types import Interactions

TRAIN, VALID, TEST = 0, 1, 2


@dataclass(frozen=True)
class CaseRows:
    """Cases of one part as row numbers of the interactions.

    The history of a case of user u is the rows `offsets[u]:stop`.
    """

    target: NDArray[np.int64]
    """[n] the row that is asked for."""
    stop: NDArray[np.int64]
    """[n] the row before which the history ends."""
    extra_candidates: NDArray[np.int64]
    """[n, g] rows whose items must be among the candidates, too; g is 0 for most splits."""
    other_targets: NDArray[np.int64] | None = None
    """[n, h] further relevant rows, -1 beyond the last; None where each case has one target."""

    @classmethod
    def before_targets(cls, target: NDArray[np.int64]) -> "CaseRows":
        """Return cases whose histories end right before their targets."""
        return cls(target, target, np.empty((len(target), 0), dtype=np.int64))

    def in_order_of_time(self, data: Interactions) -> "CaseRows":
        """Return the cases as they are asked: where users have several, the earliest first.

        The history of a later case tells the answers of earlier ones. Without times it is the
        first case of every user, then the second of those who have one, and so on.
        """
        user = data.user[self.target]
        starts = np.flatnonzero(np.append(True, user[1:] != user[:-1]))
        if len(starts) == len(user):
            return self
        if data.timestamp is not None:
            moment = data.timestamp[self.target]
        else:
            moment = np.arange(len(user)) - np.repeat(starts, np.diff(np.append(starts, len(user))))
        return self.select(np.lexsort((self.target, moment)))

    def select(self, mask: NDArray[np.bool_] | NDArray[np.int64]) -> "CaseRows":
        """Return the cases for which `mask` [n] holds, or those at these places."""
        others = None if self.other_targets is None else self.other_targets[mask]
        return CaseRows(self.target[mask], self.stop[mask], self.extra_candidates[mask], others)


@dataclass(frozen=True)
class Split:
    """The part of every interaction, and the cases."""

    part: NDArray[np.uint8]
    """[n_rows] TRAIN, VALID or TEST. Methods learn from TRAIN rows only."""
    valid: CaseRows
    test: CaseRows
    funnel: dict[str, int]
    """How many users or interactions were left out, by reason."""


class Splitter(BaseModel, ABC):
    """One way to split. The fields of a subclass are its parameters in a suite."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @abstractmethod
    def split(self, data: Interactions) -> Split:
        """Split interactions, which are sorted by user, then by time."""


def require_column(data: Interactions, column: Literal["rating", "timestamp"]) -> NDArray[Any]:
    """Return a column that a split needs. Raises DataError when the data has none."""
    values: NDArray[Any] | None = getattr(data, column)
    if values is None:
        raise DataError(
            f"the split needs {column}s, and the data have none",
            f"add a column {column}, or choose another split",
        )
    return values

"""What each user has had before a given moment."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PastItems:
    """The distinct items of each user, and since when: answers for any history of any user.

    Histories are rows of interactions, which are sorted by user, then by time: the items before
    row `stop` are those of the user that stand first in a row before it.
    """

    keys: NDArray[np.int64]
    """[m] sorted `user * n_items + item`, each once."""
    rows: NDArray[np.int64]
    """[m] the row in which each stands first."""
    n_items: int

    @classmethod
    def from_interactions(
        cls, user: NDArray[np.integer], item: NDArray[np.integer], n_items: int
    ) -> "PastItems":
        """Return the items of interactions, given as codes [n_rows] sorted by user."""
        keys, rows = np.unique(user.astype(np.int64) * n_items + item, return_index=True)
        return cls(keys, rows.astype(np.int64), n_items)

    def contains(
        self,
        users: NDArray[np.integer],
        stops: NDArray[np.integer],
        items: NDArray[np.integer],
    ) -> NDArray[np.bool_]:
        """Return [n, width] which of `items` [n, width] the users [n] had before rows `stops` [n].

        Negative codes are no items.
        """
        wanted = users[:, None].astype(np.int64) * self.n_items + items
        if not len(self.keys):
            return np.zeros(wanted.shape, dtype=np.bool_)
        at = np.searchsorted(self.keys, wanted).clip(max=len(self.keys) - 1)
        is_past: NDArray[np.bool_] = (self.keys[at] == wanted) & (items >= 0)
        case, place = np.nonzero(is_past)  # few: most items are not the user's
        is_past[case, place] = self.rows[at[case, place]] < stops[case]
        return is_past

    def list_items(self, user: int, stop: int) -> NDArray[np.int64]:
        """Return the codes of the distinct items that a user had before row `stop`, ascending."""
        start, end = np.searchsorted(self.keys, [user * self.n_items, (user + 1) * self.n_items])
        return self.keys[start:end][self.rows[start:end] < stop] - user * self.n_items

    def count(self, starts: NDArray[np.integer], stops: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return [n] the number of distinct items of histories, the rows `starts:stops`."""
        counts: NDArray[np.int64] = np.searchsorted(self._sorted_rows, stops) - np.searchsorted(
            self._sorted_rows, starts
        )
        return counts

    @cached_property
    def _sorted_rows(self) -> NDArray[np.int64]:
        return np.sort(self.rows)

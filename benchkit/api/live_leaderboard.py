"""The leaderboard's files while a suite is still computed, so that finished rows can be read."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from benchkit.api.stored_results import load_results
from benchkit.errors import BenchkitError

_FIRST = 60.0  # seconds before the first time: what is done by then needs no files in between
_SHARE = 0.02  # of the time, at most, goes into writing


class LiveLeaderboard:
    """Writes a suite's tables and page as rows finish, at most a fiftieth of the time.

    Plots are left to the end: they take longer than all the rest. Rows that are not done say so.
    What cannot be written now is no fault of a run; at the end it is one, and named.
    """

    def __init__(
        self,
        store: Path,
        data: Path,
        leaderboards: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to count the time.

        Args:
            store: The run store.
            data: Folder of the prepared datasets.
            leaderboards: Where leaderboards are kept.
            clock: Seconds from any moment on.
        """
        self._store, self._data, self._folder = store, data, leaderboards
        self._clock = clock
        self._next = clock() + _FIRST

    def update(self, suite: str) -> bool:
        """Write the files of a suite in the store if it is time to; return whether it was."""
        start = self._clock()
        if start < self._next:
            return False
        with suppress(BenchkitError, OSError):
            results = load_results(self._store, suite, data=self._data)
            results.write(self._folder, plots=False)
        end = self._clock()
        self._next = end + max(_FIRST, (end - start) / _SHARE)
        return True

"""Copy runs to the trackers of a call; what goes wrong with one of them is said, never raised."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchkit.errors import BenchkitError
from benchkit.interop.trackers import TRACKERS
from benchkit.interop.trackers.base import Tracker
from benchkit.interop.trackers.tracked_runs import make_tracked_run
from benchkit.runs.job import Outcome
from benchkit.runs.progress import EventHandler, RunEvent
from benchkit.runs.store import Store

TRACKERS_VARIABLE = "BENCHKIT_TRACKERS"
TRACKERS_FOLDER = Path("trackers")


def choose_trackers(names: Iterable[str]) -> dict[str, type[Tracker]]:
    """Return name -> class of the trackers that are named, or that `$BENCHKIT_TRACKERS` names.

    Raises:
        ConfigError: There is no such tracker.
    """
    chosen = list(names) or os.environ.get(TRACKERS_VARIABLE, "").split(",")
    return {name: TRACKERS.load(name) for name in map(str.strip, chosen) if name}


class TrackerSinks:
    """The trackers of one call of `run`."""

    def __init__(
        self, classes: dict[str, type[Tracker]], store: Store, emit: EventHandler, folder: Path
    ) -> None:
        self._store, self._emit, self._folder = store, emit, folder
        self._open: dict[str, Tracker] = {}
        for name, tracker_class in classes.items():
            with self._say_failures(name):
                place = folder / (name.rpartition(":")[2] or name)
                self._open[name] = tracker_class(place)  # type: ignore[call-arg]

    def log(self, outcome: Outcome) -> None:
        """Copy a run that was computed now to every tracker."""
        if not outcome.computed or not self._open:
            return
        manifest = outcome.manifest
        run = self._store.run(manifest.suite, manifest.task, manifest.label, manifest.run_id)
        for name, tracker in list(self._open.items()):
            with self._say_failures(name):
                tracker.log(make_tracked_run(run, manifest))

    def close(self) -> None:
        """Close every tracker."""
        for name, tracker in list(self._open.items()):
            with self._say_failures(name):
                tracker.close()
        self._open.clear()

    @contextmanager
    def _say_failures(self, name: str) -> Iterator[None]:
        """Turn whatever a tracker raises into a warning; it is not used any more."""
        try:
            yield
        except (Exception, SystemExit) as error:
            self._open.pop(name, None)
            hint = getattr(error, "hint", "") if isinstance(error, BenchkitError) else ""
            text = error.cause if isinstance(error, BenchkitError) else str(error)
            what = text or type(error).__name__
            note = f"{what}; runs are not copied to it any more{f' ({hint})' if hint else ''}"
            self._emit(RunEvent("warning", f"tracker {name}", note=note))


@contextmanager
def open_trackers(
    names: Iterable[str], store: Store, emit: EventHandler, folder: Path = TRACKERS_FOLDER
) -> Iterator[TrackerSinks]:
    """Open the trackers for one call of `run`, and close them when it ends, however it ends.

    Args:
        names: Names of trackers; those of `$BENCHKIT_TRACKERS` where there is none.
        store: The run store.
        emit: Gets a warning for each tracker that fails.
        folder: Where each has a folder of its own.

    Raises:
        ConfigError: There is no such tracker.
    """
    sinks = TrackerSinks(choose_trackers(names), store, emit, folder)
    try:
        yield sinks
    finally:
        sinks.close()

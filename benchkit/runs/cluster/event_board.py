"""Where runs on other machines say what they do; it imports little, as it starts with them."""

from benchkit.runs.progress import RunEvent


class EventBoard:
    """An actor that runs tell what they do, until somebody asks for it."""

    def __init__(self) -> None:
        self._events: list[tuple[int, str, RunEvent]] = []

    def post(self, number: int, machine: str, event: RunEvent) -> None:
        """Take what happened in the attempt of this number."""
        self._events.append((number, machine, event))

    def collect(self) -> list[tuple[int, str, RunEvent]]:
        """Return what has happened since the last call."""
        events, self._events = self._events, []
        return events

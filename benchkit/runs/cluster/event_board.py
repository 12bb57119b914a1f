"""Where runs on other machines say what they do; it imports little, as it starts with them."""

from collections import defaultdict

from benchkit.runs.progress import RunEvent

_Post = tuple[int, str, RunEvent]


class EventBoard:
    """An actor that runs tell what they do, until their execution asks for it."""

    def __init__(self) -> None:
        self._posts: defaultdict[str, list[_Post]] = defaultdict(list)

    def post(self, execution: str, number: int, machine: str, event: RunEvent) -> None:
        """Take what happened in the attempt of this number."""
        self._posts[execution].append((number, machine, event))

    def collect(self, execution: str) -> list[_Post]:
        """Return what has happened in an execution since the last call."""
        return self._posts.pop(execution, [])

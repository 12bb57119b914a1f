"""Read a file of lines while another process appends to it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass
class GrowingFile:
    """The lines of a file, each read once; what was written after the last end of line waits."""

    path: Path
    position: int = 0
    """Bytes that were read."""

    def read_new_lines(self) -> list[bytes]:
        """Return the complete lines since the last call; none while there is no such file."""
        if not self.path.is_file():
            return []
        with self.path.open("rb") as file:
            file.seek(self.position)
            new = file.read()
        complete = new[: new.rfind(b"\n") + 1]
        self.position += len(complete)
        return complete.splitlines()

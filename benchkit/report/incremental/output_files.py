"""Writing what a report consists of: a file that already holds it is left as it is."""

from contextlib import suppress
from pathlib import Path

from benchkit import io


def write_changed(path: Path, content: str | bytes) -> bool:
    """Write a file unless it holds just this already; return whether it was written.

    A link is replaced by a file, as by any other write.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with suppress(OSError):
        if not path.is_symlink() and path.stat().st_size == len(data) and path.read_bytes() == data:
            return False
    io.write_bytes(path, data)
    return True

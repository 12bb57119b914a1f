"""Results of stages that runs share: what is damaged is removed, and then made again."""

import shutil
from pathlib import Path

from benchkit import io
from benchkit.types import Progress


def discard_damaged(path: Path, damage: str, progress: Progress) -> None:
    """Remove a stored result, and say so in the log of the run that makes it again.

    Args:
        path: The file or folder.
        damage: What is wrong with it, in words.
        progress: Of the run.
    """
    name = f"{path.parent.name}/{path.name}"
    progress.start(f"{name} is damaged ({damage}): it is made again")
    with io.wrap_io_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

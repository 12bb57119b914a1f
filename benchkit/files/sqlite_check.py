"""Opening databases of stored results: one that sqlite finds damaged is moved aside."""

import sqlite3
import time
import warnings
from contextlib import closing
from pathlib import Path

from filelock import FileLock

_checked: set[Path] = set()


def set_aside_if_damaged(path: Path) -> None:
    """Rename a database that is damaged, and warn; what was in it is then computed again.

    Each database is checked once in a process.

    Raises:
        OSError: It cannot be read or renamed.
        sqlite3.Error: It cannot be opened for another reason than damage.
    """
    resolved = path.resolve()
    if resolved in _checked or not path.exists():
        return
    with FileLock(path.with_name(f".{path.name}.lock")):
        if path.exists() and (damage := _find_damage(path)):
            aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
            for suffix in ("-wal", "-shm"):
                path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
            path.rename(aside)
            warnings.warn(
                f"{path} is damaged ({damage}): it is now {aside.name}, and a new one is begun",
                stacklevel=2,
            )
    _checked.add(resolved)


def _find_damage(path: Path) -> str:
    """Return what sqlite finds wrong with a database; empty where it finds nothing."""
    if path.is_dir():
        return "it is a folder"
    with closing(sqlite3.connect(path, timeout=120)) as database:
        try:
            (result,) = database.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError:  # locked, or not to be read: no damage
            raise
        except sqlite3.DatabaseError as error:
            return str(error)
    return "" if result == "ok" else str(result)

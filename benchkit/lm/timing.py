"""What stages cost that runs share: a run that finds one computed says what computing it takes.

Without this, whichever run came first would seem slow, and all others quick.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchkit import io
from benchkit.files.checksums import pop_checksum, sign_record
from benchkit.types import RunContext, StageCost


@contextmanager
def record_stage_cost(
    run: RunContext, name: str, record: Path | None = None, since: float | None = None
) -> Iterator[None]:
    """Note in `run.stages` what the stage done within costs.

    record: where its seconds are kept beside its result; if they are there, it was computed before.
    since: a time of `perf_counter` from which waiting for another run counts as spent here.
    """
    start = time.perf_counter()
    known = _read(record)
    yield
    ended = time.perf_counter()
    cost = ended - start if known is None else known
    if known is None and record is not None:
        io.write_text(record, json.dumps(sign_record({"seconds": round(cost, 3)})) + "\n")
    before = run.stages.get(name, StageCost(0.0, 0.0))
    here = ended - (start if since is None else since)
    run.stages[name] = StageCost(before.cost + cost, before.seconds_here + here)


def find_cost_damage(record: Path) -> str:
    """Return what is wrong with the record beside a stage's result, in words; empty if nothing is.

    Without it, the stage would seem to cost what reading its result does.
    """
    return "" if _read(record) is not None else f"{record.name} cannot be read"


def _read(record: Path | None) -> float | None:
    """Return the seconds in a record, None where it is missing or damaged."""
    if record is None:
        return None
    try:
        values = json.loads(record.read_text(encoding="utf-8"))
        checksum, is_right = pop_checksum(values)
        return float(values["seconds"]) if checksum is not None and is_right else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None

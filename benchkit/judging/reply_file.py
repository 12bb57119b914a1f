"""Files of replies that a judge gave elsewhere: one JSON object a line.

    {"case": "test:u1", "method": "popularity", "text": "Rating: 4"}

`case` and `method` are named as in the tables and verdicts of a store (`case_id`, `label`). Where
that leaves several runs, `task` and `seed` say which; `run` (a run's id) says it by itself. `judge`
names who replied, and `finish` how the reply ended ("stop" unless it is said).

A log of Inspect as JSON is such a file, too: the explanation of a score is the reply.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from benchkit.errors import ConfigError, DataError
from benchkit.files.inspect_log import is_inspect_log, read_inspect_scores
from benchkit.lm.types import FinishReason
from benchkit.runs.records import Manifest

_Name = Annotated[str, StringConstraints(min_length=1)]
_FIELDS = '{"case": ..., "method": ..., "text": ...} (benchkit.judging.reply_file)'


class JudgeReply(BaseModel):
    """One line of a file; other fields than these are passed over."""

    model_config = ConfigDict(frozen=True, strict=True)

    case: _Name
    text: str
    method: _Name | None = None
    task: _Name | None = None
    seed: int | None = None
    run: _Name | None = None
    judge: str = ""
    finish: FinishReason = "stop"
    line: int = Field(default=0, exclude=True)
    """Its number in the file."""

    def is_of(self, run: Manifest) -> bool:
        """Return whether it is a reply to an answer of a run."""
        pairs = [
            (self.run, run.run_id), (self.method, run.label), (self.task, run.task),
            (self.seed, run.seed),
        ]  # fmt: skip
        return all(value is None or value == actual for value, actual in pairs)


def read_replies(path: Path) -> tuple[JudgeReply, ...]:
    """Read a file of replies.

    Raises:
        ConfigError: There is no such file.
        DataError: Names the line that is none, or names neither method nor run.
    """
    if is_inspect_log(path):
        return _require_one_judge(path, tuple(_inspect_replies(path)))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: cannot be read: {error}", "write it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "correct the path") from None
    return _require_one_judge(path, tuple(_parse_lines(path, text)))


def _require_one_judge(path: Path, replies: tuple[JudgeReply, ...]) -> tuple[JudgeReply, ...]:
    if not replies:
        raise DataError(f"{path}: there are no replies in it", f"write a line a reply: {_FIELDS}")
    judges = sorted({reply.judge for reply in replies})
    if len(judges) > 1:
        names = ", ".join(name or "(none)" for name in judges)
        raise DataError(f"{path}: replies of several judges: {names}", "write a file for each")
    return replies


def _inspect_replies(path: Path) -> Iterator[JudgeReply]:
    """Yield the explanation of each score: what the grader wrote, from which a verdict is read."""
    seen = set[tuple[object, ...]]()
    for number, score in enumerate(read_inspect_scores(path), 1):
        where, scorer = f"{path}, score {number}", f"scorer {score.scorer!r}"
        if score.method is None:
            raise DataError(
                f"{where}: its sample names no method", "put case and method into metadata"
            )
        if score.explanation is None:
            raise DataError(f"{where}: {scorer} has no explanation", "a verdict is read from it")
        key = (score.case, score.method, score.task, score.seed, score.scorer, score.epoch)
        if key not in seen:  # several grades in one reply
            seen.add(key)
            yield JudgeReply(
                case=score.case, method=score.method, task=score.task, seed=score.seed,
                text=score.explanation, judge=score.scorer, line=number,
            )  # fmt: skip


def _parse_lines(path: Path, text: str) -> Iterator[JudgeReply]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where, hint = f"{path}, line {number}", f"a line is {_FIELDS}"
        try:
            values: Any = json.loads(line)
            reply = JudgeReply.model_validate({**values, "line": number})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise DataError(f"{where}: {name}: {first['msg']}", hint) from None
        except (ValueError, TypeError, RecursionError) as error:
            raise DataError(f"{where}: no JSON object: {error}", hint) from None
        if reply.method is None and reply.run is None:
            raise DataError(f"{where}: it names neither method nor run", hint)
        yield reply

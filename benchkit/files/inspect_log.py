"""Scores of samples in a log of Inspect, in its form as JSON.

A log has `eval` (what was run) and `samples`, each with an `id`, an `epoch`, `metadata` and
`scores`: scorer -> {value, answer, explanation}. A sample says in its metadata what it is of, by
`case` (or `case_id`), `method`, `task` and `seed`; without `case` its id is the case.

Reference: https://inspect.aisi.org.uk/eval-logs.html
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchkit.errors import ConfigError, DataError

_LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""What Inspect's own metrics take correct, partial, incorrect and no answer for."""
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


@dataclass(frozen=True)
class InspectScore:
    """What one scorer said of one sample."""

    case: str
    method: str | None
    task: str | None
    seed: int | None
    scorer: str
    epoch: int
    criterion: str
    """Key of the value, where that has several; else empty."""
    value: float | None
    """None where the scorer gave none."""
    explanation: str | None
    model: str
    """The model that was evaluated."""


def is_inspect_log(path: Path) -> bool:
    """Return whether a file's name is one of a log: .json or .eval."""
    return path.suffix.lower() in (".json", ".eval")


def read_inspect_scores(path: Path) -> list[InspectScore]:
    """Return all scores of a log.

    Raises:
        ConfigError: There is no such file.
        DataError: It is no such log, has no scores, or one that is no number.
    """
    if path.suffix.lower() == ".eval":
        raise DataError(
            f"{path}: is a packed log",
            "write it as JSON: inspect log convert --to json --output-dir FOLDER FILE",
        )
    try:
        log = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "correct the path") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: no JSON: {error}", "write the log again") from None
    samples = log.get("samples") if isinstance(log, dict) else None
    if not isinstance(samples, list) or "eval" not in log:
        raise DataError(f"{path}: is no log of Inspect with samples", "convert it with its samples")
    head = log["eval"] if isinstance(log["eval"], dict) else {}
    scores = [
        score
        for number, sample in enumerate(samples, 1)
        for score in _read_sample(f"{path}, sample {number}", sample, str(head.get("model", "")))
    ]
    if not scores:
        raise DataError(f"{path}: no sample has a score", "score it first: inspect score FILE")
    return scores


def _read_sample(where: str, sample: Any, model: str) -> Iterator[InspectScore]:
    if not isinstance(sample, Mapping):
        raise DataError(f"{where}: is no object", "write the log again")
    metadata = sample.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    case = metadata.get("case", metadata.get("case_id", sample.get("id")))
    if case is None or case == "":
        raise DataError(f"{where}: has no id", "give samples ids, or metadata.case")
    scores = sample.get("scores")
    for scorer, score in (scores if isinstance(scores, Mapping) else {}).items():
        if not isinstance(score, Mapping):
            raise DataError(f"{where}: the score of {scorer!r} is no object", "write it again")
        value = score.get("value")
        parts = value if isinstance(value, Mapping) else {"": value}
        for criterion, part in parts.items():
            yield InspectScore(
                case=str(case),
                method=_text(metadata.get("method")),
                task=_text(metadata.get("task")),
                seed=metadata["seed"] if isinstance(metadata.get("seed"), int) else None,
                scorer=str(scorer),
                epoch=int(sample.get("epoch") or 1),
                criterion=str(criterion),
                value=_read_value(f"{where}, {scorer!r}", part),
                explanation=_text(score.get("explanation")),
                model=model,
            )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _read_value(where: str, value: Any) -> float | None:
    """Return a score as a number, as Inspect's metrics read it."""
    if value is None:
        return None
    if isinstance(value, bool | int | float):
        return None if math.isnan(value) else float(value)
    if isinstance(value, str):
        text = value.strip()
        if text in _LETTERS:
            return _LETTERS[text]
        if text.lower() in _WORDS:
            return _WORDS[text.lower()]
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
    raise DataError(f"{where}: {value!r} is no grade", "give a number, or one of C, P, I and N")

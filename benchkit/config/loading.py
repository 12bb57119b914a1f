"""Turn a TOML file into a model, and report everything that is wrong with it at once."""

import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from benchkit.errors import BenchkitError, ConfigError, suggest_names

M = TypeVar("M")


def read_toml(path: Path, *, error: type[BenchkitError] = ConfigError) -> dict[str, Any]:
    """Return the values of a TOML file.

    Raises `error` when it cannot be read or parsed, or has a number that is none (nan, inf).
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        if keys := list(_find_no_numbers(values)):
            raise error(f"{path}: {', '.join(keys)}: not a finite number", "give a finite number")
        return values
    except OSError as problem:
        raise error(f"{path}: cannot be read: {problem}", "check the path") from None
    except UnicodeDecodeError as problem:
        line = problem.object.count(b"\n", 0, problem.start) + 1
        raise error(
            f"{path}: cannot be read: line {line} is not UTF-8", "save the file as UTF-8"
        ) from None
    except RecursionError:
        raise error(f"{path}: is nested too deeply", "correct the TOML") from None
    except ValueError as problem:  # TOMLDecodeError, a NUL in the path, a number of too many digits
        raise error(f"{path}: cannot be read: {problem}", "correct the TOML") from None


def _find_no_numbers(values: Any, place: str = "") -> Iterator[str]:
    """Yield the places of nan and inf in values of TOML."""
    if isinstance(values, float) and not math.isfinite(values):
        yield place
    elif isinstance(values, dict | list):
        pairs = values.items() if isinstance(values, dict) else enumerate(values)
        for key, value in pairs:
            yield from _find_no_numbers(value, f"{place}.{key}" if place else str(key))


def load_model(
    path: Path, model: type[M] | TypeAdapter[M], *, error: type[BenchkitError] = ConfigError
) -> M:
    """Return the `model` that a TOML file describes. Raises `error` naming the file."""
    return validate_model(model, read_toml(path, error=error), str(path), error=error)


def validate_model(
    model: type[M] | TypeAdapter[M],
    values: Any,
    what: str,
    *,
    error: type[BenchkitError] = ConfigError,
    hint: str = "",
) -> M:
    """Return `values` as a `model`.

    Args:
        model: A pydantic model, or an adapter of any type.
        values: Values as TOML or JSON has them, or a text of JSON.
        what: What messages begin with: a file, or e.g. "method 'dpo'".
        error: The error to raise; it lists all problems, each with the path of its key.
        hint: What to do, by default to correct the values.
    """
    adapter = model if isinstance(model, TypeAdapter) else _make_adapter(model)  # type: ignore[arg-type]
    try:
        if isinstance(values, str | bytes):
            return adapter.validate_json(values)
        return adapter.validate_python(values)
    except ValidationError as problem:
        problems = _describe_problems(problem, adapter, values)
    except BenchkitError as problem:  # raised by a validator
        raise type(problem)(f"{what}: {problem.cause}", problem.hint or hint) from None
    # Without the cause, which repeats the values: one may be a key.
    raise merge_problems(what, problems, error, hint) from None


def merge_problems(
    what: str, problems: Sequence[str], error: type[BenchkitError] = ConfigError, hint: str = ""
) -> BenchkitError:
    """Return one error that lists all `problems`."""
    hint = hint or "correct " + ("this value" if len(problems) == 1 else "these values")
    if len(problems) == 1:
        return error(f"{what}: {problems[0]}", hint)
    return error(f"{what}: {len(problems)} problems" + "".join(f"\n  {p}" for p in problems), hint)


@lru_cache(maxsize=64)
def _make_adapter(model: type[M]) -> TypeAdapter[M]:
    return TypeAdapter(model)


def _describe_problems(error: ValidationError, adapter: TypeAdapter[Any], values: Any) -> list[str]:
    """Return a line for each problem: the path of the key, and what is wrong with its value."""
    if isinstance(values, str | bytes):
        try:
            values = json.loads(values)
        except ValueError:
            values = None
    lines = []
    problems = error.errors()
    places = [problem["loc"] for problem in problems]
    for problem in problems:
        loc, length = problem["loc"], len(problem["loc"])
        # Rows that are wrong do not count, so that a list may seem too short.
        if problem["type"] == "too_short" and any(
            place[:length] == loc and len(place) > length for place in places
        ):
            continue
        path, models = _trace_key(problem["loc"], adapter._type, values)
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "unknown key"
            if models:
                known = map(str, _list_fields(models))
                message += f"; {suggest_names(str(problem['loc'][-1]), known)}"
        elif problem["type"] == "too_short":
            message = f"needs {problem['ctx']['min_length']} or more"
        elif problem["type"] == "missing":
            message = "is missing"
            if not models:  # of a dataclass, whose fields are not listed
                path = ".".join(map(str, problem["loc"]))
        line = f"{path}: {message}" if path else message
        if line not in lines:  # the members of a union may all report the same
            lines.append(line)
    return lines


def _trace_key(
    loc: Sequence[int | str], model: Any, values: Any
) -> tuple[str, list[type[BaseModel]]]:
    """Return the path of a key as a user writes it, and the models that should hold this key.

    Pydantic's locations also name the members of unions, which no file does.
    """
    path: list[str] = []
    models = holders = _list_models(model)
    for step in loc:
        holders = models
        fields = _list_fields(models)
        if isinstance(step, int) or step in fields or _is_key(step, values):
            path.append(str(step))
            values = _get_part(values, step)
            models = _list_models(fields[step]) if step in fields else models
        else:
            models = [m for m in models if _is_member(m, step)] or models
    return ".".join(path), holders


def _is_key(step: str, values: Any) -> bool:
    return isinstance(values, Mapping) and step in values


def _get_part(values: Any, step: int | str) -> Any:
    try:
        return values[step]
    except (KeyError, IndexError, TypeError):
        return None


def _list_models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models in an annotation such as `tuple[Method, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _list_models(part)]


def _list_fields(models: Sequence[type[BaseModel]]) -> dict[int | str, Any]:
    """Return key -> annotation of all fields of `models`."""
    fields: dict[int | str, Any] = {}
    for model in models:
        for name, field in model.model_fields.items():
            fields[field.alias or name] = field.annotation
    return fields


def _is_member(model: type[BaseModel], step: str) -> bool:
    """Return whether `step` of a location names `model` in a union: by its name, or its tag."""
    tags = [get_args(field.annotation) for field in model.model_fields.values()]
    return model.__name__ == step or (step,) in tags

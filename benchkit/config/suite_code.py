"""Code that a suite names (`FILE.py:Class`, a model's own code), and when it may run.

A suite is data, and may come from anywhere; the code that it names does whatever it likes. Code
runs if the suite lies in the folder that the user works in, or if the user says so (`--trust`).
"""

import ast
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from benchkit.errors import ConfigError

_Place = tuple[str | int, ...]
_TEXTS = {"title", "description", "label"}  # keys that only people read
# Keys whose values the registry looks up, where `package.module:Name` is a place of code, too.
_LOOKED_UP = {"method", "metrics", "protocols", "source", "split", "name", "judge", "answers",
              "kind"}  # fmt: skip
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d][\w.]*(@\d+)?")
# Arguments of vLLM that name a class or a plugin.
_VLLM_CODE = re.compile(r"cls|class|plugin|processors|backend|connector|transfer|overrides|remote")


@dataclass(frozen=True)
class CodeReference:
    """A place in a suite that names code."""

    place: _Place
    """Keys and indices that lead there, e.g. ("methods", 0, "method")."""
    target: str
    """`FILE.py:Name`, `package.module:Name`, or the setting that lets a model's own code run."""

    @property
    def key(self) -> str:
        """The place as messages write it."""
        return ".".join(map(str, self.place))

    @property
    def file(self) -> Path | None:
        """The file that the code is in; None where it is a module's or a model's."""
        module, _, _ = self.target.rpartition(":")
        return Path(module) if module.endswith(".py") else None

    @property
    def problem(self) -> str:
        """What can be seen to be wrong without running the code; "" if nothing is."""
        if self.file is None:
            return ""
        name = re.sub(r"@\d+$", "", self.target.rpartition(":")[2])
        try:
            tree = ast.parse(self.file.read_bytes(), filename=str(self.file))
        except OSError as error:
            return f"{self.file}: cannot be read: {error.strerror}"
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return f"{self.file}: is not Python: {error}"
        names = {getattr(node, "id", getattr(node, "name", "")) for node in ast.walk(tree)}
        names |= {getattr(node, "asname", None) for node in ast.walk(tree)}
        return "" if names & {name, "*", "__getattr__"} else f"{self.file} has no {name}"


def find_code(values: Any, place: _Place = ()) -> Iterator[CodeReference]:
    """Yield every place of code in the values of a suite (or of settings); runs nothing."""
    if isinstance(values, Mapping):
        for key, value in values.items():
            if key == "trust_remote_code" and value:
                yield CodeReference((*place, key), "the code that comes with a model")
            elif key == "options" and values.get("kind") == "vllm" and isinstance(value, Mapping):
                for name in value:
                    if _VLLM_CODE.search(str(name)):
                        yield CodeReference((*place, key, name), f"vLLM's {name}")
            elif key not in _TEXTS:
                yield from find_code(value, (*place, key))
    elif isinstance(values, list | tuple):
        for index, value in enumerate(values):
            yield from find_code(value, (*place, index))
    elif isinstance(values, str) and _names_code(values, place):
        yield CodeReference(place, values)


def _names_code(text: str, place: _Place) -> bool:
    module = text.rpartition(":")[0]
    if module.endswith(".py"):
        return True
    keys = [part for part in place if isinstance(part, str)]
    is_own_name = keys in (["name"], ["datasets", "name"], ["tasks", "name"])
    if not keys or keys[-1] not in _LOOKED_UP or is_own_name or not _MODULE.fullmatch(text):
        return False
    return module.partition(".")[0] not in _known_packages()


def _known_packages() -> set[str]:
    """Return the packages that bring parts to benchkit: the user has installed them for it."""
    groups = metadata.entry_points().groups
    entries = [
        entry
        for group in groups
        if group.partition(".")[0] == "benchkit"
        for entry in metadata.entry_points(group=group)
    ]
    return {"benchkit", *(re.split(r"[.:]", entry.value)[0] for entry in entries)}


def check_code(file: Path, values: Any, *, trust: bool) -> None:
    """Raise ConfigError if a suite, or a file of settings, names code that may not run.

    Args:
        file: Where the values were read.
        values: The values of the file.
        trust: Whether the user trusts the file.
    """
    code = [] if trust else list(find_code(values))
    files = [file, *(reference.file for reference in code if reference.file)]
    if not code or all(map(_is_own, files)):
        return
    named = "".join(f"\n  {reference.key}: {reference.target}" for reference in code)
    raise ConfigError(
        f"{file}: names code, and is not in the folder that you work in; nothing was run{named}",
        "read the code; if you trust it, --trust (in Python trust=True), or work in that folder",
    )


def _is_own(path: Path) -> bool:
    """Return whether a file lies below the current folder, and belongs to the user as that does.

    The home folder and what is above it are no such folder: downloads lie there. A file that is
    not there counts as own; it is reported as missing.
    """
    here, path = Path.cwd().resolve(), path.resolve()
    home = Path("~").expanduser().resolve()
    if here == home or here in home.parents or here not in path.parents:
        return False
    try:
        return path.stat().st_uid in (os.getuid(), here.stat().st_uid)
    except FileNotFoundError:
        return True


def leave_out_code(values: Mapping[str, Any], code: Iterable[CodeReference]) -> dict[str, Any]:
    """Return a suite without the code that it names, to check or to plan the rest.

    Rows keep their labels, datasets and tasks their names; what stands in for the code is
    benchkit's own, and never run.
    """
    places = {reference.place for reference in code}
    result = dict(values)
    has_all = True
    for key in ("metrics", "protocols"):
        if isinstance(result.get(key), list):
            remaining = [v for i, v in enumerate(result[key]) if (key, i) not in places]
            has_all &= len(remaining) == len(result[key])
            result[key] = remaining
            if not remaining:
                del result[key]
    result["methods"] = _replace(values, "methods", places, _stand_in_row)
    result["datasets"] = _replace(values, "datasets", places, _stand_in_dataset)
    if isinstance(result.get("tasks"), list):
        result["tasks"] = _replace(result, "tasks", places, _without_metrics)
    primary = result.get("primary", "ndcg@5")
    if not has_all and primary not in result.get("metrics", [primary]):
        result["primary"] = result["metrics"][0]
    if not has_all and "metrics" not in result:
        result.pop("primary", None)
    if any(place[0] == "judging" for place in places):
        result.pop("judging", None)
    return result


def _replace(values: Mapping[str, Any], key: str, places: set[_Place], change: Any) -> Any:
    rows = values.get(key)
    if not isinstance(rows, list):
        return rows
    touched = {place[1] for place in places if place[0] == key}
    return [change(row) if i in touched and isinstance(row, dict) else row
            for i, row in enumerate(rows)]  # fmt: skip


def _stand_in_row(row: dict[str, Any]) -> dict[str, Any]:
    label = row.get("label") or str(row.get("method", "")).rpartition(":")[2]
    return {"method": "random", "label": label}


def _stand_in_dataset(dataset: dict[str, Any]) -> dict[str, Any]:
    return {"name": dataset.get("name", ""), "source": "toy"}


def _without_metrics(task: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in task.items() if key != "metrics"}

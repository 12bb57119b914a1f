"""Files and folders that the settings of a suite name, found wherever the command runs.

A relative path is looked for in the folder of the suite file, then in the data folder (`DATA/raw`,
then `DATA`); for a shipped suite in the data folder, then in the package.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchkit.config.suite_code import find_code
from benchkit.data.sources import PATH_OPTIONS
from benchkit.data.spec import map_files
from benchkit.errors import ConfigError
from benchkit.files.search_order import SearchOrder, find_named

# Keys whose texts name no file: for people, or for what the registry looks up.
_OTHER_TEXTS = frozenset(
    {"title", "description", "label", "name", "method", "judge", "source", "split", "kind",
     "metrics", "protocols", "answers", "suite"}
)  # fmt: skip
_FILES = frozenset({"preferences", "dialogues", "accelerate", "labels", "records", "replies"})
_FILES_OR_NAMES = frozenset({"template", "rubric", "prompt", "instructions"})
_ENDINGS = (".toml", ".json", ".jsonl")


def locate_at_load(values: dict[str, Any], folder: Path) -> None:
    """Give what lies in the folder of a suite file its full path.

    The rest is left as it is: it may lie in the data folder, which is known when the suite is run.

    Args:
        values: The values of the suite, which are changed.
        folder: Folder of the suite file.
    """
    order = SearchOrder([folder])
    for key, value in values.items():
        if key != "datasets":
            values[key] = locate_settings(value, order, key)
    for dataset in values.get("datasets", ()):
        if not isinstance(dataset, dict):
            continue
        if isinstance(dataset.get("options"), dict):
            options = dataset["options"]
            dataset["options"] = {
                name: str(order.find(text) or text)
                if name in PATH_OPTIONS and isinstance(text, str)
                else text
                for name, text in options.items()
            }
        map_files(dataset, lambda file: str(order.find(file) or file))
    _locate_code(values, folder)


def _locate_code(values: dict[str, Any], folder: Path) -> None:
    """Do the same with code (`FILE.py:Name`), which is never looked for among data."""
    for reference in find_code(values):
        if reference.file is None or folder == Path.cwd():
            continue
        if (folder / reference.file).is_file():
            *way, last = reference.place
            table: Any = values
            for step in way:
                table = table[step]
            name = reference.target.rpartition(":")[2]
            table[last] = f"{folder / reference.file}:{name}"


def locate_settings(
    settings: Any, order: SearchOrder, key: str = "", *, kind: str = "", what: str = ""
) -> Any:
    """Return settings with the full path of each file, and of each model's folder, that they name.

    Args:
        settings: A value as TOML has it.
        order: Where to look.
        key: Its key.
        kind: The `kind` of the table that it stands in.
        what: Whose settings they are, for messages; where it is empty, files may be missing.

    Raises:
        ConfigError: A file is nowhere; says where it was looked for.
    """
    if isinstance(settings, Mapping):
        kind = str(settings.get("kind", ""))
        return {
            name: locate_settings(value, order, str(name), kind=kind, what=what)
            for name, value in settings.items()
        }
    if isinstance(settings, list | tuple):
        parts = (locate_settings(v, order, key, kind=kind, what=what) for v in settings)
        return type(settings)(parts)
    if not isinstance(settings, str) or key in _OTHER_TEXTS:
        return settings
    path = find_named(key, settings, order, kind)
    if path is None and what and _must_be_there(key, settings, kind):
        raise ConfigError(
            f"{what}: {key} = {settings!r}: there is no such file or folder",
            order.describe(settings),
        )
    return settings if path is None else str(path)


def _must_be_there(key: str, text: str, kind: str) -> bool:
    """Return whether a text that names nothing can only be a file or folder that is missing."""
    if key in _FILES or (key == "path" and kind == "file"):
        return True
    if key in _FILES_OR_NAMES:
        return text.endswith(_ENDINGS)
    return key in ("backbone", "adapter") and text.startswith(("./", "../", "/"))


def shorten_paths(text: str, settings: Any) -> str:
    """Return a text for readers with the names, alone, of the paths that settings hold."""
    if isinstance(settings, Mapping | list | tuple):
        parts = settings.values() if isinstance(settings, Mapping) else settings
        for part in parts:
            text = shorten_paths(text, part)
    elif isinstance(settings, str) and Path(settings).is_absolute():
        text = text.replace(settings, Path(settings).name)
    return text

"""Files that settings name, on their way to machines that share no disk with this one."""

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchkit.files.search_order import SearchOrder, find_named
from benchkit.runs.cluster.archives import archive_files
from benchkit.source_hash import list_local_sources

# Stands for the folder of shipped files in settings that are shipped.
FILES_HERE = "/benchkit-shipped-files"
_CODE = re.compile(r"(?P<file>.+\.py):(?P<name>[^:]+)")

Reference = Any
"""Bytes elsewhere, which a function gets: for Ray an ObjectRef."""


class FileSender:
    """Sends every file, and every folder of a model, once, however many settings name it.

    Args:
        put: Stores bytes where other machines get them.
    """

    def __init__(self, put: Callable[[bytes], Reference]) -> None:
        self._put = put
        self._sent: dict[Path, tuple[str, Reference]] = {}

    def replace(self, key: str, text: str, kind: str, files: dict[str, Reference]) -> str:
        """Return a text of settings with the name that its file has elsewhere.

        Args:
            key: Name of the setting; '' where only code can be meant.
            text: Its value.
            kind: The `kind` of the table that it stands in.
            files: Collects what is sent, by the folder of each.
        """
        path, name, is_code = _find_file(key, text, kind)
        if path is None:
            return text
        send = self._send_code if is_code else self._send_file
        return f"{send(path, files)}{name}"

    def _send_code(self, path: Path, files: dict[str, Reference]) -> str:
        """Send a file of code with what it imports of the files around it."""
        path = path.resolve()
        sources = list_local_sources(path)
        root = Path(os.path.commonpath([source.parent for source in sources]))
        while (root / "__init__.py").is_file():  # a package goes by its name
            root = root.parent
        members = {source.relative_to(root).as_posix(): source for source in sources}
        return f"{self._send(path, lambda: archive_files(members), files)}/{path.relative_to(root)}"

    def _send_file(self, path: Path, files: dict[str, Reference]) -> str:
        folder = self._send(path, lambda: archive_files({path.name: path}), files)
        return f"{folder}/{path.name}"

    def _send(self, path: Path, pack: Callable[[], bytes], files: dict[str, Reference]) -> str:
        if path not in self._sent:
            data = pack()
            self._sent[path] = hashlib.sha256(data).hexdigest()[:16], self._put(data)
        name, reference = self._sent[path]
        files[name] = reference
        return f"{FILES_HERE}/{name}"


def resolve_name(key: str, text: str, kind: str) -> str:
    """Return a text of settings with the whole path of the file or the folder that it names."""
    path, name, _ = _find_file(key, text, kind)
    return text if path is None else f"{path.resolve()}{name}"


def _find_file(key: str, text: str, kind: str) -> tuple[Path | None, str, bool]:
    """Return the file that a text names, what stands behind it, and whether it is code."""
    code = _CODE.fullmatch(text)
    if code and Path(code["file"]).is_file():
        return Path(code["file"]), f":{code['name']}", True
    return find_named(key, text, SearchOrder([Path()]), kind) if key else None, "", False


def change_settings(
    value: Any, change: Callable[[str, str, str], str], key: str = "", kind: str = ""
) -> Any:
    """Return settings with other texts, at any depth.

    Args:
        value: The settings.
        change: Gets the key of a setting, a text, and the `kind` of the table that it stands in.
        key: The key of `value`.
        kind: The `kind` of the table that `value` stands in.
    """
    if isinstance(value, str):
        return change(key, value, kind)
    if isinstance(value, Path):
        return Path(change(key, str(value), kind))
    if isinstance(value, Mapping):
        kind = str(value.get("kind", ""))
        return {n: change_settings(v, change, n, kind) for n, v in value.items()}
    if isinstance(value, list | tuple):
        return [change_settings(item, change, key, kind) for item in value]
    return value

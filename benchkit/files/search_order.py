"""Where the files and folders are that settings name: the same order for all of them."""

from collections.abc import Iterable
from pathlib import Path

RAW_DIR = "raw"  # below the data folder: where raw files are fetched to
# Settings that name a model: its id, or a folder.
_MODELS = frozenset({"backbone", "adapter", "tokenizer", "lora"})
NO_MODELS = ("nano", "hf")  # names of ours, whatever folders there are
_OF_A_MODEL = ("config.json", "adapter_config.json", "tokenizer.json", "tokenizer_config.json")


class SearchOrder:
    """Folders in which a relative path is looked for, one after the other."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = tuple(folders)

    def find(self, name: str) -> Path | None:
        """Return the first file or folder of this name, None if there is none."""
        for folder in self.folders:
            path = folder / name
            try:
                if path.exists():
                    return path
            except (OSError, ValueError):  # no right to look, a name that no file can have
                continue
        return None

    def __truediv__(self, name: str) -> Path:
        """Return what `find` finds, else where it was looked for first."""
        return self.find(name) or self.folders[0] / name

    def describe(self, name: str) -> str:
        """Return all places where a name is looked for, in words."""
        return "looked for " + ", then ".join(str(folder / name) for folder in self.folders)


def data_folders(data: Path) -> tuple[Path, Path]:
    """Return where files of a data folder are looked for: its raw files, then itself."""
    return data / RAW_DIR, data


def names_model(key: str, kind: str = "") -> bool:
    """Return whether a setting names a model, by its id on the hub or its folder.

    Args:
        key: Name of the setting.
        kind: The `kind` of the table that it stands in.
    """
    return key in _MODELS or (key == "model" and kind == "vllm")


def find_named(key: str, text: str, order: SearchOrder, kind: str = "") -> Path | None:
    """Return the file or the folder that a setting names; None where its text is something else.

    A text with an ending or a folder names a file, if there is one; what names a model may also
    name the folder of one.

    Args:
        key: Name of the setting.
        text: Its value.
        order: Where to look.
        kind: The `kind` of the table that it stands in, such as an engine's.
    """
    path = order.find(text) if text and text.strip() == text and len(text) < 1000 else None
    if path is None:
        return None
    if path.is_file():
        return path if path.suffix or "/" in text else None
    is_model = names_model(key, kind)
    has_model = is_model and any((path / name).is_file() for name in _OF_A_MODEL)
    return path if has_model and text not in NO_MODELS else None

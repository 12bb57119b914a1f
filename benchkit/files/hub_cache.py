"""Which commit of a model on the Hugging Face hub a name stands for on this machine."""

import os
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Thread

from benchkit.process_state import isolate_process

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPOSITORY = re.compile(r"\w[\w.-]{0,95}(?:/[\w.-]{1,96})?")
_FILE = "config.json"  # that every model has
_PATIENCE_S = 10.0


def hub_folder() -> Path:
    """Return where the hub's library keeps what it downloads."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if folder := os.environ.get(variable):
            return Path(folder).expanduser()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("HF_HOME") or caches / "huggingface").expanduser() / "hub"


def cached_commit(name: str, revision: str | None = None) -> str | None:
    """Return the commit of a model's local copy, None where there is no copy.

    Args:
        name: Id on the hub.
        revision: A branch, a tag, or a commit itself; None is the main branch.
    """
    if not _REPOSITORY.fullmatch(name):
        return None
    folder = hub_folder() / f"models--{name.replace('/', '--')}"
    if revision and _COMMIT.fullmatch(revision):
        return revision if (folder / "snapshots" / revision).is_dir() else None
    try:
        commit = (folder / "refs" / (revision or "main")).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return None
    is_whole = _COMMIT.fullmatch(commit) and (folder / "snapshots" / commit).is_dir()
    return commit if is_whole else None


def find_commit(name: str, revision: str | None = None) -> str | None:
    """Return the commit that loading a model will use, None where that cannot be known.

    It is that of the local copy. Without one, the model's configuration is fetched, so that the
    commit is known from then on; a hub that is out of reach is no error here. The answer stays the
    same as long as the process runs.
    """
    return _find_commit(name, revision, hub_folder())


@lru_cache(maxsize=256)
def _find_commit(name: str, revision: str | None, _folder: Path) -> str | None:
    if revision and _COMMIT.fullmatch(revision):
        return revision
    commit = cached_commit(name, revision)
    if commit is None and _REPOSITORY.fullmatch(name) and not _is_offline():
        _fetch_configuration(name, revision)
        commit = cached_commit(name, revision)
    return commit


def _is_offline() -> bool:
    values = (os.environ.get(name, "") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
    return any(value.strip().upper() in ("1", "ON", "YES", "TRUE") for value in values)


def _fetch_configuration(name: str, revision: str | None) -> None:
    """Let the hub's library fetch a small file, and with it the commit; give up after a while."""

    def fetch() -> None:
        # Loading the model will say what is wrong.
        with suppress(Exception):
            from huggingface_hub import hf_hub_download

            hf_hub_download(name, _FILE, revision=revision)

    with isolate_process("cpu", "huggingface_hub"):
        thread = Thread(target=fetch, daemon=True)  # the library tries again for half a minute
        thread.start()
        thread.join(_PATIENCE_S)

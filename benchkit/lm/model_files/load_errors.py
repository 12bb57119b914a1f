"""What is wrong where a model cannot be loaded, and what to do about it."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchkit.errors import BenchkitError, ConfigError, StoreError
from benchkit.files.disk_faults import find_disk_fault
from benchkit.lm.tokens.tokenizer_check import no_tokenizer_error, remote_code_error

_CAUSE_LENGTH = 300
_WEIGHTS = {".safetensors", ".bin", ".pt"}
# Of the hub's library: name -> cause, hint.
_HUB_ERRORS = {
    "GatedRepoError": (
        "it is gated: its owner lets nobody read it who has not agreed to the terms",
        "accept its terms on its page of the hub and log in (hf auth login, or HF_TOKEN), or name"
        " another model",
    ),
    "DisabledRepoError": ("its owner has disabled it on the hub", "name another model"),
    "RepositoryNotFoundError": (
        "the hub has no such model, or it is private",
        "check the id, and log in (hf auth login, or HF_TOKEN) if it is private; the path of a"
        " folder is relative to the current one",
    ),
    "RevisionNotFoundError": (
        "the hub has the model, but not this revision",
        "check revision: a branch, a tag or a commit",
    ),
    "HFValidationError": (
        "there is no such folder, and the hub has no ids of this form",
        "give the path of a folder that exists, or an id as owner/name",
    ),
    "LocalEntryNotFoundError": (
        "it is not on this machine, and the hub cannot be reached",
        "download it where there is a network (hf download), unset HF_HUB_OFFLINE if that is set,"
        " or give a local folder",
    ),
    "OfflineModeIsEnabled": (
        "it is not on this machine, and HF_HUB_OFFLINE keeps it from being downloaded",
        "unset HF_HUB_OFFLINE, download it (hf download), or give a local folder",
    ),
}
_DAMAGED = (
    "its weights are damaged or were not copied whole",
    "download or copy them again (hf download --force-download; in a clone: git lfs pull)",
)
_MESSAGES = {
    "no file named": (
        "its folder has no weights",
        "copy model.safetensors (or all its shards) from where the model comes from",
    ),
    "ignore_mismatched_sizes": (
        "its weights have other shapes than its config.json says",
        "copy config.json and the weights from one and the same model",
    ),
    "size mismatch": (
        "its weights have other shapes than the model",
        "an adapter fits only the model that it was trained on: check backbone and adapter",
    ),
    "Can't find 'adapter_config.json'": (
        "there is no adapter of peft there (no adapter_config.json)",
        "check adapter: the folder that peft saved, or the id of such a model",
    ),
    "does not recognize this architecture": (
        "the installed transformers does not know its architecture",
        "install a newer transformers, or name another model",
    ),
}


@contextmanager
def explain_load_errors(name: str, hint: str) -> Iterator[None]:
    """Turn what loading a model raises into an error that says what to do.

    Args:
        name: What is loaded, for the message: "backbone 'qwen'".
        hint: What to do where nothing better is known.

    Raises:
        ConfigError: The model is not there, may not be read, or is damaged.
        StoreError: The disk has no room for it.
    """
    try:
        yield
    except BenchkitError:
        raise
    except Exception as error:
        problem = describe_load_error(name, error, hint)
        if problem is None:
            raise
        raise problem from error


def describe_load_error(name: str, error: Exception, hint: str) -> BenchkitError | None:
    """Return the error to raise; None for one that is no matter of a model's files."""
    cannot = f"{name} cannot be loaded"
    if (fault := find_disk_fault(error)) is not None:
        return StoreError(
            f"{cannot}: the disk does not take its files ({_shorten(fault)})",
            "free disk space, or set HF_HOME to a folder on another disk; what was downloaded is"
            " used when it is run again",
        )
    chain = list(_chain(error))
    for kind in (type(member).__name__ for member in chain):
        if kind in _HUB_ERRORS:
            cause, advice = _HUB_ERRORS[kind]
            return ConfigError(f"{cannot}: {cause}", advice)
    text = str(error)
    if "instantiate the backend tokenizer" in text:
        return no_tokenizer_error(name)
    if "trust_remote_code" in text:
        return remote_code_error(name)
    for words, (cause, advice) in _MESSAGES.items():
        if words in text:
            return ConfigError(f"{cannot}: {cause} ({_shorten(error)})", advice)
    lacking = Path(text.rpartition(" ")[2])
    if isinstance(error, FileNotFoundError) and lacking.suffix in _WEIGHTS:
        cause = f"a file of its weights is missing ({lacking.name})"
        return ConfigError(f"{cannot}: {cause}", _DAMAGED[1])
    is_damaged = (
        type(error).__name__ == "SafetensorError"
        or isinstance(error, pickle.UnpicklingError | EOFError)
        or "PytorchStreamReader" in text
    )
    if is_damaged:
        return ConfigError(f"{cannot}: {_DAMAGED[0]} ({_shorten(error)})", _DAMAGED[1])
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return ConfigError(
            f"{cannot}: there is not enough memory for it ({_shorten(error)})",
            "use a smaller model, a smaller dtype of the engine, or another device",
        )
    if isinstance(error, OSError | ValueError | KeyError | ImportError):
        return ConfigError(f"{cannot}: {_shorten(error)}", hint)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came from, the nearest first."""
    seen = set[int]()
    member: BaseException | None = error
    while member is not None and id(member) not in seen:
        seen.add(id(member))
        yield member
        member = member.__cause__ or member.__context__


def _shorten(error: BaseException) -> str:
    """Return the first line of an error, cut."""
    return str(error).strip().partition("\n")[0][:_CAUSE_LENGTH] or type(error).__name__

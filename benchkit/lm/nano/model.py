"""The architecture of nano: a small model of `transformers`, in a mainstream form."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.lm.nano.config import NanoConfig

_VECTOR_SIZE = 0.06  # root of the mean square, beside .02 of random weights


def init_nano_model(config: NanoConfig, tokenizer: Any) -> Any:
    """Return a model with random weights, drawn from the global generator, which it seeds."""
    import torch
    from transformers import AutoModelForCausalLM, Gemma3TextConfig, Qwen3Config

    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": 1000.0}
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": config.hidden,
        "intermediate_size": config.intermediate,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.hidden // config.heads,
        "max_position_embeddings": config.positions,
        "tie_word_embeddings": True,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    if config.architecture == "qwen3":
        model_config: Any = Qwen3Config(**shape, rope_parameters=rope)
    else:
        model_config = Gemma3TextConfig(
            **shape,
            layer_types=["full_attention"] * config.layers,
            rope_parameters={"full_attention": rope, "sliding_attention": rope},
            query_pre_attn_scalar=config.hidden // config.heads,
        )
    torch.manual_seed(seeds.derive(config.seed, "nano", "weights") % 2**63)
    from_config: Any = AutoModelForCausalLM.from_config
    return from_config(model_config, attn_implementation="sdpa", dtype=torch.float32)


def start_from_vectors(model: Any, tokens: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
    """Add vectors, of mean square 1, to the random embeddings of tokens, in place.

    Args:
        model: From `init_nano_model`.
        tokens: [m] token ids, each once.
        vectors: [m, hidden].
    """
    import torch

    table = model.get_input_embeddings().weight
    with torch.no_grad():
        table[torch.from_numpy(tokens)] += torch.from_numpy(_VECTOR_SIZE * vectors)

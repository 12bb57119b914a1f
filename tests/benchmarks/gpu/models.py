"""Models with random weights in the shapes of Qwen3-4B and Gemma-3-4B, and a tokenizer for them."""

from typing import Any

import torch
import transformers

_QWEN3 = {
    "vocab_size": 151_936, "hidden_size": 2560, "intermediate_size": 9728,
    "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8,
    "head_dim": 128, "max_position_embeddings": 40_960,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0},
}  # fmt: skip
_GEMMA3 = {
    "vocab_size": 262_208, "hidden_size": 2560, "intermediate_size": 10_240,
    "num_hidden_layers": 34, "num_attention_heads": 8, "num_key_value_heads": 4,
    "head_dim": 256, "query_pre_attn_scalar": 256, "sliding_window": 1024,
}  # fmt: skip
_TOY = {
    "vocab_size": 320, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
}  # fmt: skip
_TOY_WINDOW = {
    "sliding_window": 16, "query_pre_attn_scalar": 8,
    "layer_types": ["sliding_attention", "full_attention"],
}  # fmt: skip
_CONTROL = ["<pad>", "<s>", "</s>"]


def model_config(kind: str, toy: bool) -> Any:
    """The configuration of a model: `qwen3`, or `gemma3` (its text part)."""
    shape = (_QWEN3 if kind == "qwen3" else _GEMMA3) | (_TOY if toy else {})
    if toy and kind == "gemma3":
        shape |= _TOY_WINDOW
    build = transformers.Qwen3Config if kind == "qwen3" else transformers.Gemma3TextConfig
    config = build(
        **shape, tie_word_embeddings=True, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        # States keep their size through a matrix, so that attention changes what comes out.
        initializer_range=shape["hidden_size"] ** -0.5,
    )  # fmt: skip
    config.architectures = ["Qwen3ForCausalLM" if kind == "qwen3" else "Gemma3ForCausalLM"]
    return config


def build_model(kind: str, toy: bool, device: str, seed: int = 0) -> Any:
    """A model in bfloat16, made on the device; the same one for the same seed."""
    gpus = [torch.device(device)] if device != "cpu" else []
    with torch.random.fork_rng(devices=gpus), torch.device(device):
        torch.manual_seed(seed)
        model = transformers.AutoModelForCausalLM.from_config(
            model_config(kind, toy), dtype=torch.bfloat16
        )
    model.generation_config.eos_token_id = None  # all answers have the same length
    return model.eval()


def count_parameters(kind: str, toy: bool) -> int:
    """How many parameters a model has; none of them is made."""
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(model_config(kind, toy))
    return int(model.num_parameters())


def local_tokenizer(size: int) -> Any:
    """Byte-level without merges, filled up with words so that each id of a model is a token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*_CONTROL, *letters]
    words += [f"w{number}" for number in range(size - len(words))]
    inner = Tokenizer(models.BPE({word: number for number, word in enumerate(words)}, []))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )

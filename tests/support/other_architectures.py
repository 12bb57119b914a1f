"""Tiny models that cannot share a prompt among its responses, and know no longest prompt."""

from typing import Any

import torch
import transformers

# Masks of their own; a state; layers of both kinds.
KINDS = ("bloom", "falcon", "gptj", "mamba", "lfm2")


def other_model(kind: str, vocabulary: int) -> Any:
    """A model of one of KINDS with random weights."""
    config: Any
    size = {"vocab_size": vocabulary}
    heads = {"num_hidden_layers": 2, "num_attention_heads": 2}
    if kind == "bloom":
        config = transformers.BloomConfig(**size, hidden_size=32, n_layer=2, n_head=2)
    elif kind == "falcon":
        config = transformers.FalconConfig(**size, hidden_size=32, **heads)
    elif kind == "gptj":
        config = transformers.GPTJConfig(**size, n_embd=32, n_layer=2, n_head=2, rotary_dim=8)
    elif kind == "mamba":
        config = transformers.MambaConfig(**size, hidden_size=32, num_hidden_layers=2)
    else:
        config = transformers.Lfm2Config(
            **size, hidden_size=32, intermediate_size=64, num_key_value_heads=1,
            layer_types=["conv", "full_attention"], **heads,
        )  # fmt: skip
    config.bos_token_id, config.eos_token_id, config.pad_token_id = 1, 2, 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config)
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "A_log" not in name:
                torch.nn.init.normal_(parameter, std=0.15)
    return model.eval()

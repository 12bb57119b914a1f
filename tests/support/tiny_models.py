"""Tiny random language models in mainstream architectures."""

from functools import lru_cache
from typing import Any

import torch
import transformers

from benchkit.testing.fixtures import make_test_folder

WINDOW = 16
_SHAPE = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 300, "max_position_embeddings": 4096,
    "tie_word_embeddings": True, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


def tiny_model(kind: str, **shape: Any) -> Any:
    """A model with random weights: qwen3, llama, gemma3 (with a window of WINDOW tokens), or
    gemma3-vision, which sees pictures, too, as the larger ones do."""
    values = _SHAPE | shape
    heads = {"head_dim": values["hidden_size"] // values["num_attention_heads"]}
    config: Any
    if kind == "qwen3":
        config = transformers.Qwen3Config(**values, **heads)
    elif kind == "llama":
        config = transformers.LlamaConfig(**values, **heads)
    else:
        layers = ["sliding_attention", "full_attention"] * (values["num_hidden_layers"] // 2)
        window = {"sliding_window": WINDOW, "layer_types": layers, "query_pre_attn_scalar": 8}
        config = transformers.Gemma3TextConfig(**(values | heads | window))
    if kind == "gemma3-vision":
        vision = {
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "image_size": 16, "patch_size": 4,
        }  # fmt: skip
        config.vocab_size += 3  # tokens of pictures, behind those of texts
        first = values["vocab_size"]
        config = transformers.Gemma3Config(
            text_config=config, vision_config=vision, mm_tokens_per_image=4,
            boi_token_index=first, image_token_index=first + 1, eoi_token_index=first + 2,
        )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():  # the default is so small that nothing is tested
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.15)
    return model.eval()


def tiny_tokenizer() -> Any:
    """Byte-level, without merges: every text is its bytes, one token each."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<pad>", "<s>", "</s>"]
    vocabulary = {token: i for i, token in enumerate([*special, *letters])}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )


@lru_cache(maxsize=1)
def tiny_backbone() -> str:
    """The folder of a tiny model and its tokenizer, deleted when the process ends."""
    folder = make_test_folder("tiny-")
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(folder)
    tiny_model("qwen3", vocab_size=len(tokenizer)).save_pretrained(folder)
    return str(folder)

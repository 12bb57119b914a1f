"""A tiny random language model and its byte-level tokenizer, for servers and parity checks."""

from typing import Any

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def tiny_tokenizer(chat: bool = True) -> Any:
    """Byte-level BPE with a few merges, so that joining texts does move token boundaries."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("a", "b"), ("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n")]
    words = [*alphabet, *("".join(m) for m in merges)]
    bpe = models.BPE(vocab={w: i for i, w in enumerate(words)}, merges=merges)
    inner = Tokenizer(bpe)
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token=SPECIALS[0], pad_token=SPECIALS[0]
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIALS[1:])})
    if chat:
        tokenizer.chat_template = CHATML
    return tokenizer


def tiny_model(tokenizer: Any, seed: int = 0) -> Any:
    """A Qwen3 of two layers with random weights, spread enough for distinct probabilities.

    Parts of characters, and control characters, have the logit 0, which is never the largest:
    greedy texts are readable, so that no two ways of writing broken ones come into play.
    """
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=512,
        initializer_range=0.3,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config).eval()
    texts = [tokenizer.decode([token]) for token in range(len(tokenizer))]
    with torch.no_grad():
        for token, text in enumerate(texts):
            if not (text.isascii() and text.isprintable()):
                model.lm_head.weight[token] = 0.0
    return model

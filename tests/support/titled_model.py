"""A random language model whose tokenizer knows made-up titles, large enough to be timed."""

import random
from pathlib import Path

SYLLABLES = "ka ro mi the ter un lo sa bel dor in ven est ol qu ar".split()


def titles(count: int, draw: random.Random) -> list[str]:
    """Made-up titles of some words each."""

    def word() -> str:
        return "".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))).capitalize()

    return [" ".join(word() for _ in range(draw.randint(3, 7))) for _ in range(count)]


def make(folder: Path) -> tuple[Path, Path]:
    """Save a random Qwen3 of four layers with its tokenizer, and an adapter; return both places."""
    import peft
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    from tests.support.tiny_chat_model import CHATML, SPECIALS

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=list(SPECIALS), initial_alphabet=alphabet
    )
    bpe.train_from_iterator(titles(4000, random.Random(0)), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=SPECIALS[2], pad_token=SPECIALS[0]
    )
    tokenizer.chat_template = CHATML
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=256, intermediate_size=768, num_hidden_layers=4,
        num_attention_heads=8, num_key_value_heads=4, head_dim=32, max_position_embeddings=8192,
        initializer_range=0.1, tie_word_embeddings=False, bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(config)
    base, adapter = folder / "model", folder / "adapter"
    model.save_pretrained(base)
    tokenizer.save_pretrained(base)
    lora = peft.LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"])
    wrapped = peft.get_peft_model(model, lora)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:  # zeros change nothing
            torch.nn.init.normal_(parameter, std=0.1)
    wrapped.save_pretrained(adapter)
    return base, adapter

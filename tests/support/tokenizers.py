"""Small tokenizers of the kinds that language models have, each with control tokens."""

from typing import Any

LETTERS = [chr(code) for code in range(33, 127)]


def _wrap(inner: Any, specials: list[str], words: list[str], **names: str) -> Any:
    from tokenizers import AddedToken
    from transformers import PreTrainedTokenizerFast

    inner.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in specials])
    inner.add_tokens([AddedToken(t, special=False, normalized=False) for t in words])
    return PreTrainedTokenizerFast(tokenizer_object=inner, **names)


def byte_level() -> Any:
    """Like Qwen's: bytes with merges, `</think>` is no special token but one of its own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e"), ("<", "|"), ("e", "n")]
    words = [*alphabet, *("".join(merge) for merge in merges)]
    inner = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, merges))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    words = ["<think>", "</think>", "\n\n"]
    return _wrap(inner, specials, words, eos_token="<|im_end|>")


def metaspace() -> Any:
    """Like Llama 2's: spaces are letters, one stands before a text, `<s>` is in the vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    specials = ["<unk>", "<s>", "</s>"]
    pieces = ["▁", *LETTERS, "▁T", "s>", "<s"]
    vocabulary = {word: i for i, word in enumerate([*specials, *pieces])}
    merges = [("▁", "T"), ("s", ">"), ("<", "s>"), ("<", "s")]  # one makes <s>
    inner = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    inner.decoder = decoders.Metaspace(prepend_scheme="first")
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return _wrap(inner, [*specials, "[INST]", "[/INST]"], [], **names)


def unigram() -> Any:
    """Like XGLM's: the control tokens are pieces that the model prefers to their letters."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [(token, 0.0) for token in specials]
    pieces += [("▁", -4.0), *((letter, -5.0) for letter in LETTERS), ("▁Thing", -3.0)]
    inner = Tokenizer(models.Unigram(pieces, unk_id=3))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Metaspace()
    return _wrap(inner, specials, [], eos_token="</s>", unk_token="<unk>")


def word_pieces() -> Any:
    """Like BERT's: lower case, words and their parts."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    specials = ["[UNK]", "[CLS]", "[SEP]"]
    letters = sorted({letter.lower() for letter in LETTERS})
    words = [*specials, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {word: i for i, word in enumerate(words)}
    inner = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    return _wrap(inner, specials, [], eos_token="[SEP]", unk_token="[UNK]")


def code_points() -> Any:
    """One that cannot be copied: it is written in Python."""
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer(extra_ids=4)


def word_level(words: list[str]) -> Any:
    """A token for each of some words; all others are unknown."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: i for i, word in enumerate(["[UNK]", *words])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return _wrap(inner, ["[UNK]"], [], unk_token="[UNK]")

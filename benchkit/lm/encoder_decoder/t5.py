"""Encoder-decoders: a tiny T5 of random weights, a Hugging Face id, or a local folder."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from benchkit.errors import ConfigError
from benchkit.files.hub_cache import cached_commit
from benchkit.lm.backbones import Backbone
from benchkit.lm.config import NANO
from benchkit.lm.model_files.checkpoints import load_whole_model
from benchkit.lm.model_files.load_errors import explain_load_errors
from benchkit.lm.tokens.tokenizer_check import check_tokenizer_on_titles
from benchkit.process_state import isolate_process
from benchkit.types import Catalog, RunContext

PAD, EOS, UNKNOWN = "<pad>", "</s>", "<unk>"  # ids 0, 1 and 2 of the tiny T5, as of any T5
SPECIAL_TOKENS = (PAD, EOS, UNKNOWN)
INSIDE = "##"  # before a letter that does not begin a word
_DIGITS = "0123456789"
_WORD = re.compile(r"\w+|[^\w\s]+")


class TinyT5Config(BaseModel):
    """How the T5 is built that is trained from scratch."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    hidden: PositiveInt = 64
    """Width of the model; input and output embeddings are one table."""
    layers: PositiveInt = 1
    """Blocks of the encoder, and as many of the decoder."""
    heads: PositiveInt = 2
    """Attention heads; divides hidden."""
    intermediate: PositiveInt = 128
    """Width of the feed-forward layers."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout rate in training."""
    vocabulary: int = Field(default=4096, ge=64)
    """Words of the catalogue that have a token, at most."""


def build_tiny_t5(config: TinyT5Config, vocabulary: int, seed: int) -> Any:
    """Return a T5ForConditionalGeneration with random weights, in float32 on the CPU.

    Args:
        config: Its size.
        vocabulary: Number of tokens; 0 is padding and the start of an answer, 1 the end of a text.
        seed: Of the weights; torch's global generator is preserved.
    """
    import torch
    import transformers

    make_config: Any = transformers.T5Config
    settings = make_config(
        vocab_size=vocabulary,
        d_model=config.hidden,
        d_kv=max(1, config.hidden // config.heads),
        d_ff=config.intermediate,
        num_layers=config.layers,
        num_decoder_layers=config.layers,
        num_heads=config.heads,
        dropout_rate=config.dropout,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    )
    settings.scale_decoder_outputs = False  # its constructor may overwrite it
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = transformers.T5ForConditionalGeneration(settings)
        # T5 starts with vectors of length sqrt(d) and scales its outputs by 1 / sqrt(d). Vectors of
        # length 1 and outputs as they are learn several times as fast.
        torch.nn.init.normal_(model.get_input_embeddings().weight, std=config.hidden**-0.5)
    return model.eval()


def train_word_tokenizer(texts: Sequence[str], size: int, always: str = "") -> Any:
    """Return a tokenizer with a token for each of the most frequent words of texts.

    Case does not count. Other words are spelt by the letters of the texts; a word with any other
    letter is the unknown token.

    Args:
        texts: What words are counted in.
        size: Tokens in all, at most, unless the letters alone are more.
        always: Words that have tokens, too, however rare they are.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    count = Counter(word for text in texts for word in _WORD.findall(text.lower()))
    letters = sorted({letter for word in count for letter in word} | set(_DIGITS))
    frequent = sorted(count, key=lambda word: (-count[word], word))
    needed = [*SPECIAL_TOKENS, *letters, *(INSIDE + letter for letter in letters)]
    words = dict.fromkeys([*needed, *_WORD.findall(always.lower())])
    for word in frequent[: max(0, size - len(words))]:
        words[word] = None
    vocabulary = {word: number for number, word in enumerate(words)}
    inner = Tokenizer(
        models.WordPiece(vocabulary, unk_token=UNKNOWN, continuing_subword_prefix=INSIDE)
    )
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.decoder = decoders.WordPiece(prefix=INSIDE, cleanup=False)
    inner.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS]
    )
    make_tokenizer: Any = PreTrainedTokenizerFast
    return make_tokenizer(tokenizer_object=inner, pad_token=PAD, eos_token=EOS, unk_token=UNKNOWN)


def load_encoder_decoder(
    source: str, revision: str | None, catalog: Catalog | None, run: RunContext
) -> Backbone:
    """Load an encoder-decoder with its tokenizer onto the run's device, in float32.

    Args:
        source: Id on the Hugging Face hub, or a folder.
        revision: Revision on the hub.
        catalog: Its titles are what the tokenizer must be able to write; None if it writes none.
        run: Device and progress.

    Raises:
        ConfigError: There is no such model, it is no encoder-decoder, or its tokenizer loses the
            titles.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer

    name = f"backbone {source!r}"
    with isolate_process(run.device, "transformers"):
        hint = f"give {NANO}, a local folder, or the id of a T5 that is downloaded or can be"
        with explain_load_errors(name, hint):
            revision = cached_commit(source, revision) or revision
            remote: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
            config = AutoConfig.from_pretrained(source, **remote)
            check_is_encoder_decoder(config, name)
            tokenizer = AutoTokenizer.from_pretrained(source, **remote)
            model: Any = load_whole_model(
                AutoModelForSeq2SeqLM.from_pretrained, source, name, dtype=torch.float32, **remote
            )
    if catalog is not None:
        embeddings = model.get_input_embeddings().weight.shape[0]
        if note := check_tokenizer_on_titles(tokenizer, catalog, name, embeddings):
            run.progress.advance(0, note=note)
    return Backbone(model.to(run.device).eval(), tokenizer, None)


def check_is_encoder_decoder(config: Any, name: str) -> None:
    """Raise ConfigError if a model's configuration is that of a decoder or an encoder alone."""
    if not getattr(config, "is_encoder_decoder", False):
        kind = getattr(config, "model_type", "unknown")
        raise ConfigError(
            f"{name} is no encoder-decoder (its kind is {kind!r}), but this method needs one",
            "name a T5, such as t5-small; causal models are for sft and the like",
        )

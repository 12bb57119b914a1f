"""The tokenizer of the nano backbone: frequent titles are one token, any other text is spelt.

A byte-level unigram model (Kudo 2018) in which all tokens cost the same, so that a text is cut into
as few tokens as possible (Schmidt et al. 2024, PathPiece). Its tokens are the 256 bytes, pieces
that byte-level BPE merges on the distinct texts of the catalogue, and the titles that occur often
in training, as wholes. Learning the titles by BPE alone would spend five tokens of the vocabulary
on the way to each, and a sequence would be twice as long for the same size of vocabulary.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

EOS = "\n"
PAD = "<pad>"
RESPONSE_TAGS = ("<think>", "</think>", "<item>", "</item>")
CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"

# So that short English reasons are not spelt letter by letter.
_ENGLISH = (
    "the user likes and has watched bought read played liked enjoyed recently other items with"
    " similar to this because of a an is in for by from it its their that which would fit well"
    " recommended recommendation history shares same genre genres category categories brand author"
    " director style theme title titles series film movie book game product who also often most"
    " more like prefer prefers interest interests taste matches related next choice item"
)
_WORDS = tuple(_ENGLISH.split())
_LONGEST = 80  # characters of a text beside the titles: longer ones are descriptions


def train_nano_tokenizer(
    titles: Mapping[str, int],
    texts: Iterable[str] = (),
    pieces: int = 512,
    vocabulary: int = 8192,
    min_count: int = 3,
    phrases: Iterable[str] = (),
) -> Any:
    """Return a `PreTrainedTokenizerFast`.

    The end of a text and of a line are one: `eos_token` is the newline, which is also the
    beginning-of-text token, for prompts without any history; neither is put around a text.

    Args:
        titles: Title (of one line) -> how often it occurs in training.
        texts: Other short texts that answers may mention.
        pieces: Merges learnt on all of these and on words of plain English, for spelling.
        vocabulary: Tokens, at most.
        min_count: Occurrences from which a title is one token, as far as there is room, the most
            frequent first; a rarer title is spelt, as a new one is.
        phrases: Texts that are one token each, such as what rationales repeat.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    room = vocabulary - len(RESPONSE_TAGS) - 2
    letters = _alphabet()
    merges = min(pieces, room - len(letters))
    tokens = dict.fromkeys([*letters, *_merge_pieces([*titles, *texts, *_WORDS], merges)])
    frequent = sorted((t for t, count in titles.items() if t and count >= min_count),
                   key=lambda title: (-titles[title], title))  # fmt: skip
    for text in (*phrases, *frequent):
        if len(tokens) >= room:
            break
        tokens[_letters(text)] = None
    model = Tokenizer(models.Unigram([(token, -1.0) for token in tokens], unk_id=None))
    model.pre_tokenizer = _bytes()
    model.decoder = decoders.ByteLevel()
    model.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in (EOS, PAD)])
    model.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in RESPONSE_TAGS])
    make_tokenizer: Any = PreTrainedTokenizerFast
    return make_tokenizer(
        tokenizer_object=model,
        eos_token=EOS,
        bos_token=EOS,
        pad_token=PAD,
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def short_catalog_texts(texts: Mapping[str, Sequence[str | None]]) -> list[str]:
    """Return the distinct short values of the columns beside the title: genres, brands."""
    values: dict[str, None] = {}
    for column in sorted(texts.keys() - {"title"}):
        for value in texts[column]:
            text = " ".join((value or "").split())
            if 0 < len(text) <= _LONGEST:
                values[text] = None
    return list(values)


def _merge_pieces(texts: Sequence[str], merges: int) -> list[str]:
    """Return the pieces of byte-level BPE on `texts`; spaces are letters like any other."""
    from tokenizers import Tokenizer, models, trainers

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = _bytes()
    letters = _alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=len(letters) + merges, show_progress=False, initial_alphabet=letters
    )
    # A word may begin a text or follow another.
    inner.train_from_iterator([*texts, *(f" {word}" for word in _WORDS)], trainer)
    vocabulary: dict[str, int] = inner.get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def _alphabet() -> list[str]:
    """Return a letter for each of the 256 bytes."""
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def _bytes() -> Any:
    from tokenizers import pre_tokenizers

    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def _letters(text: str) -> str:
    """Return the text as the model sees it, one letter per byte."""
    return "".join(letters for letters, _ in _bytes().pre_tokenize_str(text))

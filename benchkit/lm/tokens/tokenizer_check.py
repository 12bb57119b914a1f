"""Refuse a tokenizer with which a model would answer at chance without a word.

Where a model's folder lacks its tokenizer's files, `transformers` makes an empty tokenizer of the
kind that the configuration names: all prompts are alike then, and all candidates tie.
"""

import unicodedata
from collections.abc import Sequence
from typing import Any

from benchkit.errors import ConfigError
from benchkit.lm.tokenization import text_ids
from benchkit.lm.tokens.control_tokens import quote
from benchkit.types import Catalog, RunContext

_MIN_TOKENS = 64  # besides special ones; a tokenizer of single bytes has 256
_MOST_TITLES = 1000  # that are looked at
_TOLERATED = 0.1  # share of titles that may be lost
_FILES = "tokenizer.json, or tokenizer.model, or vocab.json with merges.txt"


def check_vocabulary(tokenizer: Any, name: str) -> None:
    """Raise ConfigError if a tokenizer has next to no tokens besides its special ones.

    Args:
        tokenizer: Of `transformers`.
        name: What the tokenizer belongs to, for the message: "backbone 'qwen'".
    """
    added = getattr(tokenizer, "added_tokens_decoder", None) or {}
    count = len(tokenizer) - len(added)
    if count < _MIN_TOKENS:
        raise no_tokenizer_error(
            name, f" (its vocabulary has {max(count, 0)} tokens, and {len(added)} special ones)"
        )


def describe_missing_template(tokenizer: Any, name: str) -> str:
    """Return what is to be said of a tokenizer without a chat template; "" for one that has one.

    Args:
        tokenizer: Of `transformers`.
        name: What the tokenizer belongs to.
    """
    if getattr(tokenizer, "chat_template", None):
        return ""
    return (
        f"{name} has no chat template: messages are joined by line breaks, as is right for a model"
        " that was not trained to chat; for another copy chat_template.jinja from where it comes"
        " from"
    )


def no_tokenizer_error(name: str, details: str = "") -> ConfigError:
    """Return the error for a model whose folder has no tokenizer."""
    return ConfigError(
        f"{name} cannot be loaded: no tokenizer in the folder{details}",
        f"copy the tokenizer's files ({_FILES}) from where the model comes from",
    )


def remote_code_error(name: str) -> ConfigError:
    """Return the error for a model that comes with code of its own."""
    return ConfigError(
        f"{name} cannot be loaded: it comes with code of its own, which was not run",
        "read that code, and set trust_remote_code = true beside the model to run it",
    )


def check_tokenizer_on_titles(
    tokenizer: Any, catalog: Catalog, name: str, embeddings: int | None = None
) -> str | None:
    """Raise ConfigError if a tokenizer loses the titles of a catalogue.

    A title is lost if it has unknown tokens, or if its tokens do not read as the title. White
    space, case, accents and forms of a character (NFKD) do not count. Many titles are sampled.

    Args:
        tokenizer: Of `transformers`.
        catalog: The items.
        name: What the tokenizer belongs to, for the message: "backbone 'qwen'".
        embeddings: Tokens that the model has embeddings for; None if that is not known.

    Returns:
        What is to be said of the few titles that are lost; None if all are well.
    """
    check_vocabulary(tokenizer, name)
    titles = _sample_titles(catalog)
    unknown = tokenizer.unk_token_id
    n_unknown, lost = 0, []
    for title in titles:
        ids = text_ids(tokenizer, quote(title))
        if embeddings is not None and max(ids, default=0) >= embeddings:
            raise ConfigError(
                f"{name} cannot be used: its tokenizer has a token {max(ids)}, and the model"
                f" {embeddings} embeddings",
                "the tokenizer is another model's: copy its files from where the model comes from",
            )
        text = tokenizer.decode(ids, skip_special_tokens=False)
        is_unknown = unknown is not None and unknown in ids
        n_unknown += is_unknown
        if is_unknown or _letters(text) != _letters(title):
            lost.append((title, text))
    if not lost:
        return None
    example = f"{lost[0][0]!r} becomes {lost[0][1]!r}"
    problem = (
        f"its tokenizer loses {len(lost)} of {len(titles)} titles, {n_unknown} of them to unknown"
        f" tokens: {example}"
    )
    if len(lost) > _TOLERATED * len(titles):
        raise ConfigError(
            f"{name} cannot be used: {problem}",
            f"check that the tokenizer's files ({_FILES}) are the model's, and that it can write"
            " the language of the catalogue",
        )
    return f"{name}: {problem}"


def check_engine_titles(engine: Any, catalog: Catalog, run: RunContext) -> None:
    """Do `check_tokenizer_on_titles` for an engine with a `title_tokenizer`; note what is lost.

    A model in this process is checked where it is loaded; a server of which only the address is
    known cannot be.
    """
    tokenizer = getattr(engine, "title_tokenizer", None)
    if tokenizer is not None:
        name = getattr(tokenizer, "name_or_path", "") or type(tokenizer).__name__
        if lack := describe_missing_template(tokenizer, f"tokenizer {name!r}"):
            run.progress.advance(0, note=lack)
        if note := check_tokenizer_on_titles(tokenizer, catalog, f"tokenizer {name!r}"):
            run.progress.advance(0, note=note)


def _sample_titles(catalog: Catalog) -> Sequence[str]:
    """Return the titles of items at equal distances, the id of one without a title."""
    step = -(-len(catalog.ids) // _MOST_TITLES) or 1
    return [" ".join((catalog.text(i) or i).split()) for i in catalog.ids[::step]]


def _letters(text: str) -> str:
    """Return a text without what tokenizers may change."""
    characters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in characters if not c.isspace() and not unicodedata.combining(c))

"""What GRAM's encoder reads: a coarse prompt of the user, and a fine one of each recent item."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.hybrid.item_ids.lexical_ids import TokenIds
from benchkit.errors import DataError
from benchkit.lm.tokenization import text_ids
from benchkit.lm.tokens.control_tokens import quote


class PromptWords(NamedTuple):
    """The words around the ids."""

    before: str
    after: str
    item: str
    similar: str
    text: str


PAPER_WORDS = PromptWords(
    "What would user purchase after", "?", "item:", "; similar items:", "; text:"
)
SHORT_WORDS = PromptWords("", "", "", ";", ";")  # for a model that learns what they mean


@dataclass(frozen=True)
class GramPrompts:
    """Token ids of all prompts; an item's does not depend on the user."""

    ids: Sequence[TokenIds]
    """[n_items] lexical ids."""
    items: Sequence[TokenIds]
    """[n_items] fine-grained prompts."""
    before: TokenIds
    after: TokenIds
    history: int
    """Newest items in a user's prompt."""

    def user(self, codes: Sequence[int] | NDArray[np.integer]) -> TokenIds:
        """Return the prompt of a history of item codes (oldest first): its ids, newest first."""
        newest = list(codes)[-self.history :][::-1]
        return (*self.before, *(t for code in newest for t in self.ids[code]), *self.after)


def write_prompts(
    ids: Sequence[TokenIds],
    similar: NDArray[np.int64],
    texts: Sequence[str],
    tokenizer: Any,
    words: PromptWords,
    history: int,
    item_tokens: int,
) -> GramPrompts:
    """Write the prompts of a catalogue.

    Args:
        ids: [n] lexical ids.
        similar: [n, k] codes of each item's most similar items.
        texts: [n] texts of items.
        tokenizer: Of the model.
        words: What stands around the ids.
        history: Newest items in a user's prompt.
        item_tokens: Longest prompt of an item; its text is cut.

    Reference:
        GRAM, section 4.2 (collaborative semantics verbalisation), and 4.3.
    """
    end = tokenizer.eos_token_id
    item, near, text = (
        text_ids(tokenizer, part) for part in (words.item, words.similar, words.text)
    )
    items = []
    for code, row in enumerate(similar.tolist()):
        neighbours = [token for other in row for token in ids[other]]
        described = text_ids(tokenizer, quote(texts[code]))
        tokens = [*item, *ids[code], *near, *neighbours, *text, *described]
        items.append((*tokens[: item_tokens - 1], end))
    before, after = text_ids(tokenizer, words.before), text_ids(tokenizer, words.after)
    return GramPrompts(ids, items, tuple(before), (*after, end), history)


def similar_items(
    vectors: NDArray[np.floating], count: int, known: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return [n, k] the items with the highest cosine to each item, without itself.

    Args:
        vectors: [n, d] of a collaborative filter.
        count: Most similar items; k is less where there are not as many.
        known: [n] which items the filter has learnt of; only these are similar to any.

    Raises:
        DataError: An item has no similar one.
    """
    codes = np.flatnonzero(known)
    k = min(count, len(codes) - 1)
    if k < 1:
        raise DataError(
            f"no item has a similar one: {len(codes)} of the catalogue's items are in the"
            " training interactions, and at least 2 are needed",
            "use a larger dataset, or lower k_core",
        )
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(length > 0, length, 1)
    table = np.empty((len(vectors), k), dtype=np.int64)
    for start in range(0, len(unit), 1024):
        cosine = unit[start : start + 1024] @ unit[codes].T
        rows = np.arange(start, start + len(cosine))
        cosine[rows[:, None] == codes[None, :]] = -np.inf
        table[rows] = codes[np.argsort(-cosine, axis=1, kind="stable")[:, :k]]
    return table

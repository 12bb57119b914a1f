"""Ids of items made of words: a word for each cluster that an item is in (GRAM)."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from baselines.hybrid.item_ids.kmeans import prefixes
from benchkit.errors import DataError
from benchkit.lm.retrieval.term_weights import weigh_terms
from benchkit.lm.tokenization import text_ids
from benchkit.lm.tokens.control_tokens import quote

TokenIds = tuple[int, ...]
_MARKS = "▁Ġ#"  # of tokenizers, for where words begin or go on


def lexical_ids(
    paths: Sequence[Sequence[int]],
    texts: Sequence[Sequence[int]],
    names: Sequence[str],
    tokenizer: Any,
) -> list[TokenIds]:
    """Return a different sequence of tokens for each item.

    Each cluster of the tree is called by the token with the highest mean TF-IDF weight among its
    items that names no cluster above it and no other branch of the same cluster. Items that then
    still have the same id get a number behind it.

    Args:
        paths: [n] place of each item in a tree of clusters.
        texts: [n] token ids of each item's text.
        names: [n] titles, for messages.
        tokenizer: Of the model; decides which tokens are words.

    Raises:
        DataError: The tokenizer has no token for the text of an item.

    Reference:
        GRAM, section 4.1.
    """
    usable = [_name_tokens(text, tokenizer) for text in texts]
    for tokens, name in zip(usable, names, strict=True):
        if not tokens:
            raise DataError(
                f"item {name!r} has no text that the tokenizer can write, so it can have no id",
                "give the item a title, or use the tokenizer of a model that knows its language",
            )
    label = _name_clusters(paths, *weigh_terms(usable))
    ids = [tuple(label[p] for p in prefixes(path) if p in label) for path in paths]
    return _number_equals(ids, names, tokenizer)


def _name_tokens(text: Sequence[int], tokenizer: Any) -> list[int]:
    """Return the tokens of a text that can be names: at best those of more than one letter."""
    special = set(tokenizer.all_special_ids)
    known = [token for token in text if token not in special]
    pieces = tokenizer.convert_ids_to_tokens(known)
    words = [
        token
        for token, piece in zip(known, pieces, strict=True)
        if len(piece.strip(_MARKS)) > 1 and any(letter.isalnum() for letter in piece)
    ]
    return words or known


def _name_clusters(
    paths: Sequence[Sequence[int]], table: csr_array, tokens: Sequence[int]
) -> dict[tuple[int, ...], int]:
    """Return the token of each cluster; none for one whose tokens all name others."""
    members: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for item, path in enumerate(paths):
        for prefix in prefixes(path):
            members[prefix].append(item)
    label: dict[tuple[int, ...], int] = {}
    taken: dict[tuple[int, ...], set[int]] = defaultdict(set)  # by the branches of a cluster
    # The largest first, as it speaks for most items.
    for prefix in sorted(members, key=lambda p: (len(p), -len(members[p]), p)):
        above = {label[p] for p in prefixes(prefix[:-1]) if p in label}
        for column in _order_terms(table[members[prefix]]):
            token = tokens[column]
            if token not in above and token not in taken[prefix[:-1]]:
                label[prefix] = token
                taken[prefix[:-1]].add(token)
                break
    return label


def _order_terms(rows: csr_array) -> NDArray[np.int64]:
    """Return the columns that rows have, from the highest mean to the lowest."""
    total = np.asarray(rows.sum(axis=0)).ravel()
    columns = np.flatnonzero(total)
    return columns[np.argsort(-total[columns], kind="stable")]


def _number_equals(ids: Sequence[TokenIds], names: Sequence[str], tokenizer: Any) -> list[TokenIds]:
    """Put a number behind each id that is not the first of its kind, or that is empty."""
    used: set[TokenIds] = set()
    unique: list[TokenIds] = []
    for tokens, name in zip(ids, names, strict=True):
        candidate, number = tokens, 0
        while not candidate or candidate in used:
            suffix = number_tokens(number, tokenizer)
            if not suffix:
                raise DataError(
                    f"item {name!r} shares its id with another, and the tokenizer has no number"
                    " to tell them apart",
                    "raise branch or depth, or use a tokenizer that can write digits",
                )
            candidate, number = (*tokens, *suffix), number + 1
        used.add(candidate)
        unique.append(candidate)
    return unique


def number_tokens(number: int, tokenizer: Any) -> TokenIds:
    """Return the tokens of a number, digit by digit; none if the tokenizer cannot write it."""
    tokens = text_ids(tokenizer, quote(" ".join(str(number))))
    return () if tokenizer.unk_token_id in tokens else tuple(tokens)

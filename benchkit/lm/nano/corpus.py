"""What nano learns from: a dataset's titles and histories as tokens."""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchkit.lm.nano.config import NanoConfig
from benchkit.lm.nano.tokenizer import short_catalog_texts
from benchkit.lm.prompts import load_template
from benchkit.lm.tokenization import text_ids
from benchkit.lm.tokens.control_tokens import quote, unquote
from benchkit.types import TrainView

_TEMPLATE = "compact"  # how prompts for nano write titles
_NO_TOKENS = np.zeros(0, dtype=np.int64)


class NanoCorpus(NamedTuple):
    """Histories and validation targets as tokens."""

    items: Sequence[NDArray[np.int64]]
    """[n_items] token ids of each title with the end of line."""
    histories: Sequence[NDArray[np.int32]]
    """Item codes of each user, oldest first."""
    validation: Sequence[tuple[NDArray[np.int64], int]]
    """Pairs of a history and the item that followed, as item codes."""
    eos: int
    """Token id of the end of line."""

    def token_ids(self, codes: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the ids of the titles of items, one after another."""
        return np.concatenate([self.items[code] for code in codes]) if len(codes) else _NO_TOKENS


def nano_item_titles(view: TrainView) -> list[str]:
    """Return each item's title as prompts write it, without marks, in the order of item codes."""
    template = load_template(_TEMPLATE)
    return [unquote(template.item_title(view.catalog, item)) for item in view.catalog.ids]


def nano_data_hash(view: TrainView, titles: Sequence[str]) -> str:
    """Return 16 hexadecimal digits of all that nano learns from."""
    digest = hashlib.sha256()
    rows, index = view.interactions, view.catalog.index
    digest.update(rows.offsets.astype("<i8").tobytes())
    digest.update(rows.item.astype("<i8").tobytes())
    for request, target in view.validation:
        codes = [len(request.history), *(index[e.item] for e in request.history), index[target]]
        digest.update(np.array(codes, dtype="<i8").tobytes())
    for text in (*titles, "", *short_catalog_texts(view.catalog.texts)):
        digest.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()[:16]


def build_corpus(
    view: TrainView, titles: Sequence[str], tokenizer: Any, config: NanoConfig
) -> NanoCorpus:
    """Tokenise the histories and the validation targets.

    Targets that are not one token with its end of line are left out, unless all are: a rare title
    costs as much to spell as many frequent ones, and would hide what is known of the order.
    """
    rows, index, eos = view.interactions, view.catalog.index, int(tokenizer.eos_token_id)
    encoded = tokenizer([*titles], add_special_tokens=False)["input_ids"]
    for number, title in enumerate(titles):
        if quote(title) != title:  # as prompts spell it
            encoded[number] = text_ids(tokenizer, quote(title))
    is_one_token = np.array([len(ids) == 1 for ids in encoded])
    if not any(is_one_token[index[target]] for _, target in view.validation):
        is_one_token[:] = True
    cases: list[tuple[Any, int]] = []
    for request, target in view.validation:
        if len(cases) >= config.validation_cases:
            break
        if is_one_token[index[target]]:
            history = np.array([index[event.item] for event in request.history], dtype=np.int64)
            cases.append((history, index[target]))
    return NanoCorpus(
        items=[np.array([*ids, eos], dtype=np.int64) for ids in encoded],
        histories=[
            _leave_out_last(rows.sequence(user), config.held_out) for user in range(len(view.users))
        ],
        validation=cases,
        eos=eos,
    )


def _leave_out_last(codes: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Return a history without its last items, but at least with its first."""
    return codes[: max(1, len(codes) - count)]

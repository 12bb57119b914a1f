"""From a TrainView to RecBole's training data, and from requests to RecBole's batches.

RecBole numbers users and items from 1 and keeps 0 for padding, so its ids are codes + 1.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from baselines.cf.recbole_models import is_sequential
from baselines.cf.scoring import history_codes
from benchkit.errors import DataError
from benchkit.types import Catalog, Interactions, Request, TrainView

if TYPE_CHECKING:
    import torch

USER_FIELD, ITEM_FIELD, HISTORY_FIELD, LENGTH_FIELD = (
    "user_id",
    "item_id",
    "item_id_list",
    "item_length",
)


def make_loader(config: Any, data: TrainView) -> Any:
    """Return RecBole's loader of the training rows; models are built from its `dataset`.

    A sequential model gets one row for each interaction that has one before it in training: the
    items before it (the last `max_length` of them) and the item. A context-aware model gets one
    row for each interaction. There are no other rows, so no validation or test target. The words
    of the item text `config["item_attribute"]`, if any, become an item feature.
    """
    from recbole.data.dataloader import TrainDataLoader
    from recbole.data.dataset import Dataset, SequentialDataset

    sequential = is_sequential(config["model"])
    base = SequentialDataset if sequential else Dataset
    dataset = type("Dataset", (_InMemory, base), {"data": data})(config)
    if not len(dataset):
        raise DataError(
            f"dataset {data.name!r}: no user has two training interactions to learn an order from",
            "raise k_core, or use a method that does not need sequences",
        )
    return TrainDataLoader(config, dataset, _sampler(config, dataset, sequential), shuffle=True)


def _sampler(config: Any, dataset: Any, sequential: bool) -> Any:
    """Return a sampler of negatives: not the target (sequential), or no item of the user."""
    from recbole.sampler import RepeatableSampler, Sampler

    arguments = config["train_neg_sample_args"]
    if arguments["distribution"] == "none":
        return None
    kind, source = (RepeatableSampler, dataset) if sequential else (Sampler, [dataset])
    sampler = kind(["train"], source, arguments["distribution"], arguments["alpha"])
    return sampler.set_phase("train")


class _InMemory:
    """Mixin for RecBole's Dataset: the rows come from a TrainView, not from files."""

    data: TrainView
    config: Any
    item_feat: Any
    field2token_id: dict[str, Mapping[str, int]]
    field2id_token: dict[str, NDArray[np.str_]]

    def _from_scratch(self) -> None:
        from recbole.data.interaction import Interaction
        from recbole.utils import FeatureSource

        self._get_preset()  # type: ignore[attr-defined]
        self._get_field_from_config()  # type: ignore[attr-defined]
        self._token(USER_FIELD, self.data.users, FeatureSource.USER_ID)
        self._token(ITEM_FIELD, self.data.catalog.ids, FeatureSource.ITEM_ID)
        self.user_feat = self.item_feat = None
        column = self.config["item_attribute"]
        if column is not None:
            words, table = item_words(self.data.catalog, column)
            self._token(column, words, FeatureSource.ITEM, table.shape[1])
            numbers = np.arange(len(table))
            self.item_feat = Interaction({ITEM_FIELD: _tensor(numbers), column: _tensor(table)})
        self.inter_feat = Interaction(self._rows())

    def _rows(self) -> dict[str, "torch.Tensor"]:
        from recbole.utils import FeatureSource, FeatureType

        rows = self.data.interactions
        if not is_sequential(self.config["model"]):
            return {USER_FIELD: _tensor(rows.user + 1), ITEM_FIELD: _tensor(rows.item + 1)}
        width = self.config["MAX_ITEM_LIST_LENGTH"]
        self.set_field_property(  # type: ignore[attr-defined]
            HISTORY_FIELD, FeatureType.TOKEN_SEQ, FeatureSource.INTERACTION, width
        )
        target, history, length = history_prefixes(rows, width)
        return {
            USER_FIELD: _tensor(rows.user[target] + 1),
            ITEM_FIELD: _tensor(rows.item[target] + 1),
            HISTORY_FIELD: _tensor(history),
            LENGTH_FIELD: _tensor(length),
        }

    def _token(
        self, field: str, names: Sequence[str], source: Any, width: int | None = None
    ) -> None:
        """Declare a categorical field; `width` is given where a row holds several values."""
        from recbole.utils import FeatureType

        kind = FeatureType.TOKEN if width is None else FeatureType.TOKEN_SEQ
        self.set_field_property(field, kind, source, width or 1)  # type: ignore[attr-defined]
        self.field2id_token[field] = np.array(["[PAD]", *names])
        self.field2token_id[field] = {name: i for i, name in enumerate(names, 1)}


def history_prefixes(
    rows: Interactions, max_length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pair every interaction except each user's first with the items before it.

    Returns:
        The target's row [n]; the history [n, max_length] as item codes + 1, oldest first and
        padded at its end with 0; and the history's length [n].
    """
    place = np.arange(len(rows)) - rows.offsets[rows.user]
    target = np.flatnonzero(place > 0)
    length = np.minimum(place[target], max_length)
    column = np.arange(max_length)
    source = (target - length)[:, None] + np.minimum(column, length[:, None] - 1)
    history = np.where(column < length[:, None], rows.item[source].astype(np.int64) + 1, 0)
    return target, history, length


def item_words(catalog: Catalog, column: str) -> tuple[list[str], NDArray[np.int64]]:
    """Split a text column into words, separated by `,` `;` `|` or `>` if present, else by blanks.

    Returns:
        The distinct words, and each item's words as numbers from 1, [n_items + 1, most words of an
        item], padded with 0; row 0 is the padding item.
    """
    texts = [text or "" for text in catalog.texts[column]]
    has_separator = any(re.search(r"[,;|>]", text) for text in texts)
    split = re.compile(r"\s*[,;|>]\s*" if has_separator else r"\s+").split
    # Once each: a word that an item has twice would count twice in the mean of its words.
    bags = [list(dict.fromkeys(filter(None, split(text.strip())))) for text in texts]
    words = sorted({word for bag in bags for word in bag})
    number = {word: i for i, word in enumerate(words, 1)}
    table = np.zeros((len(bags) + 1, max(map(len, bags), default=0)), dtype=np.int64)
    for row, bag in enumerate(bags, 1):
        table[row, : len(bag)] = [number[word] for word in bag]
    return words, table


def history_columns(
    requests: Sequence[Request],
    users: Mapping[str, int],
    items: Mapping[str, int],
    max_length: int,
) -> dict[str, "torch.Tensor"]:
    """Return the requests as RecBole's columns: the last `max_length` items, padded at the end.

    An empty history is one padding item, as the model expects.
    """
    history = np.zeros((len(requests), max_length), dtype=np.int64)
    length = np.ones(len(requests), dtype=np.int64)
    for row, request in enumerate(requests):
        codes = history_codes(request, items)[-max_length:]
        history[row, : len(codes)] = codes + 1
        length[row] = max(len(codes), 1)
    user = np.array([users[request.user] + 1 for request in requests])
    return {
        USER_FIELD: _tensor(user),
        HISTORY_FIELD: _tensor(history),
        LENGTH_FIELD: _tensor(length),
    }


def pair_columns(
    requests: Sequence[Request],
    users: Mapping[str, int],
    items: Mapping[str, int],
    features: Mapping[str, "torch.Tensor"],
) -> dict[str, "torch.Tensor"]:
    """Return one row per candidate of each request: the user, the item and its features."""
    user = np.repeat([users[r.user] + 1 for r in requests], [len(r.candidates) for r in requests])
    item = [items[candidate] + 1 for r in requests for candidate in r.candidates]
    rows = {name: table[item] for name, table in features.items()}
    return {**rows, USER_FIELD: _tensor(user), ITEM_FIELD: _tensor(np.array(item))}


def item_features(dataset: Any) -> dict[str, "torch.Tensor"]:
    """Return by column a table whose row i belongs to item i; empty without features."""
    return {} if dataset.item_feat is None else dict(dataset.item_feat.interaction)


def _tensor(values: NDArray[np.integer]) -> "torch.Tensor":
    import torch

    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64))

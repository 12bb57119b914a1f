"""The data that the RecBole adapter hands over: training interactions, and nothing else."""

from typing import Any

import numpy as np
import pytest

from baselines.cf import recbole_data, recbole_shim
from benchkit.data.dataset import PreparedDataset
from benchkit.data.request_batch import TrainData
from benchkit.types import Catalog, Interactions
from tests.support.recbole_runs import needs_recbole


def interactions(*sequences: list[int]) -> Interactions:
    user = [u for u, items in enumerate(sequences) for _ in items]
    return Interactions(
        user=np.array(user, dtype=np.int32),
        item=np.array([item for items in sequences for item in items], dtype=np.int32),
        offsets=np.cumsum([0, *map(len, sequences)]).astype(np.int64),
    )


def test_prefixes_are_all_that_have_a_past_and_keep_the_newest_items() -> None:
    target, history, length = recbole_data.history_prefixes(
        interactions([5, 6, 7, 8], [9], [3, 4]), 2
    )
    assert target.tolist() == [1, 2, 3, 6]
    assert history.tolist() == [[6, 0], [6, 7], [7, 8], [4, 0]]
    assert length.tolist() == [1, 2, 2, 1]


def test_item_words_are_parted_by_the_column_s_own_separator() -> None:
    texts = {"genres": ["Sci-Fi, Film Noir", None, "Film Noir"], "tags": ["b a", "a", "a a"]}
    catalog = Catalog(("x", "y", "z"), texts)
    words, table = recbole_data.item_words(catalog, "genres")
    assert words == ["Film Noir", "Sci-Fi"]
    assert table.tolist() == [[0, 0], [2, 1], [0, 0], [1, 0]]
    words, table = recbole_data.item_words(catalog, "tags")
    assert (words, table.tolist()) == (["a", "b"], [[0, 0], [2, 1], [1, 0], [1, 0]])


def recbole_rows(model: str, data: TrainData) -> Any:
    settings = {"seed": 0, "device": "cpu", "MAX_ITEM_LIST_LENGTH": 8, "item_attribute": None}
    with recbole_shim.recbole_context("cpu"):
        negatives = None if model == "SASRec" else {}
        config = recbole_shim.make_config(model, {**settings, "train_neg_sample_args": negatives})
        return recbole_data.make_loader(config, data).dataset


@needs_recbole
def test_recbole_sees_the_training_interactions_and_nothing_else(toy30: PreparedDataset) -> None:
    train = toy30.train_view()
    rows = recbole_rows("SASRec", train)
    assert rows.field2id_token["item_id"].tolist() == ["[PAD]", *toy30.catalog.ids]
    assert rows.field2id_token["user_id"].tolist() == ["[PAD]", *toy30.users]
    columns = {name: rows.inter_feat[name].numpy() for name in rows.inter_feat.columns}
    trained = {user: train.interactions.sequence(user).tolist() for user in range(len(toy30.users))}
    for user, item, history, length in zip(*columns.values(), strict=True):
        items = trained[user - 1]
        place = items.index(item - 1)
        past = items[max(0, place - 8) : place]
        assert history.tolist() == [code + 1 for code in past] + [0] * (8 - len(past))
        assert length == len(past)
    assert len(rows) == sum(max(0, len(items) - 1) for items in trained.values())


@needs_recbole
@pytest.mark.parametrize("model", ["SASRec", "DeepFM"])
def test_no_target_of_a_user_is_among_its_rows(toy30: PreparedDataset, model: str) -> None:
    rows = recbole_rows(model, toy30.train_view()).inter_feat
    pairs = set(zip(rows["user_id"].tolist(), rows["item_id"].tolist(), strict=True))
    if model == "SASRec":
        for user, history in zip(
            rows["user_id"].tolist(), rows["item_id_list"].tolist(), strict=True
        ):
            pairs |= {(user, item) for item in history}
    for cases in (toy30.valid, toy30.test):
        targets = set(zip((cases.user + 1).tolist(), (cases.target + 1).tolist(), strict=True))
        assert not targets & pairs

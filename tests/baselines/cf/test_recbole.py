"""The RecBole adapter on a small generated dataset."""

import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.cf import recbole_data, recbole_models, recbole_shim
from baselines.cf.recbole import RecBole
from benchkit.data.dataset import PreparedDataset, TrainData
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.sources import read_source
from benchkit.data.spec import DatasetSpec
from benchkit.errors import ConfigError
from benchkit.types import Catalog, Interactions, Prediction, RunContext

needs_recbole = pytest.mark.skipif(
    recbole_models.recbole_dir() is None, reason="RecBole is not installed"
)


@dataclass
class Stages:
    """A Progress that remembers what it was told."""

    seen: list[str] = field(default_factory=list)

    def start(self, what: str, total: int | None = None) -> None:
        self.seen.append(f"{what} {total}")

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.seen.append(note.partition(" ")[0])


def context(catalog: Catalog, scratch: Path, seed: int = 0) -> RunContext:
    return RunContext(seed, catalog, scratch, Stages(), cache=scratch)


@pytest.fixture(scope="module")
def toy() -> PreparedDataset:
    return prepare_dataset(read_source("toy", {}), DatasetSpec(name="toy", source="toy"))


def fitted(
    toy: PreparedDataset, scratch: Path, seed: int = 0, **config: Any
) -> tuple[RecBole, RunContext]:
    recommender = RecBole(RecBole.Config(**{"epochs": 1, "max_length": 8, **config}))
    run = context(toy.catalog, scratch, seed)
    recommender.fit(toy.train_view(), run)
    return recommender, run


@pytest.fixture(scope="module", params=["SASRec", "GRU4Rec", "FPMC", "DeepFM"])
def trained(
    request: pytest.FixtureRequest, toy: PreparedDataset, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RecBole, RunContext]]:
    if recbole_models.recbole_dir() is None:
        pytest.skip("RecBole is not installed")
    yield fitted(toy, tmp_path_factory.mktemp("scratch"), model=request.param)


def scores(predictions: list[Prediction]) -> np.ndarray:
    return np.array([prediction.scores for prediction in predictions])


# Configuration


@needs_recbole
def test_an_unknown_model_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"unknown RecBole model 'SASrec'[\s\S]*'SASRec'"):
        RecBole.Config(model="SASrec")


@needs_recbole
def test_a_model_that_needs_a_knowledge_graph_is_refused() -> None:
    with pytest.raises(ConfigError, match="knowledge graph"):
        RecBole.Config(model="KSR")


@needs_recbole
def test_an_unknown_parameter_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"'n_layer'[\s\S]*'n_layers'"):
        RecBole.Config(model="SASRec", parameters={"n_layer": 2})


@needs_recbole
@pytest.mark.parametrize("name", ["hidden_size", "epochs", "checkpoint_dir", "data_path"])
def test_a_parameter_with_a_place_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"parameter of RecBole model 'SASRec': '{name}'"):
        RecBole.Config(model="SASRec", parameters={name: 1})


@needs_recbole
def test_defaults_are_read_as_numbers() -> None:
    assert recbole_models.model_defaults("SASRec")["layer_norm_eps"] == 1e-12
    assert recbole_models.model_defaults("Caser")["reg_weight"] == 1e-4


@needs_recbole
def test_settings_reach_recbole(toy: PreparedDataset, tmp_path: Path) -> None:
    recommender, _ = fitted(
        toy, tmp_path, model="SASRec", embedding_size=16, parameters={"n_layers": 1}
    )
    assert recommender._model.item_embedding.embedding_dim == 16
    assert len(recommender._model.trm_encoder.layer) == 1


def test_without_recbole_fit_says_what_to_install(
    toy: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recbole_models, "available_models", dict)
    monkeypatch.setitem(sys.modules, "recbole.trainer.trainer", None)
    monkeypatch.setitem(sys.modules, "recbole.model.sequential_recommender", None)
    recommender = RecBole(RecBole.Config(model="SASRec"))
    with pytest.raises(ConfigError, match=r"pip install --no-deps recbole==1\.2\.1"):
        recommender.fit(toy.train_view(), context(toy.catalog, tmp_path))


@needs_recbole
def test_s3rec_says_which_item_texts_there_are(toy: PreparedDataset, tmp_path: Path) -> None:
    recommender = RecBole(RecBole.Config(model="S3Rec", item_column="brand"))
    with pytest.raises(ConfigError, match=r"no item text 'brand'[\s\S]*title, genres"):
        recommender.fit(toy.train_view(), context(toy.catalog, tmp_path))


@needs_recbole
def test_every_entry_of_the_catalog_is_valid() -> None:
    files = Path(recbole_shim.__file__).parents[2].glob("baselines/**/catalog.toml")
    entries = [
        entry
        for file in files
        for name, entry in tomllib.loads(file.read_text(encoding="utf-8"))["methods"].items()
        if entry["class"] == "baselines.cf.recbole:RecBole" and "*" not in name
    ]
    assert len(entries) >= 13
    for entry in entries:
        RecBole.Config(**entry["config"])


# Data


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
def test_recbole_sees_the_training_interactions_and_nothing_else(toy: PreparedDataset) -> None:
    train = toy.train_view()
    rows = recbole_rows("SASRec", train)
    assert rows.field2id_token["item_id"].tolist() == ["[PAD]", *toy.catalog.ids]
    assert rows.field2id_token["user_id"].tolist() == ["[PAD]", *toy.users]
    columns = {name: rows.inter_feat[name].numpy() for name in rows.inter_feat.columns}
    trained = {user: train.interactions.sequence(user).tolist() for user in range(len(toy.users))}
    for user, item, history, length in zip(*columns.values(), strict=True):
        own = trained[user - 1]
        place = own.index(item - 1)
        past = own[max(0, place - 8) : place]
        assert history.tolist() == [code + 1 for code in past] + [0] * (8 - len(past))
        assert length == len(past)
    assert len(rows) == sum(max(0, len(own) - 1) for own in trained.values())


@needs_recbole
@pytest.mark.parametrize("model", ["SASRec", "DeepFM"])
def test_no_target_of_a_user_is_among_its_rows(toy: PreparedDataset, model: str) -> None:
    rows = recbole_rows(model, toy.train_view()).inter_feat
    pairs = set(zip(rows["user_id"].tolist(), rows["item_id"].tolist(), strict=True))
    if model == "SASRec":
        for user, history in zip(
            rows["user_id"].tolist(), rows["item_id_list"].tolist(), strict=True
        ):
            pairs |= {(user, item) for item in history}
    for cases in (toy.valid, toy.test):
        asked = set(zip((cases.user + 1).tolist(), (cases.target + 1).tolist(), strict=True))
        assert not asked & pairs


# Predictions


def test_every_request_gets_one_prediction_in_order(
    trained: tuple[RecBole, RunContext], toy: PreparedDataset
) -> None:
    recommender, run = trained
    requests = list(toy.requests(toy.test))
    predictions = list(recommender.predict(requests, run))
    assert [p.case_id for p in predictions] == [r.case_id for r in requests]
    assert scores(predictions).shape == (len(requests), 30)
    assert np.isfinite(scores(predictions)).all()
    assert list(recommender.predict([], run)) == []


@pytest.mark.parametrize("size", [1, 7])
def test_slicing_does_not_change_an_answer(
    trained: tuple[RecBole, RunContext], toy: PreparedDataset, size: int
) -> None:
    recommender, run = trained
    requests = list(toy.requests(toy.test, 0, 50))
    whole = scores(list(recommender.predict(requests, run)))
    slices = [requests[i : i + size] for i in range(0, 50, size)]
    parts = [p for part in slices for p in recommender.predict(part, run)]
    np.testing.assert_allclose(scores(parts), whole, atol=1e-5)


def test_a_score_belongs_to_its_candidate(
    trained: tuple[RecBole, RunContext], toy: PreparedDataset
) -> None:
    recommender, run = trained
    requests = list(toy.requests(toy.test, 0, 20))
    turned = [replace(r, candidates=r.candidates[::-1]) for r in requests]
    straight = scores(list(recommender.predict(requests, run)))
    np.testing.assert_allclose(
        scores(list(recommender.predict(turned, run))), straight[:, ::-1], atol=1e-5
    )


def test_the_full_protocol_agrees_with_the_candidates(
    trained: tuple[RecBole, RunContext], toy: PreparedDataset
) -> None:
    recommender, run = trained
    asked = list(toy.requests(toy.test, 0, 5))
    full = list(toy.requests(toy.test, 0, 5, candidates="catalog"))
    everything = scores(list(recommender.predict(full, run)))
    columns = [[toy.catalog.index[item] for item in request.candidates] for request in asked]
    np.testing.assert_allclose(
        scores(list(recommender.predict(asked, run))),
        np.take_along_axis(everything, np.array(columns), axis=1),
        atol=1e-5,
    )


def test_only_the_newest_items_are_read(
    trained: tuple[RecBole, RunContext], toy: PreparedDataset
) -> None:
    recommender, run = trained
    requests = [r for r in toy.requests(toy.test) if len(r.history) > 8][:10]
    cut = [replace(request, history=request.history[-8:]) for request in requests]
    np.testing.assert_allclose(
        scores(list(recommender.predict(cut, run))),
        scores(list(recommender.predict(requests, run))),
        atol=1e-6,
    )


def test_an_empty_history_is_answered(
    trained: tuple[RecBole, RunContext], toy: PreparedDataset
) -> None:
    recommender, run = trained
    request = next(toy.requests(toy.test))
    (prediction,) = recommender.predict([replace(request, history=())], run)
    assert np.isfinite(np.array(prediction.scores)).all()


# Training


@needs_recbole
def test_the_seed_alone_decides(toy: PreparedDataset, tmp_path: Path) -> None:
    requests = list(toy.requests(toy.test, 0, 20))

    def answer(seed: int) -> np.ndarray:
        np.random.seed(seed + 5)  # noqa: NPY002 - a global generator must not matter
        recommender, run = fitted(toy, tmp_path, seed, model="GRU4Rec")
        return scores(list(recommender.predict(requests, run)))

    first = answer(0)
    np.testing.assert_array_equal(answer(0), first)
    assert not np.allclose(answer(1), first)


@needs_recbole
def test_it_learns(toy: PreparedDataset, tmp_path: Path) -> None:
    recommender, run = fitted(
        toy, tmp_path, model="FOSSIL", epochs=20, train_batch_size=128, learning_rate=0.005
    )
    table = scores(list(recommender.predict(list(toy.requests(toy.test)), run)))
    assert (table.argmax(axis=1) == toy.test.target_position).mean() > 0.2  # chance: 1/30


@needs_recbole
def test_the_best_epoch_is_kept_and_patience_ends_training(
    toy: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = iter([0.1, 0.9, 0.2, 0.3, 0.95])
    weights = []
    original = recbole_shim._Reporting._valid_epoch

    def scripted(trainer: Any, valid_data: Any, **_: Any) -> tuple[float, dict[str, float]]:
        weights.append(trainer.model.UI_emb.weight.detach().clone())
        return original(trainer, lambda: next(given))

    monkeypatch.setattr(recbole_shim._Reporting, "_valid_epoch", scripted)
    recommender, run = fitted(toy, tmp_path, model="FPMC", epochs=50, patience=2)
    assert run.progress.seen == ["epochs 50", *["loss"] * 4]  # type: ignore[attr-defined]
    assert not weights[1].equal(weights[3])
    assert recommender._model.UI_emb.weight.equal(weights[1])


@needs_recbole
def test_the_validation_score_is_ndcg_at_10_of_the_frozen_candidates(
    toy: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    original = recbole_shim._Reporting._valid_epoch

    def spied(trainer: Any, valid_data: Any, **_: Any) -> tuple[float, dict[str, float]]:
        seen.append(original(trainer, valid_data))
        return seen[-1]

    monkeypatch.setattr(recbole_shim._Reporting, "_valid_epoch", spied)
    recommender, run = fitted(toy, tmp_path, model="GRU4Rec", validation_cases=50)
    table = scores(list(recommender.predict(list(toy.requests(toy.valid, 0, 50)), run)))
    own = np.take_along_axis(table, toy.valid.target_position[:50, None], axis=1)
    rank = 1 + (table > own).sum(axis=1)
    ndcg = np.where(rank <= 10, 1 / np.log2(rank + 1), 0).mean()
    assert seen[0][0] == pytest.approx(ndcg)


@needs_recbole
def test_s3rec_is_pretrained_first(toy: PreparedDataset, tmp_path: Path) -> None:
    recommender, run = fitted(toy, tmp_path, model="S3Rec", parameters={"pretrain_epochs": 1})
    assert run.progress.seen == ["pretraining epochs 1", "loss", "epochs 1", "loss"]  # type: ignore[attr-defined]
    assert recommender._model.train_stage == "finetune"
    assert [path.name for path in tmp_path.iterdir()] == ["s3rec-pretrained.pth"]


@needs_recbole
def test_training_without_validation_cases(toy: PreparedDataset, tmp_path: Path) -> None:
    recommender = RecBole(RecBole.Config(model="FPMC", epochs=1))
    run = context(toy.catalog, tmp_path)
    recommender.fit(replace(toy.train_view(), validation=()), run)
    assert len(list(recommender.predict(list(toy.requests(toy.test, 0, 3)), run))) == 3

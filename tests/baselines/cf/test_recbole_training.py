"""How the RecBole adapter trains: by its seed, up to the best epoch, S3Rec in two stages."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.cf import recbole_shim
from baselines.cf.recbole import RecBole
from benchkit.data.dataset import PreparedDataset
from tests.support.recbole_runs import context, fit_recbole, needs_recbole, score_table


@needs_recbole
def test_the_seed_alone_decides(toy30: PreparedDataset, tmp_path: Path) -> None:
    requests = list(toy30.requests(toy30.test, 0, 20))

    def answer(seed: int) -> np.ndarray:
        np.random.seed(seed + 5)  # noqa: NPY002 - a global generator must not matter
        recommender, run = fit_recbole(toy30, tmp_path, seed, model="GRU4Rec")
        return score_table(list(recommender.predict(requests, run)))

    first = answer(0)
    np.testing.assert_array_equal(answer(0), first)
    assert not np.allclose(answer(1), first)


@needs_recbole
def test_it_learns(toy30: PreparedDataset, tmp_path: Path) -> None:
    recommender, run = fit_recbole(
        toy30, tmp_path, model="FOSSIL", epochs=20, train_batch_size=128, learning_rate=0.005
    )
    table = score_table(list(recommender.predict(list(toy30.requests(toy30.test)), run)))
    assert (table.argmax(axis=1) == toy30.test.target_position).mean() > 0.2  # chance: 1/30


@needs_recbole
def test_the_best_epoch_is_kept_and_patience_ends_training(
    toy30: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validation_scores = iter([0.1, 0.9, 0.2, 0.3, 0.95])
    weights = []
    original = recbole_shim._Reporting._valid_epoch

    def scripted(trainer: Any, valid_data: Any, **_: Any) -> tuple[float, dict[str, float]]:
        weights.append(trainer.model.UI_emb.weight.detach().clone())
        return original(trainer, lambda: next(validation_scores))

    monkeypatch.setattr(recbole_shim._Reporting, "_valid_epoch", scripted)
    recommender, run = fit_recbole(toy30, tmp_path, model="FPMC", epochs=50, patience=2)
    assert run.progress.seen == ["epochs 50", *["loss"] * 4]  # type: ignore[attr-defined]
    assert not weights[1].equal(weights[3])
    assert recommender._model.UI_emb.weight.equal(weights[1])


@needs_recbole
def test_the_validation_score_is_ndcg_at_10_of_the_frozen_candidates(
    toy30: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    original = recbole_shim._Reporting._valid_epoch

    def spied(trainer: Any, valid_data: Any, **_: Any) -> tuple[float, dict[str, float]]:
        seen.append(original(trainer, valid_data))
        return seen[-1]

    monkeypatch.setattr(recbole_shim._Reporting, "_valid_epoch", spied)
    recommender, run = fit_recbole(toy30, tmp_path, model="GRU4Rec", validation_cases=50)
    table = score_table(list(recommender.predict(list(toy30.requests(toy30.valid, 0, 50)), run)))
    target_scores = np.take_along_axis(table, toy30.valid.target_position[:50, None], axis=1)
    rank = 1 + (table > target_scores).sum(axis=1)
    ndcg = np.where(rank <= 10, 1 / np.log2(rank + 1), 0).mean()
    assert seen[0][0] == pytest.approx(ndcg)


@needs_recbole
def test_s3rec_is_pretrained_first(toy30: PreparedDataset, tmp_path: Path) -> None:
    recommender, run = fit_recbole(
        toy30, tmp_path, model="S3Rec", parameters={"pretrain_epochs": 1}
    )
    assert run.progress.seen == ["pretraining epochs 1", "loss", "epochs 1", "loss"]  # type: ignore[attr-defined]
    assert recommender._model.train_stage == "finetune"
    assert [path.name for path in tmp_path.iterdir()] == ["s3rec-pretrained.pth"]


@needs_recbole
def test_training_without_validation_cases(toy30: PreparedDataset, tmp_path: Path) -> None:
    recommender = RecBole(RecBole.Config(model="FPMC", epochs=1))
    run = context(toy30.catalog, tmp_path)
    recommender.fit(replace(toy30.train_view(), validation=()), run)
    assert len(list(recommender.predict(list(toy30.requests(toy30.test, 0, 3)), run))) == 3

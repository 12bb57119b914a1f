"""Every RecBole model of the catalog, for an epoch on MovieLens 100K, in an unchanged process."""

import contextlib
import logging
import os
import random
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.cf import recbole_models
from baselines.cf.recbole import RecBole
from benchkit.data.dataset import PreparedDataset
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.sources import read_source
from benchkit.data.spec import DatasetSpec
from benchkit.types import RunContext

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(recbole_models.recbole_dir() is None, reason="RecBole is not installed"),
]

MODELS = (
    *("SASRec", "BERT4Rec", "S3Rec", "NextItNet", "SINE", "GRU4Rec", "TransRec"),
    *("LightSANs", "STAMP", "FPMC", "FOSSIL", "Caser", "DeepFM"),
)
ALIASES = (
    *("bool", "int", "float", "complex", "object", "str", "long", "unicode"),
    *("float_", "complex_", "unicode_"),
)


class Silent:
    def start(self, what: str, total: int | None = None) -> None: ...

    def advance(self, steps: int = 1, note: str = "") -> None: ...


@pytest.fixture(scope="module")
def ml100k() -> PreparedDataset:
    return prepare_dataset(
        read_source("ml-100k", {}), DatasetSpec(name="ml-100k", source="ml-100k")
    )


def state() -> dict[str, Any]:
    """What of the process RecBole is known to change, and then some."""
    import torch
    import yaml

    root = logging.getLogger()
    return {
        "numpy": {name: vars(np).get(name) for name in ALIASES},
        "argv": list(sys.argv),
        "environment": dict(os.environ),
        "streams": (sys.stdout, sys.stderr),
        "logging": (root.level, root.disabled, list(root.handlers), list(root.filters)),
        "warnings": list(warnings.filters),
        "random": random.getstate(),
        "numpy random": [np.asarray(part).tolist() for part in np.random.get_state()],  # noqa: NPY002
        "torch random": torch.get_rng_state().tolist(),
        "torch": (
            torch.get_default_dtype(),
            torch.is_anomaly_enabled(),
            torch.is_anomaly_check_nan_enabled(),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_num_threads(),
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.benchmark,
        ),
        "yaml": repr(yaml.FullLoader.yaml_implicit_resolvers),
        "files": sorted(Path().rglob("*")),
    }


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    before = state()
    yield
    after = state()
    assert [name for name in before if before[name] != after[name]] == []


@pytest.mark.parametrize("model", MODELS)
def test_a_model_trains_and_scores(
    model: str, ml100k: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(sys, "argv", ["pytest", "--epochs=7"])  # RecBole would take it
    run = RunContext(0, ml100k.catalog, tmp_path / "scratch", Silent(), cache=tmp_path / "cache")
    parameters = {"pretrain_epochs": 1} if model == "S3Rec" else {}
    config = RecBole.Config(
        model=model, epochs=1, max_length=5, train_batch_size=512, parameters=parameters
    )
    recommender = RecBole(config)
    requests = list(ml100k.requests(ml100k.test))
    with unchanged():
        recommender.fit(ml100k.train_view(), run)
    with unchanged():
        predictions = list(recommender.predict(requests, run))
    assert [p.case_id for p in predictions] == [r.case_id for r in requests]
    scores = np.array([p.scores for p in predictions])
    assert scores.shape == (len(requests), 30)
    assert np.isfinite(scores).all()
    assert (scores.std(axis=1) > 0).all()

    few = [next(iter(recommender.predict([request], run))).scores for request in requests[:20]]
    np.testing.assert_allclose(few, scores[:20], atol=1e-5)

    own = np.take_along_axis(scores, ml100k.test.target_position[:, None], axis=1)
    hits = ((scores >= own).sum(axis=1) <= 5).mean()
    assert hits > 0.2, "chance is 5/30"


def test_stamp_learns_on_small_data_too(tmp_path, monkeypatch):
    """At RecBole's learning rate its first epochs gain nothing, and patience ended the training."""
    import benchkit as bk

    monkeypatch.chdir(tmp_path)
    results = bk.run(
        "amazon5@demo300", methods=["popularity", "recbole/STAMP"], datasets=["grocery"],
        progress=False,
    )  # fmt: skip
    figures = results.to_polars().filter(protocol="scored", metric="ndcg@5")
    low = dict(figures.select("method", "low").iter_rows())
    high = dict(figures.select("method", "high").iter_rows())
    assert low["recbole/STAMP"] > high["popularity"] + 0.1

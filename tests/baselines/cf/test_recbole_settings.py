"""What the RecBole adapter accepts: its models, their parameters, what must be installed."""

import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from baselines.cf import recbole_models, recbole_shim
from baselines.cf.recbole import RecBole
from benchkit.data.dataset import PreparedDataset
from benchkit.errors import ConfigError
from benchkit.types import Catalog
from tests.support.recbole_runs import context, fit_recbole, needs_recbole


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
def test_settings_reach_recbole(toy30: PreparedDataset, tmp_path: Path) -> None:
    recommender, _ = fit_recbole(
        toy30, tmp_path, model="SASRec", embedding_size=16, parameters={"n_layers": 1}
    )
    assert recommender._model.item_embedding.embedding_dim == 16
    assert len(recommender._model.trm_encoder.layer) == 1


def test_without_recbole_fit_says_what_to_install(
    toy30: PreparedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recbole_models, "available_models", dict)
    monkeypatch.setitem(sys.modules, "recbole.trainer.trainer", None)
    monkeypatch.setitem(sys.modules, "recbole.model.sequential_recommender", None)
    recommender = RecBole(RecBole.Config(model="SASRec"))
    with pytest.raises(ConfigError, match=r"pip install --no-deps recbole==1\.2\.1"):
        recommender.fit(toy30.train_view(), context(toy30.catalog, tmp_path))


@needs_recbole
def test_s3rec_says_which_item_texts_there_are(toy30: PreparedDataset, tmp_path: Path) -> None:
    recommender = RecBole(RecBole.Config(model="S3Rec", item_column="brand"))
    with pytest.raises(ConfigError, match=r"no item text 'brand'[\s\S]*title, genres"):
        recommender.fit(toy30.train_view(), context(toy30.catalog, tmp_path))


@needs_recbole
@pytest.mark.parametrize(
    ("texts", "column"),
    [
        (["genres", "categories"], "genres"),
        (["description", "categories"], "categories"),
        (["tags"], "tags"),
        (["style", "abv"], "style"),
    ],
)
def test_s3rec_takes_the_attributes_that_there_are(
    toy30: PreparedDataset, texts: list[str], column: str
) -> None:
    values = toy30.catalog.texts["genres"]
    catalog = Catalog(toy30.catalog.ids, {"title": values, **dict.fromkeys(texts, values)})
    view = replace(toy30.train_view(), catalog=catalog)
    assert RecBole(RecBole.Config(model="S3Rec"))._item_column(view) == column
    other = RecBole(RecBole.Config(model="DeepFM"))  # may do without: genres or nothing
    assert other._item_column(view) == ("genres" if column == "genres" else None)
    assert RecBole(RecBole.Config(model="SASRec"))._item_column(view) is None


@needs_recbole
def test_s3rec_names_what_it_looked_for(toy30: PreparedDataset) -> None:
    ids = toy30.catalog.ids
    view = replace(toy30.train_view(), catalog=Catalog(ids, {"title": ids, "genres": [""] * 9}))
    with pytest.raises(ConfigError, match=r"'genres' or 'categories' or .*[\s\S]*item_column"):
        RecBole(RecBole.Config(model="S3Rec"))._item_column(view)


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

"""SumRec-DPO: the pairs, the predictor's loss, both modes end to end."""

import json

import numpy as np
import pytest
import torch

from baselines.preference.dpo import DPO
from baselines.preference.rationale_preferences import rationale_preferences
from baselines.preference.score_predictor import (
    best_and_worst,
    fit_score_predictor,
    hash_words,
    history_vector,
    item_vectors,
    label_weighted_mse,
)
from baselines.preference.sum_rec_dpo import SumRecDPO
from benchkit.errors import ConfigError
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.training.preference.examples import Choice, Preference
from benchkit.training.preference.preference_io import read_preferences
from benchkit.types import Catalog, Event, Sampler
from tests.support.tiny_models import tiny_backbone


def test_the_pair_builder():
    assert best_and_worst([0.2, 0.9, 0.5], liked=True) == (1, 0)
    assert best_and_worst([0.2, 0.9, 0.5], liked=False) == (0, 1)
    assert best_and_worst([0.4, 0.4, 0.4], liked=True) is None


def test_positives_weigh_ten_times():
    found = label_weighted_mse(torch.tensor([0.5, 0.5, 1.0]), torch.tensor([1.0, 0.0, 1.0]))
    assert found.tolist() == [2.5, 0.25, 0.0]


COLOURS = ("red", "green", "blue", "white")
CATALOG = Catalog(
    tuple(f"i{n}" for n in range(40)),
    {"title": [f"{COLOURS[n % 4]} thing {n}" for n in range(40)]},
)


def worlds(count: int, seed: int = 0):
    """Users like one colour; the text names it, and so does the item that they chose."""
    rng = np.random.default_rng(seed)
    histories, texts, candidates, chosen = [], [], [], []
    for _ in range(count):
        colour = int(rng.integers(4))
        own = [int(n) for n in rng.permutation(40) if n % 4 == colour]
        listed = rng.permutation([own[0], *(n for n in range(40) if n % 4 != colour)][:8])
        histories.append(tuple(Event(f"i{n}") for n in own[1:4]))
        texts.append(f"The user likes {COLOURS[colour]} things.")
        candidates.append(tuple(f"i{n}" for n in listed))
        chosen.append(f"i{own[0]}")
    return histories, texts, candidates, chosen


def test_vectors_of_texts():
    assert hash_words([""]).tolist() == [[0.0] * 256]
    assert np.linalg.norm(hash_words(["one two two"])) == pytest.approx(1)
    assert not history_vector((), item_vectors(CATALOG), CATALOG).any()


def test_the_predictor_learns_what_history_and_text_say_of_an_item():
    predictor = fit_score_predictor(CATALOG, *worlds(200), np.random.default_rng(0))
    histories, texts, candidates, chosen = worlds(50, seed=1)
    hits = 0
    for history, text, listed, target in zip(histories, texts, candidates, chosen, strict=True):
        scores = predictor.scores(history, text, listed)
        assert ((scores > 0) & (scores < 1)).all()
        hits += listed[int(scores.argmax())] == target
    assert hits > 45
    red, blue = (
        predictor.scores((), f"The user likes {c} things.", ["i0"]) for c in ("red", "blue")
    )
    assert red > blue + 0.1
    other = Catalog(("x", "y"), {"title": ["A red thing", "A blue thing"]})  # items not trained on
    moved = predictor.with_catalog(other).scores(
        (Event("x"),), "The user likes red things.", ["y", "x"]
    )
    assert moved[1] > moved[0] + 0.1
    again = fit_score_predictor(CATALOG, *worlds(200), np.random.default_rng(0))
    assert np.array_equal(again.by_item, predictor.by_item)


def test_pairs_between_texts():
    predictor = fit_score_predictor(CATALOG, *worlds(200), np.random.default_rng(0))
    texts = ["The user likes red things.", "The user likes blue things.", "Nothing is known."]
    own = Preference("u", (Event("i4"),), ("i0", "i2", "i1"), Choice("i0"), (Choice("i2"),))
    liked, other = rationale_preferences(own, texts, predictor)
    assert (liked.key, other.key) == ("u#0", "u#1")
    assert liked.chosen == Choice("i0", texts[0])  # i0 is red and was chosen
    assert {liked.chosen.item, liked.rejected[0].item} == {"i0"}
    assert other.rejected == (Choice("i2", texts[1]),)  # i2 is blue and was not
    assert rationale_preferences(own, texts[:1], predictor) == []


SMALL = {
    "epochs": 1, "batch_size": 8, "micro_batch": 4, "learning_rate": 1e-3, "max_length": 4000,
    "lora": None, "gradient_checkpointing": False,
}  # fmt: skip


# A model that has learnt nothing writes letters at random: these settings make them many.
NATIVE = {"mode": "native", "samples": 4, "temperature": 2.0, "rationale_tokens": 60}


def settings(**more: object) -> dict[str, object]:
    return {
        "backbone": tiny_backbone(), "template": "compact", "limit_users": 12, "candidates": 8,
        "validation_cases": 4, "train": SMALL, "sft": SMALL, "rationale_tokens": 10, **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def dataset():
    return toy_dataset(users=60, items=60, length=8)


def test_native_trains_on_texts_and_ranks_by_the_predictor(tmp_path, dataset):
    cache = tmp_path / "cache"
    decoding = {"n": 3, "temperature": 0.7}
    run = run_context(dataset.catalog, tmp_path / "a", cache=cache, decoding=decoding)
    (tmp_path / "a").mkdir()
    made = SumRecDPO.Config.model_validate(settings(**NATIVE))
    recommender = SumRecDPO(made)
    assert recommender.caveats[-1].startswith("ranks by a small score predictor")
    recommender.fit(dataset.train_view(), run)
    pairs = read_preferences(tmp_path / "a" / "pairs.jsonl")
    for own in pairs:
        assert own.chosen.item == own.rejected[0].item
        assert own.chosen.rationale != own.rejected[0].rationale
    assert {own.key.partition("#")[2] for own in pairs} == {"0", "1"}
    start = read_preferences(tmp_path / "a" / "preferences.jsonl")
    assert len(start) == 12
    assert all(own.chosen.item != own.rejected[0].item for own in start)
    steps = (tmp_path / "a" / "steps.jsonl").read_text().splitlines()
    assert abs(json.loads(steps[0])["margin"][0]) < 1e-3

    requests = list(dataset.requests(dataset.test, 0, 3))
    answers = list(recommender.predict(requests, run))
    for request, answer in zip(requests, answers, strict=True):
        assert answer.rationale is not None
        expected = recommender.score_predictor.scores(
            request.history, answer.rationale, request.candidates
        )
        assert answer.scores == expected.tolist()
    assert isinstance(recommender, Sampler)
    drawn = list(recommender.sample(requests, run))
    for request, answer in zip(requests, drawn, strict=True):
        assert len(answer.samples) == 3
        assert all(sample.item in request.candidates for sample in answer.samples)
    assert next(recommender.sample(requests[1:2], run)).samples == drawn[1].samples

    # An interrupted run reads what was sampled, and the same model comes out.
    kept, checksum = sorted((tmp_path / "a").glob("samples-*.json"), key=lambda p: len(p.name))
    assert checksum.name == f"{kept.name}.sum.json"
    texts = json.loads(kept.read_text())
    assert len(texts) == 12
    again = SumRecDPO(made)
    again.fit(dataset.train_view(), run)
    assert [a.scores for a in again.predict(requests, run)] == [a.scores for a in answers]


def test_the_adaptation_is_dpo_with_rationales_and_one_rejected_item(tmp_path, dataset):
    requests = list(dataset.requests(dataset.test, 0, 3))
    found = []
    for number, (method, more) in enumerate(
        [(SumRecDPO, {}), (DPO, {"rationale": True, "negatives": 1})]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        run = run_context(dataset.catalog, folder, cache=tmp_path / "cache")
        recommender = method(method.Config.model_validate(settings(**more)))
        recommender.fit(dataset.train_view(), run)
        answers = list(recommender.predict(requests, run))
        found.append([(answer.scores, answer.rationale) for answer in answers])
        preferences = read_preferences(folder / "preferences.jsonl")
        assert all(len(own.rejected) == 1 for own in preferences)
        assert all(choice.rationale for own in preferences for choice in own.choices)
    assert found[0] == found[1]


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="needs rationales"):
        SumRecDPO(SumRecDPO.Config(rationale=False))
    with pytest.raises(ConfigError, match="rationales alone"):
        SumRecDPO(SumRecDPO.Config(mode="native", scope="item"))
    with pytest.raises(ValueError, match="samples"):
        SumRecDPO.Config(samples=1)

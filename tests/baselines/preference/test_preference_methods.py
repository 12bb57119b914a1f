"""The preference methods: what each says of a loss, and training end to end on a tiny model."""

import json
import math
from pathlib import Path

import pytest
import torch

from baselines.preference.c_apo import CAPO, weights_from_scores
from baselines.preference.cpo import CPO
from baselines.preference.dpo import DPO
from baselines.preference.eapo import EAPO, Z, expert_betas
from baselines.preference.ipo import IPO
from baselines.preference.plackett_luce import PlackettLuce
from baselines.preference.s_dpo import SDPO
from baselines.preference.simpo import SimPO
from benchkit.errors import ConfigError, DataError
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.training.preference.examples import Choice, Preference
from benchkit.training.preference.loss import preference_loss
from benchkit.training.preference.loss_spec import PairTerms
from benchkit.training.preference.preference_io import read_preferences, write_preferences
from benchkit.types import Event
from tests.support.tiny_models import tiny_backbone

D = torch.tensor([[1.0, -0.5, -2.0]], dtype=torch.float64)
HERE = torch.ones(1, 3, dtype=torch.bool)
SCORES = torch.tensor([[4.0, 5.0, 3.0]], dtype=torch.float64)


def test_betas_of_eapo():
    w = torch.tensor([[3.0, 2.8, 2.0, 0.0]], dtype=torch.float64)  # gaps .2, 1, 3
    beta = expert_betas(w, torch.ones(1, 4), gamma=3.0, upper=0.75)
    assert beta[0].tolist() == pytest.approx([0.42615485, 0.51868203, 0.75], abs=1e-7)
    turned = expert_betas(7 - 2 * -w, torch.ones(1, 4), 3.0, 0.75)
    torch.testing.assert_close(turned, beta)
    one = expert_betas(w[:, :2], torch.ones(1, 2), gamma=3.0, upper=0.75)
    assert one[0].tolist() == pytest.approx([Z / 3])
    fewer = expert_betas(w, torch.tensor([[1.0, 1.0, 1.0, 0.0]]), 3.0, 0.75)
    assert fewer[0, :2].tolist() == pytest.approx([Z / 3, 0.75])
    assert math.exp(Z) * (Z - 1) == pytest.approx(1, abs=1e-12)


def test_eapo_refuses_a_floor_above_the_largest_beta():
    with pytest.raises(ValueError, match=r"1\.7046"):
        EAPO.Config(gamma=1.7)
    EAPO.Config(gamma=1.71)


@pytest.mark.parametrize(
    ("calibrator", "expected"),
    [("none", 0.4427246), ("frozen", None), ("raw", None)],
)
def test_c_apo_with_weights_that_nothing_trains(calibrator, expected):
    pairs = weights_from_scores(calibrator, beta=1.0)({"score": SCORES}, D, True)
    loss = preference_loss(D, HERE, "plackett-luce", pairs).item()
    if expected is not None:
        assert loss == pytest.approx(expected, abs=1e-6)
        return
    first = {"frozen": 0.1538, "raw": 0.2689}[calibrator]
    assert pairs.weight[0, 0, 1].item() == pytest.approx(first, abs=6e-5)


def test_settings_that_contradict_a_method_are_refused():
    with pytest.raises(ConfigError, match="ranks responses by the scores"):
        CAPO(CAPO.Config(rationale=False))
    with pytest.raises(ValueError, match="negatives"):
        SDPO.Config(negatives=0)


@pytest.mark.parametrize("method", [CAPO, PlackettLuce, EAPO])
@pytest.mark.parametrize("more", [{"negatives": 1}, {"pairing": "one_random"}])
def test_what_compares_rejected_items_needs_two_of_them(method, more):
    with pytest.raises(ConfigError, match="negatives = 2 or more, and pairing = 'each'"):
        method(method.Config(**more))


@pytest.mark.parametrize(
    ("more", "said"),
    [({}, "nothing is scored"), ({"rationale": True, "negatives": 1}, "only one of them")],
)
def test_ties_where_there_can_be_none_are_refused(more, said):
    with pytest.raises(ConfigError, match=said):
        SDPO(SDPO.Config(ties="drop", **more))
    SDPO(SDPO.Config(ties="drop", rationale=True))


@pytest.mark.parametrize(("rationale", "expected"), [(False, False), (True, True)])
def test_ea_ipo_divides_by_length_where_ipo_does(rationale, expected):
    for made in (IPO(IPO.Config(rationale=rationale)),
                 EAPO(EAPO.Config(base="ipo", rationale=rationale))):  # fmt: skip
        assert made.make_loss(None, None).length_normalised is expected
    for base in ("dpo", "s-dpo", "cpo"):
        made = EAPO(EAPO.Config(base=base, rationale=rationale))
        assert not made.make_loss(None, None).length_normalised
    set_by_hand = EAPO.Config(base="ipo", rationale=rationale, length_normalised=not expected)
    assert EAPO(set_by_hand).make_loss(None, None).length_normalised is not expected


def test_eapo_trains_a_large_backbone_as_was_decided(tmp_path):
    run = run_context(toy_dataset(users=60, items=60, length=8).catalog, tmp_path)
    large = EAPO(EAPO.Config(backbone="some/model"))
    own = large.training_config(run, **large.default_training)
    assert (own.epochs, own.batch_size, own.learning_rate, own.schedule) == (2, 128, 1e-5, "cosine")
    assert (large.config.negatives, own.purpose) == (3, "preference")
    chosen = EAPO(EAPO.Config(backbone="some/model", train={"epochs": 1}))
    assert chosen.training_config(run, **chosen.default_training).epochs == 1


@pytest.fixture(scope="module")
def backbone() -> str:
    return tiny_backbone()


TRAIN = {
    "epochs": 1, "batch_size": 8, "micro_batch": 4, "learning_rate": 1e-3, "max_length": 4000,
    "lora": None, "gradient_checkpointing": False,
}  # fmt: skip
EXPERT = {"name": "popularity"}


def settings(backbone: str, **more: object) -> dict[str, object]:
    return {
        "backbone": backbone, "template": "compact", "limit_users": 16, "candidates": 10,
        "validation_cases": 4, "train": TRAIN, "sft": TRAIN, "rationale_tokens": 12,
        # No ties: preferences that are dropped are fine-tuned on, but are not in the file.
        "teacher": {"kind": "template", "scores": "continuous"}, **more,
    }  # fmt: skip


METHODS = [
    (DPO, {}), (DPO, {"pairing": "one_random", "rationale": True}), (SDPO, {"scope": "item"}),
    (SimPO, {}), (IPO, {}), (CPO, {}), (EAPO, {"expert": EXPERT}),
    (EAPO, {"expert": EXPERT, "base": "cpo"}), (PlackettLuce, {}), (CAPO, {}),
    (CAPO, {"calibrator": "frozen"}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "more"), METHODS)
def test_a_method_trains_and_answers(tmp_path, backbone, method, more):
    dataset = toy_dataset(users=60, items=60, length=8)
    run = run_context(dataset.catalog, tmp_path / "scratch", cache=tmp_path / "cache")
    (tmp_path / "scratch").mkdir()
    recommender = method(method.Config.model_validate(settings(backbone, **more)))
    recommender.fit(dataset.train_view(), run)
    requests = list(dataset.requests(dataset.test, 0, 4))
    answers = list(recommender.predict(requests, run))
    assert all(len(answer.scores) == 20 for answer in answers)
    assert ("explains" in recommender.capabilities) == all(a.rationale is not None for a in answers)
    found = read_preferences(tmp_path / "scratch" / "preferences.jsonl")
    assert all(own.chosen.item not in {c.item for c in own.rejected} for own in found)
    lines = (tmp_path / "scratch" / "steps.jsonl").read_text().splitlines()
    assert len(lines) == math.ceil(len(found) / 4)  # one a micro-batch
    if recommender.make_loss(dataset.train_view(), run).reference:
        assert abs(json.loads(lines[0])["margin"][0]) < 1e-3  # policy and reference are the same
    trained_on = tmp_path / "scratch" / "preferences.jsonl"
    again = method(
        method.Config.model_validate(settings(backbone, **more, preferences=str(trained_on)))
    )
    again.fit(dataset.train_view(), run_context(dataset.catalog, tmp_path / "b", cache=run.cache))
    second = list(again.predict(requests, run))
    assert [a.scores for a in second] == [a.scores for a in answers]


def test_smaller_betas_do_not_always_pull_harder():
    # EAPO says so; it holds only for leads beyond z / beta. Gradient at a lead of 3:
    expected = {0.2: 0.07087, 0.42615485: 0.09282, 0.5: 0.09121, 0.75: 0.07151, 1.0: 0.04743}
    for beta, pull in expected.items():
        d = torch.tensor([[3.0, 0.0]], dtype=torch.float64, requires_grad=True)
        preference_loss(d, HERE[:, :2], "logistic", PairTerms(beta=beta)).sum().backward()
        assert -d.grad[0, 0].item() == pytest.approx(pull, abs=1e-5)


def fitted(tmp_path: Path, method: type, values: dict[str, object]) -> None:
    dataset = toy_dataset(users=60, items=60, length=8)
    (tmp_path / "scratch").mkdir()
    run = run_context(dataset.catalog, tmp_path / "scratch", cache=tmp_path / "cache")
    method(method.Config.model_validate(values)).fit(dataset.train_view(), run)


def test_preferences_without_scores_stop_before_training(tmp_path, backbone):
    dataset = toy_dataset(users=60, items=60, length=8)
    items = dataset.catalog.ids
    found = [
        Preference("someone", (Event(items[0]),), items[:5], Choice(items[1], "why"),
                   (Choice(items[2], "why"), Choice(items[3], "why")))
    ]  # fmt: skip
    path = tmp_path / "bare.jsonl"
    write_preferences(path, found)
    with pytest.raises(DataError, match="none of 1 preferences has what CAPO needs: 1 lack"):
        fitted(tmp_path, CAPO, settings(backbone, preferences=str(path)))
    assert not (tmp_path / "cache" / "sft").exists()


def test_a_response_beyond_the_budget_stops_before_training(tmp_path, backbone):
    short = {**TRAIN, "max_length": 40}
    with pytest.raises(ConfigError, match="max_length is 40"):
        fitted(tmp_path, SDPO, {**settings(backbone), "train": short})
    assert not (tmp_path / "cache" / "sft").exists()


def test_unknown_settings_are_refused():
    with pytest.raises(ValueError, match="gama"):
        EAPO.Config.model_validate({"gama": 3.0})

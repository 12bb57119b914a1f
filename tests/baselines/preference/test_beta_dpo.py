"""beta-DPO: its numbers, what it reduces to, what survives an interruption, end to end."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from baselines.preference.adaptive_beta import AdaptiveBeta, mean_leads
from baselines.preference.beta_dpo import BetaDPO
from baselines.preference.dpo import DPO
from benchkit import seeds
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.training import train as training_run
from benchkit.training.core.config import LoRAConfig, TrainConfig
from benchkit.training.core.training_context import training_context
from benchkit.training.preference.loss import preference_loss
from benchkit.training.preference.loss_spec import (
    PairTerms,
    PreferenceExample,
    PreferenceLoss,
    constant_beta,
)
from benchkit.training.preference.objective import PreferenceObjective
from benchkit.types import Catalog
from tests.support.tiny_models import tiny_backbone, tiny_model

M = torch.tensor([2.0, 1.0, 0.0, -1.0])
D = torch.stack([M, torch.zeros(4)], dim=1)
HERE = {"here": torch.ones(4, 2)}


def adaptive(alpha: float = 0.6, rho: float = 0.0, momentum: float = 0.9, seed: int = 0):
    return AdaptiveBeta(0.1, alpha, rho, momentum, lambda step: seeds.generator(seed, step))


def loss_of(pairs: PairTerms, d: torch.Tensor = D) -> float:
    here = torch.ones_like(d, dtype=torch.bool)
    each = preference_loss(d, here, "logistic", pairs)
    return float(each.sum() / (len(d) if pairs.mask is None else pairs.mask.sum()))


def test_the_first_batch_by_hand():
    module = adaptive()
    pairs = module.pairs(HERE, D, True)
    assert module.mean.item() == pytest.approx(0.05)
    assert module.sigma.item() == pytest.approx(0.129099, abs=1e-6)
    assert float(pairs.beta) == pytest.approx(0.127)
    assert pairs.mask.tolist() == [1, 1, 1, 1]
    assert loss_of(pairs) == pytest.approx(0.6644153, abs=1e-6)
    assert loss_of(PairTerms(beta=0.1)) == pytest.approx(0.6700198, abs=1e-6)


def test_beta_follows_the_lead_and_has_a_floor():
    module = adaptive()
    module.mean.data.fill_(0.5)
    ahead = torch.tensor([[2.0, 0.0]])
    one = {"here": torch.ones(1, 2)}
    assert float(module.pairs(one, ahead, False).beta) == pytest.approx(0.19)
    assert float(module.pairs(one, -50 * ahead, False).beta) == pytest.approx(1e-3)


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.9])
def test_without_alpha_and_filter_it_is_dpo_whatever_the_momentum(momentum):
    pairs = adaptive(alpha=0, momentum=momentum).pairs(HERE, D, True)
    assert loss_of(pairs) == pytest.approx(0.6700198, abs=1e-6)


def test_without_memory_it_is_dpo_only_if_nothing_is_filtered():
    pairs = adaptive(momentum=0).pairs(HERE, D, True)
    assert float(pairs.beta) == pytest.approx(0.1)
    assert loss_of(pairs) == pytest.approx(0.6700198, abs=1e-6)
    filtered = [adaptive(momentum=0, rho=0.5, seed=s).pairs(HERE, D, True) for s in range(8)]
    assert any(abs(float(p.beta) - 0.1) > 1e-3 for p in filtered)
    assert any(abs(loss_of(p) - 0.6700198) > 1e-3 for p in filtered)


def test_the_first_step_and_a_single_example_are_safe():
    module = adaptive(rho=0.5)
    nothing = module.pairs(HERE, torch.zeros(4, 2), True)
    assert nothing.mask.sum() == 2
    assert float(nothing.beta) == pytest.approx(0.1)
    assert module.sigma.item() == 0
    drawn = sum(
        adaptive(rho=0.5, seed=s).pairs(HERE, torch.zeros(4, 2), True).mask for s in range(400)
    )
    assert (drawn / 400).tolist() == pytest.approx([0.5] * 4, abs=0.1)
    single = adaptive(rho=0.9)
    pairs = single.pairs({"here": torch.ones(1, 2)}, torch.tensor([[3.0, 0.0]]), True)
    assert pairs.mask.tolist() == [1]
    assert single.sigma.item() == pytest.approx(0.1)


def test_an_unusual_lead_is_rarely_kept():
    module = adaptive(rho=0.25, momentum=0.9)
    module.sigma.data.fill_(1.0)
    d = torch.tensor([[0.1, 0], [0.2, 0], [0.0, 0], [40.0, 0]])
    for _ in range(20):
        module.mean.data.zero_()
        module.sigma.data.fill_(1.0)
        assert module.pairs(HERE, d, True).mask.tolist() == [1, 1, 1, 0]


def test_the_filter_draws_by_the_weights():
    """The first of two drawn from three weights has their shares; the second its own law."""
    d = torch.tensor([[0.0, 0], [1.0, 0], [2.0, 0]])
    three = {"here": torch.ones(3, 2)}
    # momentum near 1 leaves the averages where they are put: 0 and 1.
    counts = np.zeros(3)
    for seed in range(3000):
        module = adaptive(rho=0.6, momentum=1 - 1e-9, seed=seed)
        module.sigma.data.fill_(1.0)
        counts += module.pairs(three, d, True).mask.numpy()
    weights = np.exp(-0.5 * np.array([0.0, 1.0, 4.0]))
    assert counts / 3000 == pytest.approx(weights / weights.sum(), abs=0.03)


@given(st.integers(1, 300), st.floats(0, 0.99))
def test_the_mask_sums_to_what_the_trainer_divides_by(n, rho):
    module = adaptive(rho=rho)
    d, here = torch.randn(n, 2, generator=torch.Generator().manual_seed(n)), torch.ones(n, 2)
    for is_training in (True, False):
        mask = module.pairs({"here": here}, d, is_training).mask
        assert float(mask.sum()) == pytest.approx(module.effective_size(n), rel=1e-4)


def test_how_many_are_kept():
    assert [adaptive(rho=0.2).effective_size(n) for n in (1, 2, 4, 5, 10)] == [1, 1, 3, 4, 8]
    assert [adaptive(rho=r).effective_size(10) for r in (0.0, 0.9, 0.95)] == [10, 1, 1]


def test_evaluation_uses_the_averages_of_training_and_moves_none():
    module = adaptive(rho=0.5)
    module.pairs(HERE, D, True)
    before = [p.clone() for p in module.parameters()]
    pairs = module.pairs(HERE, D + torch.tensor([[1.0, 0.0]]), False)
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
    assert pairs.mask.tolist() == [0.5] * 4
    assert float(pairs.beta) == pytest.approx(0.1 * (1 + 0.6 * (1.5 - 0.05)))


def test_the_filter_is_the_runs_and_not_the_process():
    torch.manual_seed(1)
    first = adaptive(rho=0.5).pairs(HERE, D, True).mask
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002
    assert torch.equal(adaptive(rho=0.5).pairs(HERE, D, True).mask, first)
    module = adaptive(rho=0.5, momentum=0)
    masks = {tuple(module.pairs(HERE, torch.zeros(4, 2), True).mask.tolist()) for _ in range(20)}
    assert len(masks) > 1  # each step has numbers of its own


def test_leads_of_several_rejected_are_averaged():
    d = torch.tensor([[3.0, 1.0, 2.0], [1.0, 5.0, 9.0]])
    assert mean_leads(d, torch.tensor([[1.0, 1, 1], [1, 1, 0]])).tolist() == [1.5, -4.0]


# Training

rng = np.random.default_rng(0)


def tokens(size: int) -> tuple[int, ...]:
    return tuple(rng.integers(3, 300, size).tolist())


def example(number: int) -> PreferenceExample:
    return PreferenceExample(
        key=str(number), prompt=tokens(9), responses=(tokens(4), tokens(5)), item_tokens=(4, 5),
        reference=tuple(rng.normal(-20, 2, 2).tolist()), fields={"here": (1.0, 1.0)},
    )  # fmt: skip


EXAMPLES = [example(n) for n in range(12)]
STEPS = TrainConfig(
    epochs=3, batch_size=4, micro_batch=4, learning_rate=1e-3, unit="steps", checkpoint_every=2,
    weight_decay=0.1, purpose="preference",
)  # fmt: skip


def train(folder: Path, family: PreferenceLoss, settings: TrainConfig = STEPS) -> torch.nn.Module:
    run = run_context(Catalog(("a",), {"title": ["A"]}), folder)
    with training_context("cpu"):
        objective = PreferenceObjective(family)
        return training_run.train_on_objective(
            tiny_model("qwen3"), EXAMPLES, objective, settings, run
        )


def made(folder: Path, **settings: float) -> PreferenceLoss:
    run = run_context(Catalog(("a",), {"title": ["A"]}), folder)
    return BetaDPO(BetaDPO.Config(**settings)).make_loss(None, run)


def same(one: torch.nn.Module, other: torch.nn.Module, atol: float = 1e-7) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.allclose(a, b, atol=atol, rtol=0) for a, b in pairs)


def test_training_without_alpha_and_filter_is_training_by_dpo(tmp_path):
    found = train(tmp_path / "a", made(tmp_path, alpha=0, rho=0))
    dpo = train(tmp_path / "b", PreferenceLoss("logistic", constant_beta(0.1)))
    assert same(found, dpo, 1e-6)
    assert not same(train(tmp_path / "c", made(tmp_path)), dpo, 1e-5)


class Stopped(Exception):
    pass


@pytest.mark.parametrize(("after", "lora"), [(1, None), (5, None), (8, LoRAConfig(r=2))])
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, after, lora):
    settings = STEPS.model_copy(update={"lora": lora})
    family = made(tmp_path, rho=0.5)
    whole = train(tmp_path / "a", family, settings)
    assert family.module.steps.item() == 9
    assert family.module.sigma.item() > 0  # nor has weight decay drawn it to zero
    again = made(tmp_path, rho=0.5)
    steps = iter(range(100))

    def interrupted(*args: object) -> PairTerms:
        if next(steps) == after:
            raise Stopped
        return again.pairs(*args)

    with pytest.raises(Stopped):
        train(tmp_path / "b", dataclasses.replace(again, pairs=interrupted), settings)
    resumed = made(tmp_path, rho=0.5)
    model = train(tmp_path / "b", resumed, settings)
    assert same(model, whole)
    assert same(resumed.module, family.module)


SMALL = {
    "epochs": 1, "batch_size": 8, "micro_batch": 4, "learning_rate": 1e-3, "max_length": 4000,
    "lora": None, "gradient_checkpointing": False,
}  # fmt: skip


@pytest.mark.parametrize("more", [{}, {"rationale": True, "negatives": 2}])
def test_it_trains_and_answers(tmp_path, more):
    dataset = toy_dataset(users=60, items=60, length=8)
    run = run_context(dataset.catalog, tmp_path, cache=tmp_path / "cache")
    settings = {
        "backbone": tiny_backbone(), "template": "compact", "limit_users": 16, "candidates": 10,
        "validation_cases": 4, "train": SMALL, "sft": SMALL, "rationale_tokens": 12, **more,
    }  # fmt: skip
    recommender = BetaDPO(BetaDPO.Config.model_validate(settings))
    recommender.fit(dataset.train_view(), run)
    answers = list(recommender.predict(list(dataset.requests(dataset.test, 0, 3)), run))
    assert all(np.isfinite(answer.scores).all() for answer in answers)
    lines = [json.loads(x) for x in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert len(lines) == 4
    assert lines[0]["beta"] == pytest.approx(0.1, abs=1e-3)


def test_it_is_dpo_with_settings_of_its_own():
    assert set(BetaDPO.Config.model_fields) - set(DPO.Config.model_fields) == {
        "alpha", "rho", "momentum",
    }  # fmt: skip

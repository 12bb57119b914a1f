"""Preference training with a shared prompt: losses, what is cached, what is trained, resuming."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from benchkit.lm import shared_prefix as sp
from benchkit.lm.packing.kernels import arrange_batch
from benchkit.lm.packing.packed_row import Row
from benchkit.testing.fixtures import run_context
from benchkit.training import train as training_run
from benchkit.training.core.config import LoRAConfig, TrainConfig
from benchkit.training.core.training_context import training_context
from benchkit.training.preference.calibrator import Calibrator, probit_weights
from benchkit.training.preference.loss_spec import (
    PairTerms,
    PreferenceExample,
    PreferenceLoss,
    constant_beta,
)
from benchkit.training.preference.objective import PreferenceObjective, batch_diagnostics
from benchkit.types import Catalog, RunContext
from tests.support.tiny_models import tiny_model

rng = np.random.default_rng(0)


def tokens(size: int) -> tuple[int, ...]:
    return tuple(rng.integers(3, 300, size).tolist())


def example(number: int, k: int = 3) -> PreferenceExample:
    responses = tuple(tokens(int(rng.integers(2, 7))) for _ in range(k))
    return PreferenceExample(
        key=str(number),
        prompt=tokens(int(rng.integers(1, 30))),
        responses=responses,
        item_tokens=tuple(max(1, len(r) - 1) for r in responses),
        reference=tuple(rng.normal(-20, 2, k).tolist()),
        fields={
            "score": tuple(rng.uniform(1, 7, k).tolist()),
            "z": tuple(rng.normal(size=(k, 5)).tolist()),
        },
    )


EXAMPLES = [example(n) for n in range(10)]
CATALOG = Catalog(("a",), {"title": ["A"]})


def by_hand(model: torch.nn.Module, own: PreferenceExample, item: bool = False) -> torch.Tensor:
    """[k] log-probability of each response, each by a pass of its own."""
    values = []
    for response, size in zip(own.responses, own.item_tokens, strict=True):
        row = torch.tensor([[*own.prompt, *response]])
        logprobs = model(row).logits[0].log_softmax(-1)
        at = torch.arange(len(own.prompt) - 1, row.shape[1] - 1)
        each = logprobs[at, torch.tensor(response)]
        values.append(each[-size:].sum() if item else each.sum())
    return torch.stack(values)


@pytest.mark.parametrize("scope", ["full", "item"])
def test_the_loss_equals_one_computed_by_hand(scope):
    model = tiny_model("qwen3")
    examples = [*EXAMPLES[:3], example(99, k=2)]
    objective = PreferenceObjective(PreferenceLoss("softmax", constant_beta(0.5), scope=scope))
    with torch.no_grad(), objective.context(model):
        found = objective.loss(model, objective.collate(examples))
    expected = 0.0
    for own in examples:
        with torch.no_grad():
            d = by_hand(model, own, item=scope == "item") - torch.tensor(own.reference)
        expected += torch.nn.functional.softplus((0.5 * (d[1:] - d[0])).logsumexp(0)).item()
    assert found.item() == pytest.approx(expected, rel=1e-5)


def config(**settings: object) -> TrainConfig:
    start = {"epochs": 3, "batch_size": 4, "learning_rate": 1e-3, "checkpoint_every": 1.0}
    return TrainConfig(**{**start, "purpose": "preference", **settings})


def context(folder: Path) -> RunContext:
    return run_context(CATALOG, folder)


def train(
    folder: Path, family: PreferenceLoss, settings: TrainConfig, log: Path | None = None
) -> torch.nn.Module:
    objective = PreferenceObjective(family, log=log)
    with training_context("cpu"):
        return training_run.train_on_objective(
            tiny_model("qwen3"), EXAMPLES, objective, settings, context(folder)
        )


def test_training_makes_the_chosen_response_lead(tmp_path):
    log = tmp_path / "steps.jsonl"
    train(tmp_path, PreferenceLoss("plackett-luce", constant_beta(0.1)), config(epochs=20), log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == 60
    first, last = (
        np.mean([np.mean(x["margin"]) for x in part]) for part in (lines[:3], lines[-3:])
    )
    assert last > first + 5
    assert np.mean([x["leads"] for x in lines[-3:]]) > 0.9


def test_micro_batches_give_the_same_weights(tmp_path):
    family = PreferenceLoss("softmax", constant_beta(0.1))
    whole = train(tmp_path / "a", family, config())
    parts = train(tmp_path / "b", family, config(micro_batch=1))
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=0)


def test_micro_batches_by_tokens_give_the_same_weights(tmp_path, monkeypatch):
    family = PreferenceLoss("softmax", constant_beta(0.1))
    whole = train(tmp_path / "a", family, config())
    sizes, collate = [], PreferenceObjective.collate

    def counted(objective, examples):
        sizes.append([len(e) for e in examples])
        return collate(objective, examples)

    monkeypatch.setattr(PreferenceObjective, "collate", counted)
    parts = train(tmp_path / "b", family, config(micro_batch_tokens=60, micro_batch=4))
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=0)
    assert all(len(each) == 1 or sum(each) <= 60 for each in sizes)
    assert len(sizes) > 9 and max(map(len, sizes)) > 1  # of nine steps
    assert sum(map(len, sizes)) == 3 * len(EXAMPLES)


@pytest.mark.parametrize("kernel", ["padded", "grouped"])
def test_a_forced_way_of_attending_gives_the_same_weights(tmp_path, monkeypatch, kernel):
    family = PreferenceLoss("softmax", constant_beta(0.1))
    whole = train(tmp_path / "a", family, config())
    forms = set()

    def watched(batch):
        result = arrange_batch(batch)
        forms.add(type(result))
        return result

    monkeypatch.setattr(sp, "arrange_batch", watched)
    other = train(tmp_path / "b", family, config(prefix_attention=kernel))
    assert forms == {Row if kernel == "grouped" else sp.PackedBatch}
    for one, two in zip(whole.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=2e-5, rtol=0)


def calibrated() -> PreferenceLoss:
    module = Calibrator(5, 8, torch.Generator().manual_seed(0))

    def pairs(fields: dict, d: torch.Tensor, is_training: bool) -> PairTerms:
        return PairTerms(weight=probit_weights(*module(fields["z"], fields["score"])))

    return PreferenceLoss("plackett-luce", pairs, module=module, module_lr=1e-2)


@pytest.mark.parametrize("lora", [None, LoRAConfig(r=2)])
def test_a_module_is_trained_beside_the_model(tmp_path, lora):
    family, log = calibrated(), tmp_path / "steps.jsonl"
    before = {name: p.clone() for name, p in family.module.named_parameters()}
    model = train(tmp_path, family, config(lora=lora), log)
    changed = [n for n, p in family.module.named_parameters() if not torch.equal(p, before[n])]
    assert set(changed) == set(before)
    assert not [name for name, _ in model.named_parameters() if "objective" in name]
    line = json.loads(log.read_text().splitlines()[0])
    assert len(line["weight"]) == len(line["score_gap"]) == 12
    gaps, weights = np.array(line["score_gap"]), np.array(line["weight"])
    assert np.corrcoef(np.argsort(np.argsort(gaps)), np.argsort(np.argsort(weights)))[0, 1] > 0.99


def test_what_a_step_says_leaves_out_responses_that_are_absent():
    """Three responses and two; the third place of the second example holds nothing."""
    d = torch.tensor([[12.0, 0.0, -1.0], [1.0, 3.0, 99.0]])
    present = torch.tensor([[True, True, True], [True, True, False]])
    score = torch.tensor([[5.0, 4.0, 2.0], [5.0, 6.0, 0.0]])
    weight = (score[:, :, None] - score[:, None, :]).sigmoid()
    line = batch_diagnostics(d, present, PairTerms(beta=1.0, weight=weight), {"score": score})
    assert line["margin"] == [5.0, 13.0]
    assert line["leads"] == pytest.approx(2 / 3, abs=1e-6)
    assert line["beyond_10"] == 0.2  # one of five utilities
    assert line["score_gap"] == [1, 3, 2, -1, None, None]
    sigmoid = [round(1 / (1 + math.exp(-gap)), 6) for gap in (1, 3, 2, -1)]
    assert line["weight"] == [*sigmoid, None, None]
    own = batch_diagnostics(d, present, PairTerms(beta=torch.tensor([[1.0, 2.0], [3.0, 9.0]])), {})
    assert own["beta"] == 2.0 and "weight" not in own


class Stopped(Exception):
    pass


@pytest.mark.parametrize("after", [1, 4, 8])
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, after):
    settings = config(checkpoint_every=2.0, unit="steps", evaluate_every=100.0)
    family = calibrated()
    whole = train(tmp_path / "a", family, settings)
    expected = [*whole.state_dict().values(), *family.module.state_dict().values()]

    again = calibrated()
    inner, steps = again.pairs, iter(range(100))

    def interrupted(*args: object) -> PairTerms:
        if next(steps) == after:
            raise Stopped
        return inner(*args)

    with pytest.raises(Stopped):
        train(tmp_path / "b", dataclasses.replace(again, pairs=interrupted), settings)
    resumed = calibrated()
    model = train(tmp_path / "b", resumed, settings)
    found = [*model.state_dict().values(), *resumed.module.state_dict().values()]
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)

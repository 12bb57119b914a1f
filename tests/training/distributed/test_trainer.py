"""Training on several processes: the same weights as with one, and what happens when one fails."""

import json
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from baselines.preference.c_apo import CAPO
from benchkit.errors import MethodError
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.training import train as training_run
from benchkit.training.core.config import LoRAConfig, TrainConfig
from benchkit.training.core.training_context import training_context
from benchkit.training.preference.objective import PreferenceObjective
from benchkit.training.sft import train_sft
from tests.support.preference_losses import adaptive, calibrated, preferences
from tests.support.tiny_models import tiny_backbone, tiny_model
from tests.support.tiny_training import (
    Interrupted,
    Stages,
    context,
    examples,
    model,
    same,
    torch,
    weights,
)

pytest.importorskip("peft")
pytest.importorskip("accelerate")
pytest.importorskip("cloudpickle")

SGD = {"optimizer": "sgd", "learning_rate": 0.1, "warmup": 0.0}  # see test_sft
ODD = {**SGD, "batch_size": 6, "micro_batch": 2, "epochs": 3}  # three micro-batches a step


def distance(first, second):
    one, two = weights(first), weights(second)
    assert one.keys() == two.keys()
    return max(float((one[name] - two[name]).abs().max()) for name in one)


# The same weights


def start(trained, own):
    """What weights were before training that can have changed by it."""
    if "lora" in own:
        return {n: v * 0 for n, v in weights(trained).items() if "lora_B" in n}
    return weights(model())


def both(tmp_path, train):
    """What `train(folder, processes)` gives with one process and with two."""
    return train(tmp_path / "1", {}), train(tmp_path / "2", {"processes": 2})


@pytest.mark.slow
@pytest.mark.parametrize(
    "own",
    [
        {"gradient_checkpointing": True, "group_by_length": True, "max_grad_norm": 0.05},
        {"lora": LoRAConfig(r=4), "epochs": 6, "patience": 3},
        {"optimizer": "adamw", "learning_rate": 1e-3, "schedule": "cosine_with_min_lr"},
    ],
    ids=["full", "lora", "adamw"],
)
def test_two_processes_end_with_the_weights_of_one(tmp_path, own):
    target = weights(model(seed=3))["lm_head.weight"]

    def validate(network):  # a closure that looks at the model
        assert not network.training
        ids = torch.arange(6)[None]
        return -float((network(ids).logits[0, -1] - target.sum(-1)).abs().mean())

    def train(folder, more):
        run = context(folder)
        config = TrainConfig(**{**ODD, **own, **more})
        return train_sft(model(), examples(19), config, run, validate), run.progress

    (one, alone), (two, together) = both(tmp_path, train)
    assert distance(one, two) < 1e-6
    assert not two.training
    moved = weights(one)
    assert max(float((moved[n] - v).abs().max()) for n, v in start(one, own).items()) > 1e-3
    assert together.stages == alone.stages
    assert together.done == alone.done
    assert [n.split()[0] for n in together.notes] == [n.split()[0] for n in alone.notes]
    assert sorted(p.name for p in (tmp_path / "2" / "sft").iterdir() if p.is_file()) == sorted(
        p.name for p in (tmp_path / "1" / "sft").iterdir() if p.is_file()
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family_of", "lora"),
    [(calibrated, None), (calibrated, LoRAConfig(r=2)), (adaptive, None)],
    ids=["c-apo", "c-apo-lora", "beta-dpo"],
)
def test_preferences_are_learnt_the_same(tmp_path, family_of, lora):
    def train(folder, more):
        folder.mkdir()
        family, log = family_of(), folder / "steps.jsonl"
        settings = {**ODD, "learning_rate": 0.01, "lora": lora, "purpose": "preference", **more}
        objective = PreferenceObjective(family, log=log)
        with training_context("cpu"):
            network = training_run.train_on_objective(
                tiny_model("qwen3"), preferences(11), objective, TrainConfig(**settings),
                context(folder),
            )  # fmt: skip
        return network, family.module, log.read_text()

    (one, module, lines), (two, shared, shared_lines) = both(tmp_path, train)
    assert distance(one, two) < 1e-6
    assert distance(module, shared) < 1e-6
    assert distance(module, family_of().module) > 1e-3
    found, expected = shared_lines.splitlines(), lines.splitlines()
    assert len(found) == len(expected) == 3 * 6
    for line, other in zip(found, expected, strict=True):
        assert numbers(line) == pytest.approx(numbers(other), abs=1e-4)


def numbers(line):
    """All numbers of a line of the log, in one list."""
    values = json.loads(line).values()
    return [n for value in values for n in (value if isinstance(value, list) else [value])]


@pytest.mark.slow
def test_a_method_trains_on_two_processes(tmp_path):
    backbone = tiny_backbone()
    dataset = toy_dataset(users=60, items=60, length=8)
    start = {
        "epochs": 1, "batch_size": 8, "micro_batch": 4, "learning_rate": 1e-3, "max_length": 4000,
        "lora": None, "gradient_checkpointing": False,
    }  # fmt: skip

    def train(folder, more):
        folder.mkdir()
        run = run_context(dataset.catalog, folder, cache=folder / "cache")
        own = {**start, **more}
        settings = {
            "backbone": backbone, "template": "compact", "limit_users": 16, "candidates": 10,
            "validation_cases": 4, "train": own, "sft": own, "rationale_tokens": 12,
        }  # fmt: skip
        method = CAPO(CAPO.Config.model_validate(settings))
        method.fit(dataset.train_view(), run)
        asked = list(dataset.requests(dataset.test, 0, 4))
        return [answer.scores for answer in method.predict(asked, run)]

    one, two = both(tmp_path, train)
    np.testing.assert_allclose(two, one, atol=2e-3)
    lines = [(tmp_path / n / "steps.jsonl").read_text().count("\n") for n in "12"]
    assert lines[0] == lines[1] > 2


# Failures


@dataclass
class Watching(Stages):
    """Calls `then` once, when so many steps are done."""

    at: int = 0
    then: object = None
    called: bool = field(default=False)

    def advance(self, steps=1, note=""):
        super().advance(steps, note)
        if not self.called and self.done >= self.at:
            self.called = True
            self.then()


def watched(folder, at, then):
    run = context(folder)
    object.__setattr__(run, "progress", Watching(at=at, then=then))
    return run


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pids(folder):
    return [int(path.read_text()) for path in (folder / "sft" / "processes").glob("*.pid")]


LONG = {
    **ODD,
    "epochs": 10,
    "unit": "steps",
    "checkpoint_every": 2,
    "lora": LoRAConfig(dropout=0.2),
}


@pytest.mark.slow
def test_a_killed_process_ends_the_training_and_the_next_attempt_goes_on(tmp_path):
    config = TrainConfig(**LONG, processes=2)
    whole = train_sft(model(), examples(19), config, context(tmp_path / "whole"))
    folder, killed = tmp_path / "killed", []

    def kill():
        own = folder / "sft" / "processes" / "1.pid"
        killed.append(int(own.read_text()))
        os.kill(killed[0], signal.SIGKILL)

    with pytest.raises(MethodError, match=r"2 processes ended with status 1[\s\S]*Signal 9"):
        train_sft(model(), examples(19), config, watched(folder, 7, kill))
    assert len(pids(folder)) == 2
    assert not any(map(alive, pids(folder)))
    assert not list(folder.rglob("training.pt"))
    run = context(folder)
    resumed = train_sft(model(), examples(19), config, run)
    assert "resumed" in run.progress.notes
    assert run.progress.done == 40
    assert same(resumed, whole)


@pytest.mark.slow
def test_an_interrupted_run_ends_its_processes(tmp_path):
    def interrupt():
        raise Interrupted

    config = TrainConfig(**LONG, processes=2)
    began = time.monotonic()
    with pytest.raises(Interrupted):
        train_sft(model(), examples(19), config, watched(tmp_path, 3, interrupt))
    assert time.monotonic() - began < 60
    assert len(pids(tmp_path)) == 2
    assert not any(map(alive, pids(tmp_path)))


@pytest.mark.slow
def test_what_a_process_raises_is_raised_here(tmp_path):
    config = TrainConfig(**{**ODD, "learning_rate": 1e30, "max_grad_norm": 0}, processes=2)
    with pytest.raises(MethodError, match="diverged"):
        train_sft(model(), examples(19), config, context(tmp_path))

    def validate(_):
        raise RuntimeError("no score today")

    config = TrainConfig(**ODD, processes=2)
    with pytest.raises(MethodError, match="no score today"):
        train_sft(model(), examples(19), config, context(tmp_path / "b"), validate)

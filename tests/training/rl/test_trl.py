"""Training on rewards by TRL: its inputs are ours, its loss is ours, and it leaves nothing."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchkit.training.core.config import LoRAConfig, TrainConfig
from benchkit.training.core.lora import add_adapter
from benchkit.training.core.training_context import training_context
from benchkit.training.rl import policy_gradient as pg
from benchkit.training.rl.grpo import train_grpo
from benchkit.training.rl.trl_objective import TRLObjective
from benchkit.training.rl.trl_settings import TRLSettings
from tests.support.rollouts import FREE, context, drawing_of, network, tasks_of
from tests.support.tiny_training import Interrupted, same
from tests.support.trl_training import (
    FAST,
    letters,
    rolled_out,
    share_of_letters,
    trained,
    trainer_of,
)

pytest.importorskip("trl")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

# What TRL trains on


def test_prompts_are_ours_token_for_token(tmp_path):
    with training_context("cpu"):
        trainer = trainer_of(tmp_path, kl=0.0)
        batch = rolled_out(trainer, [2, 0])
    tasks = trainer.objective.tasks
    rows = zip(batch["prompt_ids"].tolist(), batch["prompt_mask"].tolist(), strict=True)
    prompts = [tuple(t for t, m in zip(ids, mask, strict=True) if m) for ids, mask in rows]
    assert prompts == [tasks[2].prompt] * 3 + [tasks[0].prompt] * 3
    assert batch["completion_ids"].shape[1] <= 6


def test_an_answer_ends_where_ours_does_and_is_parsed_as_ours(tmp_path):
    drawing = drawing_of(context(tmp_path), **FREE)
    tasks = tasks_of(drawing.builder)
    objective = TRLObjective(tasks, drawing, letters)
    model = network()
    drawn = drawing.draw(model, tasks, ["a", "b", "c", "d"])
    for task, group in zip(tasks, drawn, strict=True):
        for rollout in group:
            assert objective.parse(task, rollout.tokens) == rollout
    end = drawing.builder.tokenizer.eos_token_id
    title = drawing.builder.tokenizer("Black", add_special_tokens=False)["input_ids"]
    answer = objective.parse(tasks[0], [*title, end, 5, end])
    assert (answer.item, answer.status, answer.tokens) == ("c", "ok", (*title, end))
    cut = objective.parse(tasks[0], title)
    assert (cut.status, cut.tokens) == ("truncated", tuple(title))


def test_another_end_of_turn_than_the_tokenizers_ends_answers(tmp_path, monkeypatch):
    from benchkit.training.rl import trl_objective, trl_trainer

    (end,) = drawing_of(context(tmp_path)).builder.tokenizer("e")["input_ids"][-1:]
    for module in (trl_objective, trl_trainer):
        monkeypatch.setattr(module, "end_of_turn", lambda _: (end,))
    with training_context("cpu"):
        trainer = trainer_of(tmp_path, kl=0.0, group=8, max_tokens=40)
        ids = rolled_out(trainer, [0, 1, 2, 3])["completion_ids"].tolist()
    rows = [[t for t in row if t != trainer._tokenizer.pad_token_id] for row in ids]
    ended = [row for row in rows if end in row]
    assert ended and all(row.index(end) == len(row) - 1 for row in ended)
    assert trainer.eos_token_ids == [end]
    assert trainer.objective.sampler.builder.tokenizer.eos_token == "</s>"  # of a copy


@pytest.mark.parametrize("iterations", [1, 2])
def test_the_order_of_prompts_is_that_of_our_loop(tmp_path, iterations):
    from benchkit.training.rl.grpo import prompt_batches

    with training_context("cpu"):
        settings = {"micro_batch": 1}
        trainer = trainer_of(tmp_path, settings=settings, kl=0.0, iterations=iterations)
        loader = [[int(row["prompt"]) for row in batch] for batch in trainer.get_train_dataloader()]
    rng = trainer.run.generator("reinforce", "order", 0)
    batches = prompt_batches(rng, trainer.lengths, trainer.settings).repeat(3, axis=1).tolist()
    assert loader == [batch for batch in batches for _ in range(2 * iterations)]


# The loss


@pytest.mark.parametrize("reduction", ["sequence", "token", "fixed"])
@pytest.mark.parametrize(("kl", "lora"), [(0.0, False), (0.3, False), (0.3, True)])
def test_the_loss_of_the_same_answers_is_ours(tmp_path, reduction, kl, lora):
    """Also after the policy has moved on from the one that sampled (rho is not 1)."""
    policy = {"kl": kl, "reduction": reduction, "iterations": 2, "temperature": 1.3, "clip": 0.1}
    model = add_adapter(network(), LoRAConfig()) if lora else network()
    with training_context("cpu"):
        trainer = trainer_of(tmp_path, model, settings={"batch_size": 4}, **policy)
        objective = trainer.objective
        if lora:
            objective.reference = trainer.ref_model = None
        tasks = list(objective.tasks)
        seen = []
        objective.reward = lambda task, answer: seen.append(answer) or letters(task, answer)
        batch = rolled_out(trainer, range(4))
        groups = [seen[start : start + 3] for start in range(0, 12, 3)]
        with torch.no_grad():
            ours = objective._tensors(model, tasks, groups, 0)
        advantages = torch.tensor(list(advantages_of(groups)), dtype=torch.float32)
        torch.testing.assert_close(batch["advantages"], advantages, atol=1e-5, rtol=0)
        move(model)
        trainer.model.train()
        results = {}
        for name, compute in (
            ("trl", lambda: trainer.compute_loss(trainer.model, batch)),
            ("ours", lambda: our_loss(objective, model, ours)),
        ):
            model.zero_grad()
            loss = compute()
            loss.backward()
            gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
            results[name] = loss.detach(), torch.cat(gradients)
    assert results["ours"][1].abs().max() > 1e-3
    torch.testing.assert_close(results["trl"][0], results["ours"][0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(results["trl"][1], results["ours"][1], atol=1e-5, rtol=1e-3)


def advantages_of(groups):
    for group in groups:
        earned = np.array([letters(None, r) for r in group])
        yield from (earned - earned.mean()) / (earned.std(ddof=1) + 1e-4)


def move(model):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.02 * torch.randn(parameter.shape, generator=generator)


def our_loss(objective, model, batch):
    with objective.context(model):
        return objective.loss(model, batch) / objective.normalizer(batch)


def test_certainty_is_that_of_our_loop(tmp_path):
    seen = []

    def certainty(task, answer):
        seen.append(answer)
        return answer.certainty

    with training_context("cpu"):
        trainer = trainer_of(tmp_path, reward=certainty, needs_certainty=True, kl=0.0)
        batch = rolled_out(trainer, range(4))
        groups = [[replace(r, certainty=None) for r in seen[n : n + 3]] for n in range(0, 12, 3)]
        objective, model = trainer.objective, trainer.model.eval()
        again = objective.set_certainty(model, objective.tasks, groups)
    assert len(seen) == 12 and batch["advantages"].abs().max() > 0.1
    values = [rollout.certainty for group in again for rollout in group]
    assert [rollout.certainty for rollout in seen] == pytest.approx(values, rel=1e-5)
    for task, rollout in zip(objective.tasks, seen[::3], strict=True):
        logits = model(torch.tensor([[*task.prompt, *rollout.tokens]])).logits[0]
        each = pg.self_certainty(logits[len(task.prompt) - 1 : -1] / 0.9)
        assert rollout.certainty == pytest.approx(each.mean().item(), rel=1e-4)


# Training


def test_it_reports_and_leaves_model_and_process_as_they_were(tmp_path):
    model, before = network(), network()
    attributes, forward = set(vars(model)), type(model).forward
    pad, generation = model.config.pad_token_id, model.generation_config.to_dict()
    states = random.getstate(), torch.get_rng_state()
    result, run, lines = trained(tmp_path / "a", settings={"epochs": 1}, model=model, kl=0.1)
    assert random.getstate() == states[0] and torch.get_rng_state().equal(states[1])
    assert result is model and not model.training and not same(model, before)
    assert set(vars(model)) == attributes and model.forward.__func__ is forward
    assert model.config.pad_token_id == pad
    assert model.generation_config.to_dict() == generation
    assert all(p.grad is None for p in model.parameters())
    assert [line["step"] for line in lines] == [0, 1] and run.progress.done == 2
    assert all(math.isfinite(line["reward"]) and line["tokens"] <= 6 for line in lines)
    assert any(note.startswith("loss") for note in run.progress.notes)
    assert not list(tmp_path.rglob("checkpoint-*")) and not list(tmp_path.rglob("README.md"))


@pytest.mark.parametrize("lora", [None, LoRAConfig()], ids=["full", "lora"])
@pytest.mark.parametrize("iterations", [1, 2])
def test_a_resumed_training_ends_as_if_it_had_not_been_interrupted(tmp_path, lora, iterations):
    settings = {
        "epochs": 3, "unit": "steps", "checkpoint_every": 1, "lora": lora, "micro_batch": 1,
        "gradient_checkpointing": True,
    }  # fmt: skip
    policy = {"settings": settings, "iterations": iterations}
    whole, run, lines = trained(tmp_path / "whole", **policy)
    steps = 6 * iterations
    assert run.progress.done == steps
    assert [line["step"] for line in lines] == list(range(0, steps, iterations))
    with pytest.raises(Interrupted):
        trained(tmp_path / "broken", stop_at=5, **policy)
    names = [path.name for path in (tmp_path / "broken").glob("reinforce/*/checkpoint-*")]
    assert names == ["checkpoint-4"]
    again, run, _ = trained(tmp_path / "broken", **policy)
    assert "resumed" in run.progress.notes
    assert same(again, whole)
    done, run, _ = trained(tmp_path / "broken", **policy)
    assert same(done, whole) and run.progress.done == 0


def test_the_best_weights_on_validation_are_left(tmp_path):
    from tests.support.tiny_training import scripted

    validate, seen = scripted([0.1, 0.9, 0.2])
    drawing = drawing_of(context(tmp_path), **FREE)
    config = TrainConfig(**{**FAST, "epochs": 1.5, "unit": "steps"})
    model = train_grpo(
        network(), tasks_of(drawing.builder), drawing, letters, config, drawing.run,
        validate=validate, trl=TRLSettings(),
    )  # fmt: skip
    assert len(seen) == 3
    assert all(p.equal(seen[1][name]) for name, p in model.named_parameters())


def test_a_rewarded_token_becomes_likelier(tmp_path):
    settings = {"epochs": 12, "schedule": "constant"}
    _, _, lines = trained(tmp_path / "a", share_of_letters, settings=settings, group=8, kl=0.0)
    first, last = (np.mean([line["reward"] for line in part]) for part in (lines[:4], lines[-4:]))
    assert last > first + 0.2


# Several processes


@pytest.mark.slow
@pytest.mark.parametrize("lora", [None, LoRAConfig()], ids=["full", "lora"])
def test_two_processes_share_a_step(tmp_path, lora):
    pytest.importorskip("cloudpickle")
    settings = {"epochs": 6, "micro_batch": 1, "schedule": "constant", "lora": lora}
    model, run, lines = trained(
        tmp_path / "two", share_of_letters, settings={**settings, "processes": 2}, group=8, kl=0.01
    )
    assert run.progress.done == 12 and [line["step"] for line in lines] == list(range(12))
    assert not same(model, add_adapter(network(), lora) if lora else network())
    rewards = [line["reward"] for line in lines]
    assert np.mean(rewards[-4:]) > np.mean(rewards[:4])
    again, run, _ = trained(
        tmp_path / "two", share_of_letters, settings={**settings, "processes": 2}, group=8, kl=0.01
    )
    assert same(again, model) and run.progress.done == 0

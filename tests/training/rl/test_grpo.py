"""Training on rewards: drawing, the loss, resuming."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchkit.errors import ConfigError
from benchkit.lm import shared_prefix as sp
from benchkit.lm.packing import token_logprobs
from benchkit.training.core.config import LoRAConfig, TrainConfig
from benchkit.training.core.lora import add_adapter
from benchkit.training.rl import policy_gradient as pg
from benchkit.training.rl.grpo import train_grpo
from benchkit.training.rl.objective import GRPOObjective
from benchkit.training.rl.rollouts import GRPOSettings
from benchkit.training.rl.token_statistics import rollout_logprobs
from tests.support.rollouts import FREE, TRIE, context, drawing_of, matches, network, tasks_of
from tests.support.tiny_training import Interrupted, same

pytest.importorskip("peft")
pytest.importorskip("accelerate")

FAST = {"learning_rate": 1e-3, "warmup": 0.0, "batch_size": 2, "purpose": "reinforce"}
KINDS = [(FREE, False), (TRIE, False), (TRIE, True)]


# Drawing


@pytest.mark.parametrize(("policy", "rationale"), KINDS)
def test_an_answer_depends_on_its_name_alone(tmp_path, policy, rationale):
    drawing = drawing_of(context(tmp_path), rationale, **policy)
    tasks, keys = tasks_of(drawing.builder, rationale=rationale), ["k0", "k1", "k2", "k3"]
    whole = drawing.draw(network(), tasks, keys)
    assert [len(own) for own in whole] == [3] * 4
    assert drawing.draw(network(), tasks[2:3], keys[2:3]) == whole[2:3]
    assert drawing.draw(network(), tasks[2:3], ["other"]) != whole[2:3]
    for rollout in (r for own in whole for r in own):
        assert len(rollout.tokens) == len(rollout.counted) == len(rollout.allowed)
        assert rollout.item is None or rollout.status == "ok"
        for token, among in zip(rollout.tokens, rollout.allowed, strict=True):
            assert not among or token in among


def test_a_constrained_answer_is_the_tokens_that_are_trained_on(tmp_path):
    drawing = drawing_of(context(tmp_path), rationale=True, **TRIE)
    (task,) = tasks_of(drawing.builder, 1, rationale=True)
    for rollout in drawing.draw(network(), [task], ["k"])[0]:
        response, _ = drawing.builder.response(rollout.item, rollout.rationale)
        assert rollout.tokens == response
        decoded = drawing.builder.tokenizer.decode(
            [t for t, own in zip(rollout.tokens, rollout.counted, strict=True) if own]
        )
        # Without a choice of its own: the tags, and the letters that no other title goes on with.
        assert "think" not in decoded.removeprefix(rollout.rationale)


def test_drawn_answers_are_as_frequent_as_the_loss_thinks(tmp_path):
    policy = GRPOSettings(group=4000, temperature=1.3, constrained=True)
    drawing = replace(drawing_of(context(tmp_path)), settings=policy)
    (task,) = tasks_of(drawing.builder, 1)
    model = network()
    rollouts = drawing.draw(model, [task], ["k"])[0]
    count = {item: sum(r.item == item for r in rollouts) / 4000 for item in "abcd"}
    one = {r.item: r for r in rollouts}
    few = replace(drawing, settings=GRPOSettings(group=len(one), kl=0.0))
    objective = GRPOObjective([task], few, matches)
    batch = objective._tensors(model, [task], [list(one.values())], 0)
    with sp.use_shared_prefix(model), torch.no_grad():
        packed = sp.batch_from_tensors(batch, int(batch["group"]))
        found = sp.sum_per_response(packed, rollout_logprobs(model, packed, 1.3, batch["allowed"]))[
            0
        ].exp()
    assert found.sum().item() == pytest.approx(1.0, abs=0.02)
    for item, p in zip(one, found.tolist(), strict=True):
        assert count[item] == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / 4000) + 1e-3)


# The loss


def objective_of(tmp_path, reward=matches, rationale=False, **policy):
    drawing = drawing_of(context(tmp_path), rationale, **policy)
    return GRPOObjective(tasks_of(drawing.builder, rationale=rationale), drawing, reward)


def gradient(model, objective, batch):
    model.zero_grad()
    with objective.context(model):
        loss = objective.loss(model, batch) / objective.normalizer(batch)
        loss.backward()
    return loss, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_token_logprobs_are_those_of_the_common_pass(tmp_path):
    model, objective = network(), objective_of(tmp_path, kl=0.0, **FREE)
    (batch,) = objective.roll_out(model, [[0, 1]], 0)
    packed = sp.batch_from_tensors(batch, int(batch["group"]))
    assert batch["allowed"].shape[-1] == 0
    with sp.use_shared_prefix(model), torch.no_grad():
        mine = rollout_logprobs(model, packed, 1.0, batch["allowed"])
        torch.testing.assert_close(mine, sp.response_token_logprobs(model, packed))
        hot = rollout_logprobs(model, packed, 2.0, batch["allowed"])
    assert not torch.allclose(hot, mine)


def test_large_vocabularies_are_computed_in_pieces(tmp_path, monkeypatch):
    model = network()
    objective = objective_of(tmp_path, kl=0.0, **TRIE)
    (batch,) = objective.roll_out(model, [[0, 1]], 0)
    whole = gradient(model, objective, batch)
    monkeypatch.setattr(token_logprobs, "MOST_LOGITS", 1000)
    monkeypatch.setattr(token_logprobs, "_CHUNK", {"cpu": 1000})
    parts = gradient(model, objective, batch)
    torch.testing.assert_close(parts[0], whole[0])
    torch.testing.assert_close(parts[1], whole[1])


@pytest.mark.parametrize("reduction", ["sequence", "token", "fixed"])
@pytest.mark.parametrize(("policy", "rationale"), KINDS)
def test_equal_rewards_have_no_gradient(tmp_path, policy, rationale, reduction):
    model = network()
    more = {**policy, "kl": 0.0, "reduction": reduction}
    objective = objective_of(tmp_path, lambda *_: 0.3, rationale, **more)
    (batch,) = objective.roll_out(model, [[0, 1, 2, 3]], 0)
    loss, slope = gradient(model, objective, batch)
    assert loss.item() == 0
    assert slope.abs().max() == 0


def test_at_the_reference_its_divergence_has_no_gradient_either(tmp_path):
    model = network()
    objective = objective_of(tmp_path, lambda *_: 0.3, kl=1.0, **FREE)
    objective.reference = network()
    (batch,) = objective.roll_out(model, [[0, 1, 2, 3]], 0)
    loss, slope = gradient(model, objective, batch)
    assert abs(loss.item()) < 1e-9
    assert slope.abs().max() < 1e-4


@pytest.mark.parametrize(("policy", "rationale"), KINDS)
def test_the_gradient_is_that_of_advantages_times_likelihood(tmp_path, policy, rationale):
    """Against a plain loop over answers, each after its own prompt."""
    model = network()
    reward = lambda task, answer: float(sum(map(ord, answer.text)) % 7)  # noqa: E731
    more = {**policy, "group": 6, "kl": 0.0, "temperature": 2.0}
    objective = objective_of(tmp_path, reward, rationale, **more)
    tasks = objective.tasks[:2]
    (batch,) = objective.roll_out(model, [[0, 1]], 5)
    _, slope = gradient(model, objective, batch)
    drawn = objective.sampler.draw(model, tasks, [f"5:{n}:u{n}" for n in range(2)])
    model.zero_grad()
    total = torch.zeros(())
    for task, group in zip(tasks, drawn, strict=True):
        earned = np.array([reward(task, r) for r in group])
        advantage = (earned - earned.mean()) / (earned.std(ddof=1) + 1e-4)
        for rollout, a in zip(group, advantage, strict=True):
            ids = torch.tensor([[*task.prompt, *rollout.tokens]])
            logits = model(ids).logits[0, len(task.prompt) - 1 : -1] / 2.0
            for row, token, own, among in zip(
                logits, rollout.tokens, rollout.counted, rollout.allowed, strict=True
            ):
                if own:
                    scope = row[list(among)] if among else row
                    logp = row[token] - scope.logsumexp(-1)
                    total = total - a * logp / sum(rollout.counted) / 12
    total.backward()
    plain = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    assert plain.abs().max() > 1e-3
    torch.testing.assert_close(slope, plain, atol=1e-5, rtol=1e-4)


def test_certainty_is_the_mean_over_the_drawn_tokens(tmp_path):
    model, seen = network(), []

    def reward(task, answer):
        seen.append((task, answer))
        return answer.certainty

    objective = objective_of(tmp_path, reward, needs_certainty=True, kl=0.0, **FREE)
    objective.roll_out(model, [[0]], 0)
    assert len(seen) == 3
    for task, answer in seen:
        with torch.no_grad():
            logits = model(torch.tensor([[*task.prompt, *answer.tokens]])).logits[0]
        each = pg.self_certainty(logits[len(task.prompt) - 1 : -1] / 0.9)
        assert answer.certainty == pytest.approx(each.mean().item(), rel=1e-4)


def test_without_its_adapter_the_model_is_the_reference(tmp_path):
    model = add_adapter(network(), LoRAConfig())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    objective = objective_of(tmp_path, kl=0.1, iterations=2, **FREE)
    (batch,) = objective.roll_out(model, [[0, 1]], 0)
    start = network()
    with sp.use_shared_prefix(start), torch.no_grad():
        found = rollout_logprobs(
            start, sp.batch_from_tensors(batch, int(batch["group"])), 0.9, batch["allowed"]
        )
    torch.testing.assert_close(batch["reference"], found)
    assert not torch.allclose(batch["old"], found, atol=1e-2)
    loss, _ = gradient(model, objective, batch)  # the adapter is on again
    assert loss.item() > 0


# Training


def trained(tmp_path, reward=matches, stop_at=None, settings=None, model=None, **policy):
    run = context(tmp_path, stop_at=stop_at)
    drawing = drawing_of(run, **{**TRIE, **policy})
    config = TrainConfig(**{**FAST, **(settings or {})})
    log = tmp_path / "rewards.jsonl"
    made = train_grpo(
        model or network(), tasks_of(drawing.builder), drawing, reward, config, run, log=log
    )
    return made, drawing, run, [json.loads(line) for line in log.read_text().splitlines()]


def test_the_expected_reward_rises(tmp_path):
    """An easy task: the item after the one of the history, of four."""
    settings = {"epochs": 15, "learning_rate": 3e-3, "schedule": "constant"}
    model, drawing, _, lines = trained(tmp_path, settings=settings, group=8, temperature=1.0)
    assert len(lines) == 30
    first, last = (np.mean([line["reward"] for line in part]) for part in (lines[:4], lines[-4:]))
    assert first < 0.5
    assert last > 0.8
    answers = drawing.draw(model.eval(), tasks_of(drawing.builder), ["a", "b", "c", "d"])
    assert np.mean([r.item == t.target for t, own in zip(
        tasks_of(drawing.builder), answers, strict=True) for r in own]) > 0.8  # fmt: skip


def test_the_divergence_pulls_towards_the_reference(tmp_path):
    """Equal rewards leave nothing but the divergence."""
    model = network()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(2.0)
    objective = objective_of(tmp_path, lambda *_: 0.3, kl=1.0, **{**TRIE, "group": 16})
    objective.reference = network()

    def divergence(batch):
        return (batch["weight"] * pg.kl_k3(batch["now"], batch["reference"])).sum().item()

    found = []
    for step in range(12):
        (batch,) = objective.roll_out(model, [[0, 1, 2, 3]], step)
        with sp.use_shared_prefix(model), torch.no_grad():
            packed = sp.batch_from_tensors(batch, int(batch["group"]))
            batch["now"] = rollout_logprobs(model, packed, 0.9, batch["allowed"])
        found.append(divergence(batch) / batch["amount"].item())
        gradient(model, objective, batch)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter -= 0.02 * parameter.grad
    assert found[0] > 0.02
    assert np.mean(found[-3:]) < found[0] / 3


@pytest.mark.parametrize("lora", [None, LoRAConfig(dropout=0.2)], ids=["full", "lora"])
@pytest.mark.parametrize("iterations", [1, 2])
def test_a_resumed_training_ends_as_if_it_had_not_been_interrupted(tmp_path, lora, iterations):
    settings = {
        "epochs": 3, "unit": "steps", "checkpoint_every": 1, "lora": lora, "micro_batch": 1,
    }  # fmt: skip
    for folder in ("whole", "broken"):
        (tmp_path / folder).mkdir()
    whole, _, run, lines = trained(tmp_path / "whole", settings=settings, iterations=iterations)
    steps = 6 * iterations
    assert run.progress.done == steps
    assert [line["step"] for line in lines] == [
        s for s in range(0, steps, iterations) for _ in range(2)
    ]
    with pytest.raises(Interrupted):
        trained(tmp_path / "broken", settings=settings, iterations=iterations, stop_at=4)
    found = [path.name for path in (tmp_path / "broken").glob("reinforce/*/checkpoint-*")]
    assert found == ["checkpoint-3" if iterations == 1 else "checkpoint-2"]
    again, _, run, _ = trained(tmp_path / "broken", settings=settings, iterations=iterations)
    assert "resumed" in run.progress.notes
    assert same(again, whole)
    assert not list(tmp_path.rglob("checkpoint-*"))
    done, _, run, _ = trained(tmp_path / "broken", settings=settings, iterations=iterations)
    assert same(done, whole)
    assert run.progress.done == 0


def test_micro_batches_draw_the_same_answers(tmp_path):
    settings = {"epochs": 2, "batch_size": 4, "optimizer": "sgd", "learning_rate": 0.1}
    for folder in ("one", "four"):
        (tmp_path / folder).mkdir()
    one, *_ = trained(tmp_path / "one", settings=settings)
    four, *_ = trained(
        tmp_path / "four", settings={**settings, "micro_batch": 1, "gradient_checkpointing": True}
    )
    for (name, a), b in zip(one.named_parameters(), four.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4, msg=name)
    assert not same(one, network())


def test_half_precision_trains_adapters(tmp_path):
    settings = {"epochs": 4, "precision": "bfloat16", "lora": LoRAConfig()}
    model, _, run, lines = trained(tmp_path, settings=settings, needs_certainty=True, iterations=2)
    assert all(math.isfinite(line["reward"]) for line in lines)
    assert any(p.abs().sum() > 0 for name, p in model.named_parameters() if "lora_B" in name)
    assert next(iter(model.state_dict().values())).dtype == torch.float32
    assert all("nan" not in note for note in run.progress.notes)


def test_later_iterations_use_the_same_answers_and_are_clipped(tmp_path):
    asked = []

    def reward(task, answer):
        asked.append(answer.text)
        return matches(task, answer)

    settings = {"epochs": 1, "batch_size": 3}  # the last batch is filled up
    _, _, run, lines = trained(tmp_path, reward, settings=settings, iterations=3)
    assert run.progress.done == 6
    assert [line["step"] for line in lines] == [0, 3]
    assert len(asked) == 2 * 3 * 3


def test_other_rewards_begin_another_training(tmp_path):
    run = context(tmp_path)
    drawing = drawing_of(run, **TRIE)
    config = TrainConfig(**FAST, epochs=1)
    made = [
        train_grpo(
            network(), tasks_of(drawing.builder), drawing, reward, config, run, identity=about
        )
        for reward, about in ((matches, "right"), (lambda t, a: -matches(t, a), "wrong"))
    ]
    assert not same(*made)


def test_answers_cannot_be_split_by_tokens(tmp_path):
    with pytest.raises(ConfigError, match="by tokens"):
        trained(tmp_path, settings={"micro_batch_tokens": 100})

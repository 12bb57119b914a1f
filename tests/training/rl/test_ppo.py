"""The parts of PPO: rewards, advantages, losses, packing, and training end to end."""

import json
import math

import pytest

from benchkit.errors import ConfigError
from benchkit.training.core.config import LoRAConfig, TrainConfig
from benchkit.training.rl.rollouts import RewardedAnswer, Rollout
from tests.support.rollouts import catalog, context, network, tasks_of
from tests.support.tiny_models import tiny_tokenizer
from tests.support.tiny_training import same

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

from benchkit.lm import shared_prefix as sp  # noqa: E402
from benchkit.lm.prompts import load_template  # noqa: E402
from benchkit.training.core.example_builder import ExampleBuilder  # noqa: E402
from benchkit.training.rl import ppo  # noqa: E402
from benchkit.training.rl.actor_critic import ActorCritic  # noqa: E402
from benchkit.training.rl.ppo_batch import pack_answers  # noqa: E402
from benchkit.training.rl.ppo_settings import PPOSettings  # noqa: E402
from benchkit.training.rl.ppo_trainer import train_ppo  # noqa: E402
from benchkit.training.rl.token_statistics import (  # noqa: E402
    rollout_logprobs,
    rollout_logprobs_and_entropy,
)

PPO, PLAIN = PPOSettings(), PPOSettings(whiten_rewards=False)
TRAIN = TrainConfig(
    batch_size=4, micro_batch=2, epochs=1, learning_rate=1e-2, warmup=0.0, schedule="constant",
    purpose="reinforce",
)  # fmt: skip


def rollout(tokens, counted=None, allowed=None):
    counted = counted or (True,) * len(tokens)
    return Rollout("", None, None, "ok", tokens, counted, allowed or ((),) * len(tokens))


# Numbers


def test_advantages_of_one_answer():
    rewards, values = torch.tensor([[0.0, 0, 1, 7]]), torch.tensor([[0.5, 0.5, 0.5, 9]])
    mask = torch.tensor([[True, True, True, False]])
    advantages, returns = ppo.estimate_advantages(rewards, values, mask, PLAIN)
    expected = torch.tensor([0.4801, 0.49, 0.5])
    torch.testing.assert_close(returns[0, :3], expected + 0.5)
    assert returns[0, 3] == advantages[0, 3] == 0
    torch.testing.assert_close(advantages[0, :3], (expected - expected.mean()) / expected.std())


def test_rewards_are_divided_by_their_deviation_and_not_shifted():
    values, mask = torch.tensor([[1.0, 3.0, 50.0]]), torch.tensor([[True, True, False]])
    whitened = ppo.whiten(values, mask, shift=False)
    # (x - mean) / std + mean, as in the official code
    assert whitened[0].tolist() == pytest.approx([2 - 2**-0.5, 2 + 2**-0.5, 0.0])
    assert ppo.whiten(values, torch.zeros(1, 3, dtype=torch.bool)).tolist() == [[0.0] * 3]
    one = ppo.whiten(values, torch.tensor([[True, False, False]]))
    assert one.tolist() == [[0.0, 0.0, 0.0]]


def test_the_divergence_is_a_part_of_the_reward():
    rewards = ppo.penalize_divergence(
        torch.tensor([1.0, 0.0]), torch.tensor([-1.0, -3.0]), torch.tensor([-2.0, -2.0]), 0.3
    )
    assert rewards.tolist() == pytest.approx([0.7, 0.3])


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, 0.5), (0.1, 0.405), (0.9, 0.32), (2.0, 0.5), (-1.0, 2.0)]
)
def test_values_gain_nothing_beyond_the_clipping_range(value, expected):
    loss = ppo.clipped_value_loss(torch.tensor(value), torch.tensor(0.0), torch.tensor(1.0), 0.2)
    assert loss.item() == pytest.approx(expected)


def test_the_policys_loss_by_hand():
    old, advantages = torch.tensor([[-1.0, -1.0]]), torch.tensor([[1.0, -1.0]])
    now = old + torch.log(torch.tensor([[1.5, 1.1]]))
    surrogate, entropy, divergence = ppo.policy_loss(
        now, old, torch.tensor([[0.2, 0.4]]), advantages, torch.tensor([[0.5, 0.5]]), PLAIN
    )
    assert surrogate.item() == pytest.approx(0.5 * (-1.2 + 1.1))
    assert entropy.item() == pytest.approx(0.3)
    assert divergence == pytest.approx(-0.5 * (math.log(1.5) + math.log(1.1)))


def test_entropy_is_over_the_tokens_that_were_allowed():
    model = network()
    allowed = ((), (5, 9), ())
    batch = pack_answers(
        [(1, 2, 3)], [[RewardedAnswer(rollout((4, 5, 6), None, allowed), (0,) * 3)]]
    )
    with torch.no_grad():
        logits = model(torch.tensor([[1, 2, 3, 4, 5]])).logits[0, 2:]
        with sp.use_shared_prefix(model):
            logprobs, entropy = rollout_logprobs_and_entropy(
                model, batch.packed, 1.0, batch.allowed
            )
            alone = rollout_logprobs(model, batch.packed, 1.0, batch.allowed)
    whole = torch.distributions.Categorical(logits=logits)
    two = torch.distributions.Categorical(logits=logits[1, [5, 9]])
    expected = [whole.entropy()[0].item(), two.entropy().item(), whole.entropy()[2].item()]
    assert entropy[0].tolist() == pytest.approx(expected, abs=1e-5)
    assert logprobs[0, 1].item() == pytest.approx(two.logits[0].item(), abs=1e-5)
    torch.testing.assert_close(logprobs, alone)


# Packing


def test_answers_and_tokens_are_found_again():
    first = RewardedAnswer(rollout((4, 5, 6), (True, False, True)), (1.0, 0.0, 2.0))
    second = RewardedAnswer(rollout((7,)), (3.0,))
    third = RewardedAnswer(rollout((8, 9)), (4.0, 5.0))
    batch = pack_answers([(1, 2), (3,)], [[first, second], [third]])
    assert batch.rewards.tolist() == [[1, 0, 2, 3], [4, 5, 0, 0]]
    assert batch.by_answer(batch.rewards, 3).tolist() == [[1, 2, 0], [3, 0, 0], [4, 5, 0]]
    assert batch.by_token(batch.by_answer(batch.rewards, 3)).tolist() == batch.rewards.tolist()
    assert batch.weight.tolist() == [[0.5, 0, 0.5, 1], [0.5, 0.5, 0, 0]]
    assert batch.total.tolist() == [3, 3, 9]


# Models


@pytest.mark.parametrize("lora", [None, LoRAConfig(r=2)])
def test_policy_critic_and_reference_start_alike_and_part(lora):
    torch.manual_seed(0)
    models = ActorCritic(network(), lora)
    batch = pack_answers([(1, 2, 3)], [[RewardedAnswer(rollout((4, 5)), (0.0, 0.0))]])

    def logprobs(enter):
        with torch.no_grad(), enter() as model, sp.use_shared_prefix(model):
            return rollout_logprobs(model, batch.packed, 1.0, batch.allowed)

    start = logprobs(models.as_reference)
    assert start.equal(logprobs(models.as_policy)) and start.equal(logprobs(models.as_critic))
    parameters = models.parameters()
    assert len({id(p) for p in parameters}) == len(parameters)
    for parameter in parameters:  # all are the policy's, the critic's or the head's
        parameter.data.add_(0.01 * torch.randn(parameter.shape))
    assert start.equal(logprobs(models.as_reference))
    moved = logprobs(models.as_policy)
    assert not start.equal(moved) and not moved.equal(logprobs(models.as_critic))
    policy = models.finish()
    if lora:
        assert list(policy.peft_config) == ["default"]
    with torch.no_grad(), sp.use_shared_prefix(policy):
        assert moved.equal(rollout_logprobs(policy, batch.packed, 1.0, batch.allowed))


def drawing(run, reward, answers=2):
    """Draw answers of two tokens; `reward` of a token."""
    from benchkit.lm.sampling.completions import sample_completions
    from benchkit.lm.sampling.token_draws import UniformStreams

    def draw(model, tasks, keys):
        drawn = sample_completions(
            model, [t.prompt for t in tasks], UniformStreams.for_prompts(keys, answers, run.seed),
            temperature=1.0, max_tokens=2,
        )  # fmt: skip
        return [
            [RewardedAnswer(rollout(tuple(s.tokens)), tuple(map(reward, s.tokens))) for s in row]
            for row in drawn
        ]

    return draw


def tasks_for(count=8):
    return tasks_of(ExampleBuilder(load_template("compact"), tiny_tokenizer(), catalog()), count)


def trained(tmp_path, config=TRAIN, settings=PPO, seed=0, model=None, answers=2, **more):
    run = context(tmp_path, seed=seed)
    draw = drawing(run, lambda token: float(token < 100), answers)
    return train_ppo(model or network(), tasks_for(), draw, settings, config, run, **more), run


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("lora", "rate"), [(None, 1e-2), (LoRAConfig(r=8), 1e-3)])
def test_rewarded_tokens_become_likelier(tmp_path, lora, rate, seed):
    """The reward of an answer is how many of its two tokens are rewarded.

    Adapters leave the output layer as it is. With the tiny model's, even the best hidden state
    gets rewarded tokens with a probability of .75 only; with a wider one, nearly with 1.
    """
    model = network()
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(3)
    config = TRAIN.model_copy(update={"epochs": 10.0, "lora": lora, "learning_rate": rate})
    log = tmp_path / "rewards.jsonl"
    settings = PPOSettings(kl=0.01, max_kl=1.0)
    model, run = trained(tmp_path, config, settings, seed, model, answers=8, log=log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(lines) == 20 and all(1 <= line["epochs"] <= 4 for line in lines)
    rewards = [line["reward"] for line in lines]  # the first are those of the untrained policy
    assert rewards[0] < 1.3 and sum(rewards[-5:]) / 5 > 1.8
    assert "reinforce" in run.stages and not model.training


def test_the_same_seed_trains_the_same_policy(tmp_path):
    first, second, other = (
        trained(tmp_path / name, seed=seed)[0] for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert same(first, second) and not same(first, other)


def test_a_round_is_left_when_the_policy_has_gone_far(tmp_path):
    log = tmp_path / "rewards.jsonl"
    fast = TRAIN.model_copy(update={"learning_rate": 0.05})
    trained(tmp_path, fast, PPOSettings(max_kl=1e-4), log=log)
    assert all(json.loads(line)["epochs"] < 4 for line in log.read_text().splitlines())


def test_micro_batches_do_not_change_a_step(tmp_path):
    one = trained(tmp_path / "one", TRAIN.model_copy(update={"micro_batch": 4}))[0]
    two = trained(tmp_path / "two", TRAIN)[0]
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=1e-3)


def test_the_best_weights_of_validation_are_returned(tmp_path):
    model, scores = network(), iter([0.2, 0.9, 0.1, 0.1])
    config = TRAIN.model_copy(update={"epochs": 2.0, "evaluate_every": 0.5})
    seen = []

    def validate(policy):
        seen.append([p.detach().clone() for p in policy.parameters()])
        return next(scores)

    result, _ = trained(tmp_path, config, model=model, validate=validate)
    assert len(seen) == 4
    assert all(p.equal(q) for p, q in zip(result.parameters(), seen[1], strict=True))
    assert not all(p.equal(q) for p, q in zip(result.parameters(), seen[3], strict=True))


def test_several_processes_are_refused(tmp_path):
    config = TRAIN.model_copy(update={"processes": 2})
    with pytest.raises(ConfigError, match="one process"):
        trained(tmp_path, config)

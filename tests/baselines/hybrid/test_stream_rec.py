"""STREAM-Rec: thoughts, their losses and rewards, and the recommender as a whole."""

import math

import numpy as np
import pytest
import torch

from baselines.hybrid.item_ids.code_tokens import CodeTokens
from baselines.hybrid.item_ids.training_rows import TrainingRow
from baselines.hybrid.stream.objectives import NextIdObjective, ThinkingObjective
from baselines.hybrid.stream.rewards import (
    ThinkingGroupObjective,
    ThinkingRewards,
    is_thought_and_id,
    prefix_share,
)
from baselines.hybrid.stream.settings import GroupSettings, ThinkingWeights
from baselines.hybrid.stream.slow_thinking import SlowThinking, nearest_code
from baselines.hybrid.stream.thought_search import sample_answers, search_thoughts
from baselines.hybrid.stream.training import frozen_copy
from baselines.hybrid.stream_rec import StreamRec
from benchkit.errors import ConfigError
from benchkit.lm.encoder_decoder.teacher_forcing import encode, score_options
from benchkit.testing.fixtures import run_context
from benchkit.types import Catalog
from tests.support.planted_world import (
    EXPERT,
    falls,
    learning_run,
    planted_world,
    standard_errors_above_chance,
)
from tests.support.tiny_encoder_decoder import SMALL_T5, tiny_t5, tiny_t5_folder
from tests.support.tiny_models import tiny_backbone

WIDTH, THOUGHTS, STEPS = 16, 6, 2
IDS = np.array([[0, 0], [0, 1], [1, 0], [2, 3], [3, 2]])
TOKENS = CodeTokens(IDS, codes=4, thoughts=THOUGHTS, first=3)
ITEMS = np.array([0, 1, 2, 3, 4, 1], dtype=np.int32)
EXAMPLES = [TrainingRow(0, 2), TrainingRow(0, 3), TrainingRow(1, 5)]


def thinking(steps=STEPS, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SlowThinking(torch.randn(5, 7), WIDTH, THOUGHTS, steps)


def model(seed=0):
    return tiny_t5(TOKENS.vocabulary, seed)


def rows(count, seed=0):
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


# Thoughts


def test_a_thought_takes_the_nearest_codes():
    net = thinking(steps=4)
    user, target = rows(8), rows(8, seed=1)
    with torch.no_grad():
        thoughts = net(user, target)
        total, state = user, net.state_map(user)
        for step in range(4):
            residual = net.residual_map(target - state)
            distance = (residual[:, None] - net.codebook[None]).norm(dim=2)
            taken = thoughts.codes[:, step]
            torch.testing.assert_close(
                distance.gather(1, taken[:, None])[:, 0], distance.min(dim=1).values
            )
            torch.testing.assert_close(thoughts.residuals[:, step], residual)
            total = total + net.codebook[taken]
            state = net.state_map(total)
        torch.testing.assert_close(thoughts.state, state, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(net.state(user, thoughts.codes), state, atol=1e-5, rtol=1e-5)


def test_with_the_zero_code_what_is_left_never_grows():
    net = thinking(steps=5)
    net.residual_map = net.state_map = torch.nn.Identity()
    assert net.codebook[0].abs().max() == 0
    with torch.no_grad():
        thoughts = net(torch.zeros(30, WIDTH), rows(30))
    norms = thoughts.residuals.norm(dim=2)
    assert (norms[:, 1:] <= norms[:, :-1] + 1e-6).all()
    assert (norms[:, -1] < norms[:, 0]).any()


def test_states_and_items_have_length_1():
    net = thinking()
    with torch.no_grad():
        thoughts = net(1000 * rows(8), net.targets(torch.arange(4).repeat(2)))
        lengths = torch.cat([thoughts.state, net.targets(torch.arange(5))]).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(13))


def test_nearest_codes_of_codes_are_themselves():
    book = rows(6)
    assert nearest_code(book, book).tolist() == list(range(6))


def test_gradients_reach_networks_codes_and_user():
    net, user = thinking(), rows(4).requires_grad_()
    thoughts = net(user, net.targets(torch.tensor([0, 1, 2, 3])))
    torch.autograd.backward(thoughts.state[:, 0].sum() + thoughts.quantisation)
    for name, parameter in net.named_parameters():
        if not name.startswith("user_map"):  # `user` comes from it
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert user.grad is not None and user.grad.abs().sum() > 0


# Stage 1


def test_similar_items_follow_the_target():
    similar = np.array([[1], [0], [0], [4], [3]])
    objective = NextIdObjective(TOKENS, ITEMS, similar, length=5)
    batch = objective.collate(EXAMPLES)
    assert batch["answer"].tolist() == TOKENS.table[[2, 3, 1]].tolist()
    assert objective.normalizer(batch) == 3
    net = model()
    with torch.no_grad():
        loss = float(objective.loss(net, batch))
        encoded = encode(net, batch["input"], batch["mask"])
    answers = [[*TOKENS.table[t], *TOKENS.table[similar[t][0]]] for t in (2, 3, 1)]
    expected = score_options(net, encoded, [[answer] for answer in answers])
    assert loss == pytest.approx(-sum(float(s[0]) for s in expected) / 4, rel=1e-5)


# Stage 2


def thinking_objective(net, reference=None, **weights):
    return ThinkingObjective(
        TOKENS, ITEMS, 5, thinking(), frozen_copy(reference or net), ThinkingWeights(**weights),
        1e-3,
    )  # fmt: skip


def test_a_label_is_a_thought_and_an_id():
    objective = thinking_objective(model())
    codes = torch.tensor([[0, 5], [1, 1]])
    label = objective.thinking_answer(codes, torch.from_numpy(TOKENS.table[[2, 4]]))
    assert label.shape == (2, STEPS + TOKENS.levels)
    first = TOKENS.first_thought
    assert label.tolist() == [
        [first, first + 5, *TOKENS.table[2]], [first + 1, first + 1, *TOKENS.table[4]]
    ]  # fmt: skip


@pytest.mark.parametrize(("other", "is_start"), [(0, True), (1, False)])
def test_the_preference_term_is_ln_2_at_the_start(other, is_start):
    net = model()
    objective = thinking_objective(net, model(other))
    batch = objective.collate(EXAMPLES)
    slow = objective.thinking_answer(torch.tensor([[0, 1]] * 3), batch["answer"])
    with torch.no_grad():
        encoded = encode(net, batch["input"], batch["mask"])
        policy, tokens = objective._answer_logprobs(net, encoded, slow, batch["answer"])
        values = objective.preference(policy, batch, slow)
    assert values.shape == (3,)
    assert torch.allclose(values, torch.tensor(math.log(2)), atol=1e-6) == is_start
    torch.testing.assert_close(tokens.sum(dim=1), policy[:, 0])
    plain = score_options(net, encoded, [[row] for row in batch["answer"].tolist()])
    np.testing.assert_allclose(policy[:, 1], [float(s[0]) for s in plain], atol=1e-4)


def test_the_losses_of_stage_2_add_up():
    net = model()
    batch = thinking_objective(net).collate(EXAMPLES)

    def loss(**weights):
        nothing = {"contrast": 0.0, "quantisation": 0.0, "preference": 0.0}
        with torch.no_grad():
            return float(thinking_objective(net, **(nothing | weights)).loss(net, batch))

    parts = [loss(), loss(contrast=1.0), loss(quantisation=1.0), loss(preference=1.0)]
    assert min(parts[1:]) > parts[0] > 0
    assert parts[3] - parts[0] == pytest.approx(3 * math.log(2), abs=1e-4)
    whole = loss(contrast=0.5, quantisation=2.0, preference=1.0)
    weighted = [w * (part - parts[0]) for w, part in zip((0.5, 2, 1), parts[1:], strict=True)]
    assert whole == pytest.approx(parts[0] + sum(weighted), abs=1e-3)


# Thoughts that the model writes


def encoded_inputs(net, count=2):
    histories = [np.array([0, 1]), np.array([4]), np.array([2, 2, 3])][:count]
    batch = TOKENS.collate(histories, 5)
    with torch.no_grad():
        return encode(net, batch["input"], batch["mask"])


def test_a_wide_search_finds_the_likeliest_thoughts():
    net = model()
    encoded = encoded_inputs(net)
    thoughts, logprobs = search_thoughts(net, encoded, TOKENS, STEPS, beam=THOUGHTS**STEPS)
    assert thoughts.shape == (2, THOUGHTS**STEPS, STEPS)
    first = TOKENS.first_thought
    pairs = [(first + a, first + b) for a in range(THOUGHTS) for b in range(THOUGHTS)]
    for row, scores in enumerate(score_options(net, encoded, [pairs, pairs])):
        order = np.argsort(-scores, kind="stable")
        np.testing.assert_allclose(logprobs[row], scores[order], atol=1e-4)
        assert tuple(thoughts[row, 0].tolist()) == pairs[order[0]]
    (best, _) = search_thoughts(net, encoded, TOKENS, STEPS, beam=1)
    assert best.shape == (2, 1, STEPS)


def test_sampled_answers_follow_the_probabilities():
    net = model()
    encoded = encoded_inputs(net, 1)
    many = encoded.rows(torch.zeros(4000, dtype=torch.long))
    drawn = sample_answers(net, many, 1, 1.0, torch.Generator().manual_seed(0))[:, 0]
    options = [[token] for token in range(TOKENS.vocabulary)]
    chance = np.exp(score_options(net, encoded, [options])[0])
    share = np.bincount(drawn.numpy(), minlength=TOKENS.vocabulary) / 4000
    assert np.abs(share - chance).max() < 4 * math.sqrt(0.25 / 4000)
    again = sample_answers(net, many, 1, 1.0, torch.Generator().manual_seed(0))[:, 0]
    assert torch.equal(drawn, again)


# Stage 3


def test_the_prefix_counts_up_to_the_first_wrong_level():
    answer = torch.tensor([[1, 2, 3]] * 4)
    ids = torch.tensor([[1, 2, 3], [1, 2, 0], [1, 0, 3], [0, 2, 3]])
    assert prefix_share(ids, answer).tolist() == pytest.approx([1, 2 / 3, 1 / 3, 0])


def test_form_needs_thoughts_and_an_id_that_exists():
    first, (a, b) = TOKENS.first_thought, TOKENS.table[2]
    answers = [
        [first, first + 5, a, b],
        [first, first + 6, a, b],  # no thought
        [first, a, a, b],
        [first, first, a, TOKENS.table[3][1]],  # nobody's id
        [first, first, b, a],
    ]
    formed = is_thought_and_id(torch.tensor(answers), TOKENS, STEPS)
    assert formed.tolist() == [True, False, False, False, False]


def test_the_right_answer_earns_most():
    net, mind = model(), thinking()
    rewards = ThinkingRewards(TOKENS, mind)
    objective = NextIdObjective(TOKENS, ITEMS, np.empty((5, 0), dtype=np.int64), 5)
    batch = objective.collate(EXAMPLES[:1])
    first = TOKENS.first_thought
    thought = [first + 1, first + 2]
    answers = torch.tensor([[*thought, *TOKENS.table[2]], [*thought, *TOKENS.table[3]],
                            [*thought, 1, 1]])  # fmt: skip
    with torch.no_grad():
        encoded = encode(net, batch["input"], batch["mask"])
        values = rewards(net, encoded, answers, batch, group=3).tolist()
    assert values[0] == pytest.approx(values[1] + 1, abs=1e-5)  # by the id alone
    with torch.no_grad():
        user = mind.user(encoded.states, encoded.mask)
        state = mind.state(user, torch.tensor([[1, 2]]))
        similarity = float(torch.cosine_similarity(state, mind.targets(torch.tensor([2]))))
    assert values[1] == pytest.approx(values[2] + 1 + similarity, abs=1e-5)  # by the form
    option = tuple(TOKENS.table[2].tolist())
    after, at_once = (
        score_options(net, encoded, [[option]], begins)[0][0] for begins in ([thought], None)
    )
    gain = min(max(after - at_once, -1), 1)
    assert values[2] == pytest.approx(gain + 1, abs=1e-4)  # one id alone has rank 1


def group_objective(net, folder, seed=0):
    run = run_context(Catalog((), {}), folder, seed=seed)
    rewards = ThinkingRewards(TOKENS, thinking())
    settings = GroupSettings(group=3, kl=0.1)
    return ThinkingGroupObjective(TOKENS, ITEMS, 5, rewards, frozen_copy(net), settings, run)


def test_advantages_of_a_group_cancel_at_the_start(tmp_path):
    net = model()
    objective = group_objective(net, tmp_path)
    batch = objective.collate(EXAMPLES)
    assert objective.normalizer(batch) == 9
    net.train()
    loss = objective.loss(net, batch)
    assert net.training  # as before
    assert float(loss.detach()) == pytest.approx(0, abs=1e-4)  # ratio 1, no divergence yet
    torch.autograd.backward(loss)
    gradient = net.get_input_embeddings().weight.grad
    assert gradient is not None and gradient.abs().sum() > 0
    answers, advantage = objective._draw(net.eval(), batch)
    assert answers.shape == (9, STEPS + TOKENS.levels)
    np.testing.assert_allclose(advantage.view(3, 3).sum(dim=1), 0, atol=1e-5)


def test_answers_depend_on_seed_and_step(tmp_path):
    net = model()
    objective = group_objective(net, tmp_path)
    batch = objective.collate(EXAMPLES)
    first, again = (objective._draw(net, batch)[0] for _ in range(2))
    objective.step = 1
    later = objective._draw(net, batch)[0]
    other = group_objective(net, tmp_path, seed=1)._draw(net, batch)[0]
    assert torch.equal(first, again)
    assert not torch.equal(first, later) and not torch.equal(first, other)


# The recommender

BRIEF = {"epochs": 1, "max_steps": 2, "batch_size": 8, "micro_batch": 8}
SMALL = {
    "tiny": SMALL_T5,
    "text_encoder": "tf-idf",
    "expert": {"name": "sasrec", "config": {"epochs": 1, "hidden": 8, "heads": 1}},
    "levels": 2, "codes": 16, "thought_codes": 8, "thoughts": 2, "validation_cases": 8,
    "pretrain": BRIEF, "train": BRIEF, "reinforce": BRIEF,
}  # fmt: skip


def fitted(dataset, folder, **config):
    run = learning_run(folder, dataset)
    method = StreamRec(StreamRec.Config(**{**SMALL, **config}))
    method.fit(dataset.train_view(), run)
    return method, run


def test_a_score_is_averaged_over_thoughts(tmp_path):
    dataset = planted_world()
    method, run = fitted(dataset, tmp_path)
    request = next(iter(dataset.requests(dataset.test, 0, 1)))
    (answer,) = method.predict([request], run)
    assert answer.lengths == [2] * len(request.candidates) and answer.rationale is None
    encoded = method.encode_requests(method.model, [request])
    thoughts, logprobs = search_thoughts(method.model, encoded, method.tokens, 2, 2)
    share = logprobs.softmax(dim=1)[0].double().numpy()
    options = [method.options(request)]
    parts = [
        np.exp(score_options(method.model, encoded, options, [thought])[0])
        for thought in thoughts[0].tolist()
    ]
    expected = np.log(share[0] * parts[0] + share[1] * parts[1])
    np.testing.assert_allclose(answer.scores, expected, atol=1e-5)


def test_it_runs_on_a_model_of_hugging_face(tmp_path):
    dataset = planted_world()
    method, run = fitted(dataset, tmp_path, backbone=tiny_t5_folder(), history=5)
    (answer,) = method.predict(list(dataset.requests(dataset.test, 0, 1)), run)
    assert np.isfinite(answer.scores).all()
    assert method.model.get_input_embeddings().weight.shape[0] == method.tokens.vocabulary
    assert StreamRec.Config(backbone="hf").source == "t5-small"


def test_the_vectors_of_new_tokens_are_drawn_by_the_runs_seed(tmp_path):
    dataset, results = planted_world(), []
    for state in range(2):
        torch.manual_seed(state)  # whatever has drawn from it before
        method = StreamRec(StreamRec.Config(**{**SMALL, "backbone": tiny_t5_folder()}))
        run = learning_run(tmp_path / str(state), dataset)
        with torch.random.fork_rng(devices=[]):
            method.model, _ = method.load_model(dataset.train_view(), run)
            method.tokens = CodeTokens(IDS, codes=30, thoughts=THOUGHTS, first=202)
            method.add_tokens(run)
        results.append(method.model.get_input_embeddings().weight)
    assert results[0].equal(results[1])


def test_errors_come_before_training(tmp_path):
    dataset = planted_world()
    with pytest.raises(ConfigError, match="is no encoder-decoder"):
        fitted(dataset, tmp_path, backbone=tiny_backbone())
    with pytest.raises(ConfigError, match="80 items are more than ids of 2 levels with 8 codes"):
        fitted(dataset, tmp_path, codes=8)
    adapter = {"lora": {"targets": ["q", "v"]}}
    with pytest.raises(ConfigError, match="reinforce has an adapter"):
        fitted(dataset, tmp_path, backbone=tiny_t5_folder(), reinforce=adapter)
    assert not list(tmp_path.glob("stream-*"))


@pytest.mark.slow
def test_it_learns_the_genres(tmp_path):
    dataset = planted_world(users=200)
    method, run = fitted(
        dataset, tmp_path,
        tiny={**SMALL_T5, "hidden": 32}, codes=16, expert=EXPERT, validation_cases=60,
        pretrain={"epochs": 8, "batch_size": 32, "evaluate_every": 4},
        train={"epochs": 4, "batch_size": 32, "evaluate_every": 2},
        reinforce={"max_steps": 4},
    )  # fmt: skip
    assert standard_errors_above_chance(method, dataset, run) > 3
    assert falls(run.progress.of("stream-pretrain steps"), to=0.7)
    assert falls(run.progress.of("stream-train steps"), to=0.7)

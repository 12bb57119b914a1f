"""CALRec: its loss by hand, its vectors, lists from written texts, and what it learns."""

import math
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from baselines.hybrid.cal.alignment import AlignmentObjective, weigh_losses
from baselines.hybrid.cal.item_texts import item_text, item_text_examples
from baselines.hybrid.cal.text_matching import rank_by_words, round_robin
from baselines.hybrid.cal_rec import CALRec
from benchkit.errors import ConfigError, DataError
from benchkit.lm.prompts import load_template
from benchkit.testing.fixtures import run_context
from benchkit.training.core.examples import Example
from benchkit.types import Catalog
from tests.support.planted_world import (
    falls,
    learning_run,
    planted_world,
    standard_errors_above_chance,
)
from tests.support.tiny_models import tiny_backbone, tiny_model

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
info_nce = pytest.importorskip("benchkit.training.core.contrastive").info_nce

TRAIN = {"epochs": 1, "batch_size": 8, "micro_batch": 8, "gradient_checkpointing": False}
EXAMPLES = [
    Example((5, 6, 7), (8, 9, 2)),
    Example((10,), (11, 2)),
    Example((5, 12), (13, 14, 15, 2)),
]


def one_way(x, y, temperature):
    return info_nce(x, y, temperature, cosine=True, symmetric=False).item()


# The loss


def test_vectors_that_are_all_alike_tell_nothing():
    for x in (torch.ones(8, 3), torch.zeros(8, 3)):
        assert one_way(x, x, 0.5) == pytest.approx(math.log(8), abs=1e-6)


@pytest.mark.parametrize(("temperature", "expected"), [(0.5, 0.340753), (1.0, 0.743668)])
def test_orthonormal_pairs(temperature, expected):
    assert one_way(torch.eye(4), 3 * torch.eye(4), temperature) == pytest.approx(expected, abs=1e-6)


def test_only_the_first_side_looks_for_the_second():
    x, y = torch.tensor([[1.0, 0], [0, 1]]), torch.tensor([[1.0, 0], [1.0, 0]])
    # Both y are the same: x_1 cannot tell them apart, x_2 has the cosine 0 with both.
    assert one_way(x, y, 1.0) == pytest.approx(math.log(2))
    from_y = [math.log(1 + math.exp(-1)), math.log(1 + math.exp(1))]
    assert one_way(y, x, 1.0) == pytest.approx(sum(from_y) / 2, abs=1e-6)


def test_the_mixture():
    losses = (torch.tensor(value) for value in (2.0, 1.0, 3.0))
    assert weigh_losses(*losses, alpha=0.125, beta=0.025).item() == pytest.approx(1.9)


def states(model, ids):
    """Last hidden states [t, d] of one text, alone in its batch."""
    with torch.no_grad():
        return model.model(input_ids=torch.tensor([ids])).last_hidden_state[0]


def test_the_loss_is_that_of_single_texts():
    """Padding, masks and places: the objective against one forward pass a text."""
    model = tiny_model("qwen3")
    objective = AlignmentObjective(start=(1,))
    with torch.no_grad():
        value = objective.loss(model, objective.collate(EXAMPLES)).item()
    generation, users, after, items = [], [], [], []
    for example in EXAMPLES:
        ids, n = [*example.prompt, *example.response], len(example.prompt)
        joint = states(model, ids)
        logits = model.lm_head(joint).log_softmax(dim=-1)
        generation.append(
            -sum(logits[at - 1, ids[at]] for at in range(n, len(ids))) / (len(ids) - n)
        )
        users.append(joint[:n].mean(dim=0))
        after.append(joint[n:-1].mean(dim=0))
        items.append(states(model, [1, *example.response[:-1]])[1:].mean(dim=0))
    user, text, item = map(torch.stack, (users, after, items))
    contrasts = 0.125 * one_way(item, text, 0.5) + 0.025 * one_way(user, item, 0.5)
    expected = 0.85 * sum(generation).item() + 3 * contrasts
    assert value == pytest.approx(expected, rel=1e-5)
    assert objective.normalizer(objective.collate(EXAMPLES)) == 3


# Texts and lists


def test_generations_take_turns():
    assert [item for item, _ in round_robin([[0, 1], [0, 2]], 5)] == [0, 2, 1]
    assert round_robin([[0, 1], [0, 2]], 2) == [(0, 0), (2, 1)]
    assert round_robin([[], [3]], 2) == [(3, 1)]
    assert round_robin([], 2) == []


def test_texts_are_matched_by_their_words():
    documents = ["Blue Moon (1990)", "Blue (1993)", "Red"]
    assert rank_by_words(["blue moon", "RED!", "xyz", ""], documents) == [[0, 1], [2], [], []]


def test_items_are_written_with_what_is_known_of_them():
    texts = {"title": ["Blue", "Red"], "brand": ["Acme", None], "price": ["3.50", ""]}
    catalog = Catalog(("a", "b"), texts)
    template = load_template("purchases")
    assert item_text(template, catalog, "a") == "Title: Blue\nBrand: Acme\nPrice: 3.50"
    assert item_text(template, catalog, "b") == "Title: Red"
    assert item_text(load_template("compact"), catalog, "a") == "Blue"


@pytest.fixture(scope="module")
def world():
    return planted_world()


def make(**values):
    settings = {
        "backbone": tiny_backbone(), "template": "compact", "limit_users": 8, "candidates": 5,
        "validation_cases": 4, "train": TRAIN, "joint": TRAIN, "per_user": 2, **values,
    }  # fmt: skip
    return CALRec(CALRec.Config.model_validate(settings))


def test_examples_are_the_last_interactions(world):
    view = world.train_view()
    run = run_context(view.catalog)
    method = make()
    builder = method.builder(method.load_backbone(view, run), view)
    joint = item_text_examples(builder, view, 3, limit=8)
    assert len({e.key.partition(":")[0] for e in joint}) == 8
    assert max(sum(e.key.startswith(f"u{n}:") for e in joint) for n in range(60)) == 3
    last = item_text_examples(builder, view, 1, limit=8)
    assert {e.key for e in last} <= {e.key for e in joint}
    decode = builder.tokenizer.decode
    for example in last:
        user, row = example.key.split(":")
        items = view.interactions.item[: int(row) + 1]
        title = view.catalog.texts["title"][items[-1]]
        assert decode(example.response) == f"{title}</s>"
        assert row == str(view.interactions.offsets[view.users.index(user) + 1] - 1)
        before = view.catalog.texts["title"][items[-2]]
        assert decode(example.prompt).endswith(f"{before}\n")


def test_the_second_stage_can_keep_to_one_domain(world):
    view = world.train_view()
    run = run_context(view.catalog)
    method = make()
    builder = method.builder(method.load_backbone(view, run), view)
    everything = item_text_examples(builder, view, 1)
    drama = item_text_examples(builder, view, 1, domain=("genres", "drama"))
    assert 0 < len(drama) < len(everything)
    assert all("Drama" in builder.tokenizer.decode(e.response) for e in drama)
    with pytest.raises(DataError, match="'Opera' in the column 'genres'"):
        item_text_examples(builder, view, 1, domain=("genres", "Opera"))


# Settings


@pytest.mark.parametrize("values", [{"alpha": 0.5, "beta": 0.5}, {"tau": 0}, {"score": "dot"}])
def test_settings_that_make_no_sense_are_refused(values):
    with pytest.raises(ValidationError):
        CALRec.Config(**values)


@pytest.mark.parametrize("template", ["titles", "papers", "compact-list"])
def test_templates_that_list_candidates_are_refused(template):
    with pytest.raises(ConfigError, match="lists candidates"):
        make(template=template)


# End to end


@pytest.mark.parametrize("score", ["cosine", "logprob"])
def test_it_trains_in_two_stages_and_answers(tmp_path, world, score):
    run = replace(
        run_context(world.catalog, tmp_path, cache=tmp_path / "cache"),
        decoding={"n": 3, "max_tokens": 8},
    )
    lora = {**TRAIN, "lora": {"r": 2}}
    method = make(score=score, texts=4, train=lora, joint=lora, template="purchases")
    method.fit(world.train_view(), run)
    assert list(run.stages) == ["sft"]
    assert {path.parent.name for path in tmp_path.glob("*/trained.safetensors")} == {
        "joint", "target"
    }  # fmt: skip
    requests = list(world.requests(world.test, 0, 4))
    for answer in method.predict(requests, run):
        assert np.isfinite(answer.scores).all() and np.std(answer.scores) > 0
        assert score == "logprob" or max(map(abs, answer.scores)) <= 1 + 1e-6
    free = list(method.sample(requests, run))
    assert all(len(answer.samples) == 3 for answer in free)
    # Among whole texts of candidates, each finds itself first, and the likeliest comes first.
    bound = replace(run, decoding={**run.decoding, "constrained": True})
    for request, answer in zip(requests, method.sample(requests, bound), strict=True):
        first = answer.samples[0]
        assert first.status == "ok" and first.item in request.candidates
        assert item_text(load_template("purchases"), world.catalog, first.item) == first.text


def test_stages_that_are_done_are_not_trained_again(tmp_path, world):
    first = learning_run(tmp_path, world)
    make().fit(world.train_view(), first)
    again = learning_run(tmp_path, world)
    make().fit(world.train_view(), again)
    stages = {"joint steps", "target steps"}
    assert stages <= {name for name, _, _ in first.progress.stages}
    assert not stages & {name for name, _, _ in again.progress.stages}


@pytest.mark.slow
@pytest.mark.parametrize("score", ["cosine", "logprob"])
def test_it_learns_the_planted_genres(tmp_path, score):
    world = planted_world(users=300)
    run = learning_run(tmp_path, world)
    method = CALRec(CALRec.Config(score=score))
    method.fit(world.train_view(), run)
    for stage in ("joint", "target"):
        assert falls(run.progress.of(f"{stage} steps"))
    assert standard_errors_above_chance(method, world, run) > 3

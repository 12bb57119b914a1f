"""LLaRA: its curriculum, its hybrid prompts, and training end to end."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from baselines.hybrid.item_vectors import fit_item_vectors
from baselines.hybrid.llara import _LARGE, LLaRA
from baselines.hybrid.next_items import NextItem, to_training_requests
from baselines.hybrid.soft_prompts.curriculum import (
    CurriculumObjective,
    draw_hybrid_steps,
    hybrid_probability,
)
from baselines.hybrid.soft_prompts.projector import make_soft_embeddings
from benchkit.errors import ConfigError, DataError
from benchkit.lm.backbones import load_backbone
from benchkit.lm.injection.soft_prompts import NO_ITEM, UNKNOWN, item_token
from benchkit.lm.tokenization import text_ids
from benchkit.testing.fixtures import run_context
from benchkit.training.core.config import LoRAConfig
from benchkit.training.core.examples import Example
from benchkit.types import Catalog, Event, Interactions, Request
from tests.support.planted_world import (
    EXPERT,
    NANO,
    falls,
    learning_run,
    planted_world,
    standard_errors_above_chance,
)
from tests.support.tiny_models import tiny_backbone, tiny_model

BRIEF_EXPERT = {"name": "sasrec", "config": {"epochs": 2, "hidden": 8, "heads": 1}}
ONCE = {"epochs": 1, "batch_size": 16, "micro_batch": 8, "gradient_checkpointing": False}
SMALL = {
    "expert": BRIEF_EXPERT, "train": ONCE, "per_user": 1, "limit_users": 20, "validation_cases": 4,
    "candidates": 5,
}  # fmt: skip


# The curriculum


def test_the_probability_of_hybrid_prompts_is_the_share_of_the_steps():
    assert hybrid_probability(0, 100) == 0
    assert hybrid_probability(50, 100) == 0.5
    assert hybrid_probability(100, 100) == 1


def test_steps_are_drawn_with_that_probability():
    draws = [draw_hybrid_steps(8, np.random.default_rng(seed)) for seed in range(4000)]
    share = np.mean(draws, axis=0)
    expected = np.arange(1, 9) / 8
    assert (np.abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000) + 1e-12).all()
    assert all(draw[-1] for draw in draws)


def objective(model, hybrid, tmp_path):
    run = run_context(Catalog((), {}), tmp_path)
    soft = make_soft_embeddings(torch.randn(5, 4), model, run)
    return CurriculumObjective(module=soft, module_lr=0.1, hybrid_steps=np.array(hybrid))


EXAMPLES = [Example((7, item_token(1), 8, item_token(3)), (9, 2)), Example((7, NO_ITEM), (5, 2))]


def gradients(model, loss, soft):
    model.zero_grad(set_to_none=True)
    soft.zero_grad(set_to_none=True)
    loss.backward()
    return [parameter.grad for parameter in soft.projector.parameters()]


def test_the_projector_is_trained_by_hybrid_prompts_alone(tmp_path):
    model = tiny_model("qwen3").train()
    loss = objective(model, [False, True], tmp_path)
    batch = loss.collate(EXAMPLES)
    loss.step = 0
    assert all(g is None for g in gradients(model, loss.loss(model, batch), loss.module))
    loss.step = 1
    assert all(g.abs().sum() > 0 for g in gradients(model, loss.loss(model, batch), loss.module))


def test_plain_prompts_are_those_without_any_item(tmp_path):
    model = tiny_model("qwen3").train()
    loss = objective(model, [False, True], tmp_path)
    batch = loss.collate(EXAMPLES)
    blank = [replace(e, prompt=tuple(min(i, NO_ITEM) for i in e.prompt)) for e in EXAMPLES]
    loss.step = 0
    plain = loss.loss(model, batch).item()
    loss.step = 1
    assert loss.loss(model, loss.collate(blank)).item() == pytest.approx(plain, abs=1e-6)
    hybrid = loss.loss(model, batch).item()
    assert abs(hybrid - plain) > 1e-3
    loss.step = 0
    model.eval()  # validation is hybrid, whatever the step
    assert loss.loss(model, batch).item() == pytest.approx(hybrid, abs=1e-5)
    assert replace(loss, hybrid_steps=None).is_hybrid()


# Prompts


def hybrid_parts(folder, name, tmp_path):
    dataset = planted_world()
    method = LLaRA(LLaRA.Config(backbone=folder, template=name, **SMALL))
    run = run_context(dataset.catalog, tmp_path)
    backbone = load_backbone(method.config, None, run)
    return method, dataset, run, backbone, method.builder(backbone, dataset.train_view())


@pytest.mark.parametrize("name", ["titles", "papers", "compact"])
def test_each_item_of_a_prompt_has_its_projected_vector(tmp_path, name):
    method, dataset, run, backbone, builder = hybrid_parts(tiny_backbone(), name, tmp_path)
    (request,) = dataset.requests(dataset.test, 0, 1)
    ids = builder.prompt(request)
    index = dataset.catalog.index
    items = [event.item for event in request.history[-method.config.max_history :]]
    items += request.candidates if builder.template.show_candidates else ()
    places = [place for place, token in enumerate(ids) if token >= NO_ITEM]
    assert len(places) == len(items)
    vectors = fit_item_vectors(method.config.expert, dataset.train_view(), run)
    before = backbone.model.get_input_embeddings().weight.detach().clone()
    soft = make_soft_embeddings(vectors, backbone.model, run)
    seen = []
    backbone.model.get_decoder().layers[0].register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(args[0]), with_kwargs=True
    )
    with torch.no_grad():
        backbone.model(input_ids=torch.tensor([ids]))
        expected = soft.projector(vectors[[index[item] for item in items]])
    torch.testing.assert_close(seen[0][0, places], expected, atol=1e-6, rtol=0)
    assert backbone.model.get_input_embeddings().weight.equal(before)
    # Behind the item's title, in training and later alike.
    title = text_ids(backbone.tokenizer, builder.template.item_title(dataset.catalog, items[0]))
    assert list(ids[places[0] - len(title) : places[0]]) == title or name == "papers"


def test_training_requests_list_the_item_among_others():
    data = planted_world().train_view()
    item = data.catalog.ids[data.interactions.sequence(0)[-1]]
    users = [NextItem(data.users[0], (Event(item),), item)]
    run = run_context(data.catalog)
    ((request, target),) = to_training_requests(users, data, 10, run)
    assert target == item and len(set(request.candidates)) == 10
    past = {data.catalog.ids[code] for code in data.interactions.sequence(0)}
    assert past & set(request.candidates) == {item}
    ((again, _),) = to_training_requests(users, data, 10, run)
    assert again == request
    with pytest.raises(DataError, match="lists 80 candidates"):
        list(to_training_requests(users, data, 80, run))


# Settings


def test_defaults_are_the_official_codes(tmp_path):
    method = LLaRA(LLaRA.Config(backbone="some/model"))
    training = method.training_config(run_context(Catalog((), {}), tmp_path), **_LARGE)
    assert (training.learning_rate, training.epochs, training.batch_size) == (8e-4, 5, 128)
    assert (training.warmup, training.min_lr) == (0.05, 0.01)
    assert training.lora == LoRAConfig(r=8, alpha=32, dropout=0.1)
    assert method.config.template_name == "titles"


def test_an_expert_without_vectors_is_refused():
    with pytest.raises(ConfigError, match="has no item vectors"):
        LLaRA(LLaRA.Config(expert={"name": "popularity"}))


# End to end


def fit(tmp_path, dataset=None, **settings):
    dataset = dataset or planted_world()
    method = LLaRA(LLaRA.Config(**{**SMALL, "backbone": tiny_backbone(), **settings}))
    run = learning_run(tmp_path, dataset)
    method.fit(dataset.train_view(), run)
    return method, dataset, run


@pytest.mark.parametrize("lora", [None, {"r": 2, "alpha": 4}])
def test_training_changes_the_model_and_the_projector(tmp_path, lora):
    train = {**ONCE, "lora": lora, "learning_rate": 1e-2, "epochs": 2}
    method, dataset, run = fit(tmp_path, train=train, template="titles")
    model = method.predictor.engine.model
    (hook, *_) = model.get_input_embeddings()._forward_hooks.values()
    soft = hook.__self__
    backbone = load_backbone(method.config, None, run)
    fresh = make_soft_embeddings(method.vectors, backbone.model, run)
    assert soft.table.equal(fresh.table)
    assert not soft.projector[0].weight.equal(fresh.projector[0].weight)
    if lora:  # the text embeddings are frozen
        before = backbone.model.get_input_embeddings().weight
        assert model.get_input_embeddings().weight.equal(before)
    requests = list(dataset.requests(dataset.test, 0, 3))
    scores = [p.scores for p in method.predict(requests, run)]
    with torch.no_grad():
        soft.projector[2].bias += 1.0
    assert [p.scores for p in method.predict(requests, run)] != scores


def test_items_of_another_catalogue_have_no_vector(tmp_path):
    method, _, _ = fit(tmp_path)
    items = tuple(f"other{code}" for code in range(8))
    other = Catalog(items, {"title": [f"Other {code}" for code in range(8)]})
    run = run_context(other, tmp_path / "other", decoding={"n": 2, "max_tokens": 8})
    request = Request("test:u", "u", (Event(items[0]),), items[2:])
    (answer,) = method.predict([request], run)
    assert len(answer.scores) == 6 and all(map(math.isfinite, answer.scores))
    (samples,) = method.sample([request], run)
    assert len(samples.samples) == 2


def test_ids_of_another_catalogue_are_other_items(tmp_path):
    method, dataset, _ = fit(tmp_path)
    (request,) = dataset.requests(dataset.test, 0, 1)
    asked = method.predictor.write_prompt(request, dataset.catalog)
    assert min(asked.codes) >= 0
    renamed = Catalog(dataset.catalog.ids[::-1], dataset.catalog.texts)  # ids as "1", "2", ...
    assert set(method.predictor.write_prompt(request, renamed).codes) == {UNKNOWN}


def test_items_without_training_interactions_have_no_vector(tmp_path):
    view = planted_world().train_view()
    unseen = view.catalog.ids[int(view.interactions.item[-1])]
    rows = view.interactions
    stays = rows.item != rows.item[-1]
    counts = np.bincount(rows.user[stays], minlength=len(view.users))
    fewer = Interactions(
        rows.user[stays], rows.item[stays], np.concatenate([[0], np.cumsum(counts)])
    )
    data = SimpleNamespace(
        name="x", users=view.users, catalog=view.catalog, interactions=fewer, validation=()
    )
    method = LLaRA(LLaRA.Config(**SMALL, backbone=tiny_backbone(), template="titles"))
    method.fit(data, run_context(view.catalog, tmp_path))
    known = view.catalog.ids[int(fewer.item[0])]
    request = Request("c", "u", (Event(unseen), Event(known)), (known, unseen))
    code = view.catalog.index[known]
    asked = method.predictor.write_prompt(request, view.catalog)
    assert asked.codes == (UNKNOWN, code, code, UNKNOWN)
    builder = method.builder(load_backbone(method.config, None, run_context(view.catalog)), data)
    vectors = [token for token in builder.prompt(request) if token >= NO_ITEM]
    assert vectors == [item_token(code) for code in asked.codes]


@pytest.mark.slow
def test_it_learns_a_planted_world(tmp_path):
    dataset = planted_world(users=200)
    train = {"epochs": 6, "batch_size": 32, "learning_rate": 3e-3}
    settings = {
        "backbone": "nano", "nano": NANO, "limit_users": None, "per_user": 8,
        "expert": EXPERT, "validation_cases": 100,
    }  # fmt: skip
    method, dataset, run = fit(tmp_path, dataset, train=train, **settings)
    assert falls(run.progress.of("sft steps"))
    assert standard_errors_above_chance(method, dataset, run) > 3

"""RecLM: its prompts, its lists and their rewards, training end to end, what it learns."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from baselines.rl.list_predictor import ListPredictor
from baselines.rl.list_prompts import LONG_LISTS, SHORT_LISTS, list_template
from baselines.rl.list_rollouts import ListSampler, ListSettings
from baselines.rl.list_tasks import ListMixture, ListTasks, _earlier_cases
from baselines.rl.rec_lm import RecLM
from benchkit.errors import ConfigError
from benchkit.lm.engines.hf import HFEngine
from benchkit.lm.prompts import load_template, render_prompt
from benchkit.lm.teachers.facts import CatalogFacts
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.testing.fixtures import run_context
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.types import Catalog, Event, Interactions, Request
from tests.support.planted_world import (
    NANO,
    falls,
    learning_run,
    planted_world,
    standard_errors_above_chance,
)
from tests.support.rollouts import catalog, context, network, tasks_of
from tests.support.tiny_models import tiny_backbone, tiny_tokenizer

pytest.importorskip("peft")
pytest.importorskip("accelerate")

TRAIN = {"epochs": 1, "batch_size": 4, "micro_batch": 2, "gradient_checkpointing": False}
EXPERT = {"name": "sasrec", "config": {"epochs": 1, "hidden": 8, "heads": 1}}


@pytest.fixture(scope="module")
def world():
    return planted_world()


def settings(**more):
    return {
        "backbone": tiny_backbone(), "template": "compact", "limit_users": 8, "candidates": 6,
        "validation_cases": 4, "train": TRAIN, "sft": TRAIN, "expert": EXPERT,
        "lists": {"count": 3, "max_tokens": 40}, **more,
    }  # fmt: skip


# Prompts


def text_of(base, *, wording=LONG_LISTS, **values):
    template = list_template(load_template(base), wording, **values)
    request = Request("c", "u", (Event("a"),), ("b", "c"))
    rendered = render_prompt(template, request, catalog(), rationale=False, count_tokens=len)
    return rendered.prompt.messages[-1].content


def test_prompts_ask_for_so_many_items():
    listed = text_of("titles", count=3, listed=True)
    assert "List 3 items" in listed and "Candidates:\nBlue Moon\nBlack\n" in listed
    assert "Black" not in text_of("titles", count=3, listed=False)
    short = {"wording": SHORT_LISTS}
    assert text_of("compact", count=5, listed=False, **short) == "Blue\nTop 5:\n"
    wish = SHORT_LISTS.wanted.replace("{fact}", "the genre {history}")
    asked = text_of("compact", count=5, listed=True, wish=wish, **short)
    assert asked == "Blue\nOf\nBlue Moon\nBlack\nWith the genre {history}\nTop 5:\n"


# Examples for fine-tuning

GENRES = Catalog(
    tuple("abcde"),
    {"title": ["A", "B", "C", "D", "E"], "genres": ["War", "War", "Noir", "War", "Noir"]},
)
SCORES = np.array([-np.inf, 0.1, 0.2, 0.3, 0.4])  # of a history with a


def example(**mixture):
    builder = ExampleBuilder(load_template("compact"), tiny_tokenizer(), GENRES)
    values = {"longest": 1, "listed": 0.0, "control": 0.0, **mixture}
    tasks = ListTasks(None, builder, LONG_LISTS, ListMixture(**values), run_context(GENRES))
    results = []
    for number in range(30):
        request = Request(str(number), "u", (Event("a"),), ("b", "c", "e"))
        made_of = tasks.example(request, "b", SCORES, CatalogFacts(GENRES))
        decode = builder.tokenizer.decode
        results.append((decode(made_of.prompt), decode(made_of.response)))
    return results


def test_the_target_comes_first_and_then_the_experts_favourites():
    lists = {answer for _, answer in example(longest=4)}
    assert lists == {
        "1. B</s>", "1. B\n2. E</s>", "1. B\n2. E\n3. D</s>", "1. B\n2. E\n3. D\n4. C</s>",
    }  # fmt: skip
    for prompt, answer in example(longest=4):
        assert f"List {answer.count('. ')} items" in prompt
    listed = example(longest=4, listed=1.0)
    assert {answer for _, answer in listed} == {
        "1. B</s>", "1. B\n2. E</s>", "1. B\n2. E\n3. C</s>"
    }  # fmt: skip
    assert all("Candidates:\nB\nC\nE\n" in prompt for prompt, _ in listed)


def test_wishes_are_met_by_all_that_is_listed():
    both = set()
    for prompt, answer in example(longest=5, control=1.0):
        items = {line.partition(". ")[2].removesuffix("</s>") for line in answer.splitlines()}
        if "All of them should have the genre War" in prompt:
            assert items <= {"B", "D"}
            both.add("for")
        else:
            assert "None of them should have the genre Noir" in prompt and items <= {"B", "D"}
            both.add("against")
    assert both == {"for", "against"}


def test_no_candidate_is_there_twice_where_items_come_again():
    codes = np.array([0, 1, 2, 1], dtype=np.int32)
    items = tuple(f"i{code}" for code in range(12))
    data = SimpleNamespace(
        users=("u",),
        catalog=Catalog(items, {"title": items}),
        interactions=Interactions(np.zeros(4, dtype=np.int32), codes, np.array([0, 4])),
    )
    (question,) = build_training_questions(data, candidates=6)
    assert {"i0", "i1", "i2"} <= set(question.candidates)
    cases = list(_earlier_cases(question, data, 0, 4))
    assert [target for _, target in cases] == ["i1", "i2", "i1"]
    for request, target in cases:
        assert request.candidates.count(target) == 1
        assert len(set(request.candidates)) == len(request.candidates) >= 5


# Lists in training


def sampler_of(tmp_path, **values):
    run = context(tmp_path)
    template = list_template(load_template("compact"), SHORT_LISTS, 2, listed=False)
    builder = ExampleBuilder(template, tiny_tokenizer(), catalog())
    tasks = tasks_of(builder, 3)
    teacher = {t.request.case_id: {item: n for n, item in enumerate("abcd")} for t in tasks}
    sampler = ListSampler(
        builder,
        lambda model: ListPredictor(HFEngine(model, builder.tokenizer), template),
        teacher,
        ListSettings(count=2, **values),
        run,
    )
    return sampler, tasks


def test_constrained_lists_name_candidates_and_count_choices_alone(tmp_path):
    sampler, tasks = sampler_of(tmp_path, constrained=True)
    groups = sampler.draw(network(), tasks, ["x", "y", "z"])
    decode = sampler.builder.tokenizer.decode
    for row in groups:
        for answer in row:
            rollout, text = answer.rollout, decode(answer.rollout.tokens)
            assert text == rollout.text + "</s>" and text.count("\n") == 1
            assert rollout.text[:3] == "1. " and not any(rollout.counted[:3])
            assert not rollout.counted[-1]
            for token, options, own in zip(*_columns(rollout), strict=True):
                assert not own or (token in options and len(options) > 1)
            pairs = zip(rollout.counted, answer.rewards, strict=True)
            assert all(is_choice or not reward for is_choice, reward in pairs)
    again = sampler.draw(network(), tasks[1:], ["y", "z"])
    assert again == groups[1:]
    assert [row[0].rollout for row in groups] == [
        row[0].rollout for row in sampler.draw(network(), tasks, ["p", "q", "r"])
    ]  # the first list of each is greedy


def _columns(rollout):
    return rollout.tokens, rollout.allowed, rollout.counted


def free_answer(tmp_path, text, ended=True):
    """The rewards of a written list whose right item is b; the history has a."""
    sampler, tasks = sampler_of(tmp_path)
    rollout, entries = sampler._free_rollout(
        tasks[0], sampler.builder.tokenizer.encode(text, add_special_tokens=False), ended
    )
    return rollout, entries, sampler.rewards(tasks[0], rollout, entries)


def test_written_lists_are_rewarded_at_their_tokens(tmp_path):
    text = "1. Black\n2. Blue Moon"
    _, entries, rewards = free_answer(tmp_path, text)
    assert [entry.item for entry in entries] == ["c", "b"]
    assert [entry.last for entry in entries] == [7, 20]
    # Black has the teacher's rank 2, and the target is second.
    other, best = 1 / np.log2(5), 1 + 1 / np.log2(3) ** 2
    whole = 10 * (0.5 * (other + 1 / np.log2(3)) / best + 0.5 / np.log2(3))
    assert rewards[7] == pytest.approx(other) and rewards[20] == pytest.approx(1.0)
    assert rewards[-1] == pytest.approx(whole) and len(rewards) == 22
    assert sum(map(bool, rewards)) == 3


@pytest.mark.parametrize(
    ("text", "items", "penalties"),
    [
        ("1. Nothing\n2. Blue", [None, "a"], 2),  # unknown, and of the history
        ("1. Black\n2. Black\n3. So What", ["c", "c", "d"], 2),  # repeated, and one too many
        ("none", [], 0),
        ("", [], 0),
    ],
)
def test_what_should_not_be_listed_is_punished(tmp_path, text, items, penalties):
    rollout, entries, rewards = free_answer(tmp_path, text)
    assert [entry.item for entry in entries] == items
    at_items = [rewards[entry.last] for entry in entries if entry.last < len(rewards) - 1]
    assert sum(reward == -1 for reward in at_items) == penalties
    assert len(rewards) == len(rollout.tokens) >= 1


# Answers


def test_the_first_entry_is_scored_and_lists_are_sampled(tmp_path, world):
    tokenizer, model = tiny_tokenizer(), network()
    template = list_template(load_template("compact"), SHORT_LISTS, 2, listed=False)
    predictor = ListPredictor(HFEngine(model, tokenizer), template)
    request = Request("c", "u", (Event("a"),), ("b", "c", "d"))
    run = replace(context(tmp_path), decoding={"n": 3, "temperature": 0.7, "constrained": True})
    (answer,) = predictor.predict([request], run)
    torch = pytest.importorskip("torch")
    prompt = tokenizer.encode("Blue\nTop 2:\n") + tokenizer.encode("1. ", add_special_tokens=False)
    for title, score in zip(("Blue Moon", "Black", "So What"), answer.scores, strict=True):
        ids = tokenizer.encode(title, add_special_tokens=False)
        with torch.no_grad():
            logits = model(torch.tensor([[*prompt, *ids]])).logits[0].log_softmax(-1)
        places = range(len(prompt), len(prompt) + len(ids))
        expected = sum(logits[p - 1, t].item() for p, t in zip(places, ids, strict=True))
        assert score == pytest.approx(expected, abs=1e-3)
    (sampled,) = predictor.sample([request], run)
    assert sorted(sample.item for sample in sampled.samples) == ["b", "c", "d"]


def test_entries_that_repeat_are_no_answers(tmp_path):
    from benchkit.lm.types import Completion

    template = list_template(load_template("compact"), SHORT_LISTS, 2, listed=False)
    predictor = ListPredictor(HFEngine(network(), tiny_tokenizer()), template)
    request = Request("c", "u", (Event("a"),), ("b", "c", "d"))
    text = "1. Black\n2. Black\n3. Nothing\n4. So What"
    entries = predictor._entries(Completion(text, "stop", 9), request, context(tmp_path))
    assert [entry.item for entry in entries] == ["c", None, None, "d"]
    assert [entry.status for entry in entries] == ["ok", "unparsed", "unparsed", "ok"]


# Training


@pytest.mark.parametrize(
    "more",
    [
        {"lists": {"count": 3, "constrained": True}, "train": {**TRAIN, "lora": None}},
        {"template": "titles", "train": {**TRAIN, "max_length": 4000}},
    ],
)
def test_it_trains_and_answers(tmp_path, world, more):
    run = run_context(world.catalog, tmp_path, cache=tmp_path / "cache")
    method = RecLM(RecLM.Config.model_validate(settings(**more)))
    method.fit(world.train_view(), run)
    assert list(run.stages) == ["sft", "reinforce"]
    requests = list(world.requests(world.test, 0, 3))
    assert all(np.isfinite(a.scores).all() for a in method.predict(requests, run))
    lines = [json.loads(line) for line in (tmp_path / "rewards.jsonl").read_text().splitlines()]
    assert len(lines) == 2
    if "lists" in more:
        assert all(line["reward"] > 0 for line in lines)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train": {**TRAIN, "max_length": 30}}, "longer than max_length = 30"),
        ({"train": {**TRAIN, "processes": 2, "micro_batch": 1}}, "one process"),
        ({"train": {**TRAIN, "lora": {"targets": ["nowhere"]}}}, "no module named nowhere"),
    ],
)
def test_contradictory_settings_stop_before_training(tmp_path, world, values, message):
    run = run_context(world.catalog, tmp_path, cache=tmp_path / "cache")
    method = RecLM(RecLM.Config.model_validate(settings(**values)))
    with pytest.raises(ConfigError, match=message):
        method.fit(world.train_view(), run)
    assert not (tmp_path / "cache" / "sft").exists()


@pytest.mark.slow
def test_it_learns_the_planted_genres(tmp_path):
    dataset = planted_world(users=200)
    run = learning_run(tmp_path, dataset)
    config = {
        "nano": {**NANO, "steps": 800}, "sft": {"epochs": 15, "learning_rate": 3e-3},
        "lists": {"count": 2, "max_tokens": 40}, "candidates": 20, "validation_cases": 30,
    }  # fmt: skip
    method = RecLM(RecLM.Config.model_validate(config))
    method.fit(dataset.train_view(), run)
    assert falls(run.progress.of("sft steps"), to=0.5)
    assert standard_errors_above_chance(method, dataset, run) > 3

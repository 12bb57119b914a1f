"""Rec-R1 with a retriever: what is rewarded, the form of its answers, and how it ranks."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from baselines.rl.query_ranker import QueryRanker
from baselines.rl.query_rollouts import QuerySampler
from baselines.rl.rec_r1_query import RecR1Query
from benchkit.errors import ConfigError
from benchkit.lm.prompts import load_template, render_prompt
from benchkit.lm.retrieval.query import parse_query, query_pieces
from benchkit.lm.types import Completion
from benchkit.testing.fixtures import run_context
from benchkit.training.rl.rollouts import Rollout, RolloutTask
from benchkit.types import Catalog, Event, Request
from tests.support.fake_engine import FakeEngine
from tests.support.reward_settings import settings, toy_run
from tests.support.rollouts import context, drawing_of, network, tasks_of

TITLES = ("Blue", "Blue Moon", "Black Tea", "Green Tea")
CATALOG = Catalog(tuple("abcd"), {"title": TITLES})
TASK = RolloutTask(Request("u", "u", (Event("a"),), tuple("abcd")), "d", ())


def answer(text):
    return Rollout(text, None, None, "ok", (), (), ())


def well_formed(query):
    return f'<think>Teas.</think><answer>{{"query": "{query}"}}</answer>'


def rewards_of(texts, **values):
    config = RecR1Query.Config(backbone="x", **values)
    view = type("View", (), {"catalog": CATALOG})()
    reward = RecR1Query(config).make_reward([TASK], view, run_context(CATALOG))
    return [reward(TASK, answer(text)) for text in texts]


def test_the_reward_is_the_ndcg_of_the_query_and_a_bonus_for_its_form():
    texts = ["green", "tea", "blue tea", "blue", "zebra"]
    second = 1 / math.log2(2.5) + 0.1  # two documents share the first rank
    values = rewards_of(map(well_formed, texts))
    assert values[:2] == pytest.approx([1.1, second])
    assert values[2] < second
    assert values[3:] == [0.0, 0.0]  # the target is not found


def test_an_answer_without_the_form_is_punished():
    broken = [
        "<think>a</think><think>b</think>" + well_formed("green").partition("</think>")[2],
        '<answer>{"query": "green"}</answer>',
        "<think>a</think><answer>green</answer>",
        well_formed("green") + " so.",
        "",
    ]
    assert rewards_of(broken) == [-2.0] * 5


def test_ranks_beyond_the_cutoff_earn_nothing():
    assert rewards_of([well_formed("blue blue green")], cutoff=1) == [0.0]
    assert rewards_of([well_formed("green")], cutoff=1) == pytest.approx([1.1])


def test_the_target_can_be_ranked_among_the_whole_catalogue():
    short = replace(TASK, request=replace(TASK.request, candidates=("a", "d")))
    view = type("View", (), {"catalog": CATALOG})()
    for corpus, expected in (("candidates", 1.1), ("catalog", 1 / math.log2(2.5) + 0.1)):
        method = RecR1Query(RecR1Query.Config(backbone="x", corpus=corpus))
        reward = method.make_reward([short], view, run_context(CATALOG))
        assert reward(short, answer(well_formed("tea"))) == pytest.approx(expected)


def test_the_prompt_asks_for_json_and_shows_no_candidates():
    request = Request("u", "u", (Event("a", 5.0),), ("c", "d"))
    for rationale in (True, False):
        prompt = render_prompt(
            load_template("query"), request, CATALOG, rationale=rationale,
            count_tokens=lambda text: len(text.split()),
        ).prompt  # fmt: skip
        text = prompt.messages[1].content
        assert 'answer>{"query": "words of the query"}</answer>' in text
        assert ("<think>" in text) == rationale
        assert "title: Blue" in text and "Tea" not in text


def ranker(reply, rationale=True):
    template = load_template("compact-query")
    return QueryRanker(FakeEngine(reply), template, rationale)


def test_candidates_are_ranked_by_the_query():
    requests = [Request(f"u{n}", "u", (Event("a"),), ("d", "a", "c")) for n in range(2)]

    def reply(prompt):
        return ("Teas.", "stop") if prompt.prefill == ("<think>",) else ("green tea", "stop")

    first, _ = ranker(reply).predict(requests, run_context(CATALOG))
    assert first.rationale == "Teas."
    assert first.scores[0] > first.scores[2] > first.scores[1] == 0
    (plain, _) = ranker(lambda _: ("green tea", "stop"), False).predict(
        requests, run_context(CATALOG)
    )
    assert plain.rationale is None and plain.scores == first.scores
    (failed, _) = ranker(lambda _: ("", "error")).predict(requests, run_context(CATALOG))
    assert failed.scores is None and failed.status == "error"


def test_free_samples_must_have_the_whole_form():
    request = Request("u", "u", (Event("a"),), ("c", "d"))
    for text, item, status in (
        (well_formed("green"), "d", "ok"),
        ("green", None, "unparsed"),
    ):
        run = run_context(CATALOG, decoding={"n": 1, "temperature": 0.7})
        (sampled,) = ranker(lambda _, text=text: (text, "stop")).sample([request], run)
        assert [(s.item, s.status) for s in sampled.samples] == [(item, status)]
    run = run_context(CATALOG, decoding={"n": 1, "temperature": 0.7, "constrained": True})
    (sampled,) = ranker(lambda _: ("green", "stop")).sample([request], run)
    assert [(s.item, s.status) for s in sampled.samples] == [("d", "ok")]


@pytest.mark.parametrize("rationale", [True, False])
def test_it_trains_and_answers(tmp_path, rationale):
    dataset, run = toy_run(tmp_path)
    values = {"template": "compact-query", "fine_tune": True, "rationale": rationale}
    method = RecR1Query(RecR1Query.Config.model_validate(settings(**values)))
    method.fit(dataset.train_view(), run)
    requests = list(dataset.requests(dataset.test, 0, 3))
    answers = list(method.predict(requests, run))
    assert all(np.isfinite(a.scores).all() and len(a.scores) == 20 for a in answers)
    assert ("explains" in method.capabilities) == rationale
    assert all((a.rationale is not None) == rationale for a in answers)
    assert tuple(run.stages) == ("sft", "reinforce")
    lines = (tmp_path / "scratch" / "rewards.jsonl").read_text().splitlines()
    assert [json.loads(line)["reward"] for line in lines] == [-2.0] * 4  # an untrained model's


def test_the_papers_start_has_no_fine_tuning():
    assert not RecR1Query(RecR1Query.Config(backbone="x")).fine_tunes
    assert RecR1Query().fine_tunes  # nano would not know the form


def test_a_template_that_asks_for_an_item_is_refused():
    with pytest.raises(ConfigError, match="not for a query"):
        RecR1Query(RecR1Query.Config(template="papers"))


@pytest.mark.parametrize("rationale", [True, False])
def test_a_constrained_answer_has_the_form_of_what_was_learnt(tmp_path, rationale):
    drawing = drawing_of(context(tmp_path), rationale, "compact-query")
    form, builder = drawing.response_format, drawing.builder
    sampler = QuerySampler(**vars(drawing))
    reason, query = Completion("Teas.", "stop", 5), Completion("green tea", "stop", 9)
    rollout = sampler._build_rollout(reason, query)
    begin, words, end = query_pieces("green tea")
    text = "Teas." if rationale else None
    assert rollout.tokens == builder.join((*form.prefix(text), begin, words, end, form.suffix))[0]
    pairs = zip(rollout.tokens, rollout.counted, strict=True)
    chosen = builder.tokenizer.decode([token for token, counts in pairs if counts])
    assert chosen == ("Teas." if rationale else "") + 'green tea"}'
    assert parse_query(rollout.text) == "green tea" and rollout.status == "ok"
    cut = sampler._build_rollout(reason, query._replace(finish="length"))
    assert sum(cut.counted) == sum(rollout.counted) - 2  # it has not ended the query itself
    assert sampler._build_rollout(reason, query._replace(text="")).status == "unparsed"


def test_constrained_answers_to_a_prompt_are_drawn_by_its_key(tmp_path):
    drawing = drawing_of(context(tmp_path), True, "compact-query", constrained=True, group=3)

    def make(model):
        return QueryRanker(**vars(drawing.make_predictor(model)), query_tokens=6)

    sampler = QuerySampler(**{**vars(drawing), "make_predictor": make})
    tasks, model = tasks_of(drawing.builder, 2, rationale=True), network()
    whole = sampler.draw(model, tasks, ["k0", "k1"])
    assert [len(group) for group in whole] == [3, 3]
    assert sampler.draw(model, tasks[1:], ["k1"]) == whole[1:]
    assert sampler.draw(model, tasks[1:], ["other"]) != whole[1:]

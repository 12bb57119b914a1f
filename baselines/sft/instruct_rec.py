"""InstructRec: recommendation as following instructions (Zhang et al. 2023)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from baselines.sft import instructions
from baselines.sft.instructions import (
    EVALUATED_INSTRUCTION,
    LONG_INSTRUCTIONS,
    SHORT_INSTRUCTIONS,
    InstructionForm,
    InstructionKind,
    InstructionWording,
    IntentionKind,
    PreferenceKind,
)
from benchkit.lm.backbones import Backbone
from benchkit.lm.prompts import Template
from benchkit.lm.teachers import build_training_questions
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.teachers.facts import CatalogFacts
from benchkit.lm.tokenization import continuation_ids
from benchkit.training.core.example_builder import ExampleBuilder, to_request, validation_questions
from benchkit.training.core.examples import Example
from benchkit.training.core.recommender import FineTunedConfig, FineTunedRecommender
from benchkit.training.core.sft import train_sft
from benchkit.types import RunContext, TrainView


class InstructRec(FineTunedRecommender):
    """Learns many ways to be asked; is asked to rerank the candidates after a history.

    A training instruction tells of a user's preference (the history, or what its items have in
    common) and intention (a fact of the wanted item, or the user's review of it), and has one of
    four tasks: to say whether an item is chosen, which of two, which of all, or which of the
    candidates. When it is asked, there is no intention: it would have to be known beforehand.
    """

    class Config(FineTunedConfig):
        """instructions: for each user. preferences, intentions, forms: what they are drawn from;
        the form uniformly, then preference and intention among those there are of the user.
        template: of the evaluated instruction; `auto` is `compact` for nano, else `titles`."""

        instructions: PositiveInt = 2
        preferences: tuple[PreferenceKind, ...] = ("none", "implicit", "explicit")
        intentions: tuple[IntentionKind, ...] = ("none", "vague", "specific")
        forms: tuple[InstructionForm, ...] = Field(
            default=("pointwise", "pairwise", "matching", "reranking"), min_length=1
        )

        templates: ClassVar[tuple[str, str]] = ("titles", "compact")

        @model_validator(mode="after")
        def _something_is_told(self) -> Self:
            if not instructions.informative_pairs(self.preferences, self.intentions):
                raise ValueError("preferences and intentions leave nothing to tell of a user")
            return self

    config: Config

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        config = self.config
        questions = build_training_questions(
            data,
            negatives=1,
            candidates=config.candidates,
            seed=run.seed,
            limit=config.limit_users,
        )
        cases = validation_questions(data.validation, config.validation_cases)
        return train_sft(
            backbone.model,
            self.examples(questions, builder, data, run),
            self.training_config(run, epochs=3),
            run,
            validation=[builder.example(to_request(q), q.item) for q in cases] or None,
        )

    def examples(
        self,
        questions: Sequence[TeacherQuestion],
        builder: ExampleBuilder,
        data: TrainView,
        run: RunContext,
    ) -> list[Example]:
        """Instructions for each user. questions: for each the target's, then a negative's."""
        config, rng = self.config, run.generator("instructions")
        writer = InstructionWriter(
            builder,
            SHORT_INSTRUCTIONS if config.is_nano else LONG_INSTRUCTIONS,
            CatalogFacts(data.catalog),
        )
        reviews = _reviews(data)
        drawn: list[tuple[UserDescription, InstructionKind]] = []
        for target, negative in zip(questions[::2], questions[1::2], strict=True):
            told = writer.describe_user(target, negative.item, reviews.get(target.key))
            drawn += [(told, self.draw(told, rng)) for _ in range(config.instructions)]
        # Half of the answers are Yes, and half of the pairs begin with the target.
        sizes = {form: sum(kind.form == form for _, kind in drawn) for form in config.forms}
        coins = {form: iter(instructions.balanced_flags(rng, size)) for form, size in sizes.items()}
        return [writer.example(told, kind, next(coins[kind.form])) for told, kind in drawn]

    def draw(self, told: "UserDescription", rng: np.random.Generator) -> InstructionKind:
        """One cell of the grid that can be filled for a user."""
        config = self.config
        form = config.forms[int(rng.integers(len(config.forms)))]
        cells = [
            cell
            for cell in instructions.informative_pairs(config.preferences, config.intentions)
            if cell[0] in told.preferences and cell[1] in told.intentions
        ]
        if not cells:  # nothing that was asked for is known of this user, but there is a history
            cells = [(EVALUATED_INSTRUCTION.preference, EVALUATED_INSTRUCTION.intention)]
        return InstructionKind(*cells[int(rng.integers(len(cells)))], form)


@dataclass(frozen=True)
class UserDescription:
    """What can be said of one user. preferences: made from the history alone."""

    question: TeacherQuestion
    negative: str
    preferences: Mapping[PreferenceKind, str]
    intentions: Mapping[IntentionKind, str]


@dataclass(frozen=True)
class InstructionWriter:
    """Writes instructions as token ids. builder: that of the evaluated instruction."""

    builder: ExampleBuilder
    wording: InstructionWording
    facts: CatalogFacts

    def describe_user(
        self, question: TeacherQuestion, negative: str, review: str | None
    ) -> UserDescription:
        """The texts that there are for a user; review: of the target."""
        catalog, title = self.builder.catalog, self._title(question.item)
        preferences: dict[PreferenceKind, str] = {"none": "", "implicit": ""}
        intentions: dict[IntentionKind, str] = {"none": ""}
        if likes := instructions.explicit_preference(question.history, self.facts, catalog):
            preferences["explicit"] = likes
        if vague := instructions.vague_intention(question.item, title, self.facts, catalog):
            intentions["vague"] = vague
        if specific := instructions.specific_intention(review, title):
            intentions["specific"] = specific
        return UserDescription(question, negative, preferences, intentions)

    def template(self, told: UserDescription, kind: InstructionKind, first: bool) -> Template:
        """The prompt of an instruction. first: the target is asked about, or comes first."""
        items = [told.question.item, told.negative]
        return instructions.instruction_template(
            self.builder.template,
            self.wording,
            kind,
            told.preferences[kind.preference],
            told.intentions[kind.intention],
            [self._title(item) for item in (items if first else items[::-1])],
        )

    def example(self, told: UserDescription, kind: InstructionKind, first: bool) -> Example:
        """An instruction with its answer: Yes or No if it is pointwise, else the target's title."""
        base, request = self.builder, to_request(told.question)
        builder = ExampleBuilder(
            self.template(told, kind, first), base.tokenizer, base.catalog, base.prompt_tokens
        )
        if kind.preference != "implicit":
            request = replace(request, history=())
        if kind.form != "pointwise":
            return builder.example(request, told.question.item)
        answer = continuation_ids(base.tokenizer, "Yes" if first else "No", end=True)
        return Example(builder.prompt(request), tuple(answer), key=request.case_id)

    def _title(self, item: str) -> str:
        return self.builder.template.item_title(self.builder.catalog, item)


def _reviews(data: TrainView) -> dict[str, str | None]:
    """The review of each user's last training interaction, where the dataset has reviews."""
    rows = data.interactions
    if rows.review is None:
        return {}
    return {
        user: rows.review[int(rows.offsets[code + 1]) - 1]
        for code, user in enumerate(data.users)
        if rows.offsets[code + 1] > rows.offsets[code]
    }

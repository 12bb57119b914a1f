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
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.teachers.facts import CatalogFacts
from benchkit.lm.tokenization import continuation_ids
from benchkit.lm.tokens.control_tokens import quote, unquote
from benchkit.training.core.example_builder import ExampleBuilder, to_request, validation_questions
from benchkit.training.core.examples import Example
from benchkit.training.core.recommender import FineTunedConfig, FineTunedRecommender
from benchkit.training.sft import train_sft
from benchkit.types import RunContext, TrainView


class InstructRec(FineTunedRecommender):
    """Learn many kinds of instructions; evaluated by reranking the candidates after a history.

    A training instruction has a user's preference (the history, or what its items have in common),
    an intention (a fact of the target item, or the user's review of it), and one of four tasks: to
    say whether an item is chosen, which of two, which of all, or which of the candidates. In
    evaluation there is no intention: it would have to be known beforehand. The template is that
    of the evaluated instruction; `auto` is `compact` for nano, else `titles`.
    """

    class Config(FineTunedConfig):
        """Settings of InstructRec."""

        instructions: PositiveInt = 2
        """Training instructions per user."""
        preferences: tuple[PreferenceKind, ...] = ("none", "implicit", "explicit")
        """Kinds of preference, drawn among those available for the user."""
        intentions: tuple[IntentionKind, ...] = ("none", "vague", "specific")
        """Kinds of intention, drawn together with the preference."""
        forms: tuple[InstructionForm, ...] = Field(
            default=("pointwise", "pairwise", "matching", "reranking"), min_length=1
        )
        """Task forms, drawn uniformly."""

        templates: ClassVar[tuple[str, str]] = ("titles", "compact")

        @model_validator(mode="after")
        def _is_informative(self) -> Self:
            if not instructions.informative_pairs(self.preferences, self.intentions):
                raise ValueError("preferences and intentions leave nothing to say about a user")
            return self

    config: Config

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        config = self.config
        questions = self.training_questions(data, run, negatives=1)
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
        """Write instructions for each user.

        Args:
            questions: For each user one about the target, then one about a negative.
            builder: Of the evaluated instruction.
            data: Its catalogue and reviews.
            run: Source of random numbers.
        """
        config, rng = self.config, run.generator("instructions")
        writer = InstructionWriter(
            builder,
            SHORT_INSTRUCTIONS if config.is_nano else LONG_INSTRUCTIONS,
            CatalogFacts(data.catalog),
        )
        reviews = _reviews(data)
        pairs: list[tuple[UserDescription, InstructionKind]] = []
        for target, negative in zip(questions[::2], questions[1::2], strict=True):
            user = writer.describe_user(target, negative.item, reviews.get(target.key))
            pairs += [(user, self.draw(user, rng)) for _ in range(config.instructions)]
        # Half of the answers are Yes, and half of the pairs begin with the target.
        sizes = {form: sum(kind.form == form for _, kind in pairs) for form in config.forms}
        flags = {
            form: iter(instructions.draw_balanced_flags(rng, size)) for form, size in sizes.items()
        }
        return [writer.example(user, kind, next(flags[kind.form])) for user, kind in pairs]

    def draw(self, user: "UserDescription", rng: np.random.Generator) -> InstructionKind:
        """Draw a kind of instruction that is available for a user."""
        config = self.config
        form = config.forms[int(rng.integers(len(config.forms)))]
        cells = [
            cell
            for cell in instructions.informative_pairs(config.preferences, config.intentions)
            if cell[0] in user.preferences and cell[1] in user.intentions
        ]
        if not cells:  # none of the configured kinds is available, but there is a history
            cells = [(EVALUATED_INSTRUCTION.preference, EVALUATED_INSTRUCTION.intention)]
        return InstructionKind(*cells[int(rng.integers(len(cells)))], form)


@dataclass(frozen=True)
class UserDescription:
    """The texts that are available for one user."""

    question: TeacherQuestion
    negative: str
    """An item that is not the target."""
    preferences: Mapping[PreferenceKind, str]
    """Made from the history alone."""
    intentions: Mapping[IntentionKind, str]
    """Made from the target item."""


@dataclass(frozen=True)
class InstructionWriter:
    """Write instructions as token ids."""

    builder: ExampleBuilder
    """Of the evaluated instruction."""
    wording: InstructionWording
    facts: CatalogFacts

    def describe_user(
        self, question: TeacherQuestion, negative: str, review: str | None
    ) -> UserDescription:
        """Collect the texts that are available for a user, given the review of the target."""
        catalog, title = self.builder.catalog, unquote(self._title(question.item))
        preferences: dict[PreferenceKind, str] = {"none": "", "implicit": ""}
        intentions: dict[IntentionKind, str] = {"none": ""}
        if likes := instructions.explicit_preference(question.history, self.facts, catalog):
            preferences["explicit"] = likes
        if vague := instructions.vague_intention(question.item, title, self.facts, catalog):
            intentions["vague"] = vague
        if specific := instructions.specific_intention(review, title):
            intentions["specific"] = specific
        return UserDescription(question, negative, preferences, intentions)

    def template(self, user: UserDescription, kind: InstructionKind, first: bool) -> Template:
        """Return the prompt; `first`: it asks about the target, or has the target first."""
        items = [user.question.item, user.negative]
        return instructions.instruction_template(
            self.builder.template.fit_to_scale(self.builder.catalog.rating_scale),
            self.wording,
            kind,
            quote(user.preferences[kind.preference]),
            quote(user.intentions[kind.intention]),
            [self._title(item) for item in (items if first else items[::-1])],
        )

    def example(self, user: UserDescription, kind: InstructionKind, first: bool) -> Example:
        """Return an instruction and its answer: Yes or No if pointwise, else the target's title."""
        base, request = self.builder, to_request(user.question)
        builder = ExampleBuilder(
            self.template(user, kind, first), base.tokenizer, base.catalog, base.prompt_tokens
        )
        if kind.preference != "implicit":
            request = replace(request, history=())
        if kind.form != "pointwise":
            return builder.example(request, user.question.item)
        answer = continuation_ids(base.tokenizer, "Yes" if first else "No", end=True)
        return Example(builder.prompt(request), tuple(answer), key=request.case_id)

    def _title(self, item: str) -> str:
        return self.builder.template.item_title(self.builder.catalog, item)


def _reviews(data: TrainView) -> dict[str, str | None]:
    """Return the review of each user's last training interaction, if there are reviews."""
    rows = data.interactions
    if rows.review is None:
        return {}
    return {
        user: rows.review[int(rows.offsets[code + 1]) - 1]
        for code, user in enumerate(data.users)
        if rows.offsets[code + 1] > rows.offsets[code]
    }

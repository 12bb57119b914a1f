"""InstructRec: recommendation as following instructions (Zhang et al. 2023)."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, PositiveInt, computed_field, model_validator

from baselines.sft import instruction_texts, instructions
from baselines.sft.instruction_wordings import long_wordings, short_wordings
from baselines.sft.instruction_writer import InstructionWriter, UserDescription
from baselines.sft.instructions import (
    EVALUATED_INSTRUCTION,
    InstructionForm,
    InstructionKind,
    IntentionKind,
    PreferenceKind,
)
from benchkit.fingerprint import hash_json
from benchkit.lm.backbones import Backbone
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.teachers.facts import CatalogFacts
from benchkit.training.core.example_builder import ExampleBuilder, to_request, validation_questions
from benchkit.training.core.examples import Example
from benchkit.training.core.fine_tuning_config import FineTunedConfig
from benchkit.training.core.recommender import FineTunedRecommender
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
        texts: Literal["facts", "teacher"] = "facts"
        """Origin of explicit preferences and vague intentions: facts of the catalogue, or what the
        teacher writes of the history's last item and of the target, without its title."""

        templates: ClassVar[tuple[str, str]] = ("titles", "compact")

        @model_validator(mode="after")
        def _is_informative(self) -> Self:
            if not instructions.informative_pairs(self.preferences, self.intentions):
                raise ValueError("preferences and intentions leave nothing to say about a user")
            return self

        @computed_field  # type: ignore[prop-decorator]
        @property
        def wordings_hash(self) -> str:
            """Return a hash of the instructions' words, which are part of a run's identity."""
            wordings = short_wordings() if self.is_nano else long_wordings()
            return hash_json({"/".join(kind): list(texts) for kind, texts in wordings.items()})

    config: Config

    @property
    def trains_rationales(self) -> bool:
        return self.config.texts == "teacher"

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
        wordings = short_wordings() if config.is_nano else long_wordings()
        writer = InstructionWriter(builder, wordings, CatalogFacts(data.catalog))
        reviews = instruction_texts.last_reviews(data)
        users = [
            writer.describe_user(target, negative.item, reviews.get(target.key))
            for target, negative in zip(questions[::2], questions[1::2], strict=True)
        ]
        if config.texts == "teacher":
            users = instruction_texts.with_teacher_texts(
                users, builder, lambda asks: self.write_rationales(asks, data, run)
            )
        pairs = [(user, self.draw(user, rng)) for user in users for _ in range(config.instructions)]
        # Half of the answers are Yes, and half of the pairs begin with the target.
        sizes = {form: sum(kind.form == form for _, kind in pairs) for form in config.forms}
        flags = {
            form: iter(instructions.draw_balanced_flags(rng, size)) for form, size in sizes.items()
        }
        return [writer.example(user, kind, next(flags[kind.form]), rng) for user, kind in pairs]

    def draw(self, user: UserDescription, rng: np.random.Generator) -> InstructionKind:
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

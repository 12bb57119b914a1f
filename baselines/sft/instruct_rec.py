"""InstructRec: recommendation as following instructions (Zhang et al. 2023)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from baselines.sft import instructions
from baselines.sft.instructions import (
    EVALUATED,
    LONG,
    SHORT,
    Form,
    Intention,
    Kind,
    Preference,
    Wording,
)
from benchkit.lm.backbones import Backbone
from benchkit.lm.prompts import Template
from benchkit.lm.teachers import training_questions
from benchkit.lm.teachers.base import Question
from benchkit.lm.teachers.facts import Facts
from benchkit.lm.tokens import continuation_ids
from benchkit.protocols import RunContext, TrainView
from benchkit.tuning.builders import Builder, as_request, validation_questions
from benchkit.tuning.examples import Example
from benchkit.tuning.recommender import TunedConfig, TunedRecommender
from benchkit.tuning.sft import train_sft


class InstructRec(TunedRecommender):
    """Learns many ways to be asked; is asked to rerank the candidates after a history.

    A training instruction tells of a user's preference (the history, or what its items have in
    common) and intention (a fact of the wanted item, or the user's review of it), and has one of
    four tasks: to say whether an item is chosen, which of two, which of all, or which of the
    candidates. When it is asked, there is no intention: it would have to be known beforehand.
    """

    class Config(TunedConfig):
        """instructions: for each user. preferences, intentions, forms: what they are drawn from;
        the form uniformly, then preference and intention among those there are of the user.
        template: of the evaluated instruction; `auto` is `compact` for nano, else `titles`."""

        instructions: PositiveInt = 2
        preferences: tuple[Preference, ...] = ("none", "implicit", "explicit")
        intentions: tuple[Intention, ...] = ("none", "vague", "specific")
        forms: tuple[Form, ...] = Field(
            default=("pointwise", "pairwise", "matching", "reranking"), min_length=1
        )

        templates: ClassVar[tuple[str, str]] = ("titles", "compact")

        @model_validator(mode="after")
        def _something_is_told(self) -> Self:
            if not instructions.cells(self.preferences, self.intentions):
                raise ValueError("preferences and intentions leave nothing to tell of a user")
            return self

    config: Config

    def tuned(self, backbone: Backbone, builder: Builder, data: TrainView, run: RunContext) -> Any:
        config = self.config
        questions = training_questions(
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
            self.training(run, epochs=3),
            run,
            validation=[builder.example(as_request(q), q.item) for q in cases] or None,
        )

    def examples(
        self, questions: Sequence[Question], builder: Builder, data: TrainView, run: RunContext
    ) -> list[Example]:
        """Instructions for each user. questions: for each the target's, then a negative's."""
        config, rng = self.config, run.generator("instructions")
        writer = Writer(builder, SHORT if config.small else LONG, Facts(data.catalog))
        reviews = _reviews(data)
        drawn: list[tuple[Told, Kind]] = []
        for target, negative in zip(questions[::2], questions[1::2], strict=True):
            told = writer.told(target, negative.item, reviews.get(target.key))
            drawn += [(told, self.draw(told, rng)) for _ in range(config.instructions)]
        # Half of the answers are Yes, and half of the pairs begin with the target.
        sizes = {form: sum(kind.form == form for _, kind in drawn) for form in config.forms}
        coins = {form: iter(instructions.halves(rng, size)) for form, size in sizes.items()}
        return [writer.example(told, kind, next(coins[kind.form])) for told, kind in drawn]

    def draw(self, told: "Told", rng: np.random.Generator) -> Kind:
        """One cell of the grid that can be filled for a user."""
        config = self.config
        form = config.forms[int(rng.integers(len(config.forms)))]
        cells = [
            cell
            for cell in instructions.cells(config.preferences, config.intentions)
            if cell[0] in told.preferences and cell[1] in told.intentions
        ]
        if not cells:  # nothing that was asked for is known of this user, but there is a history
            cells = [(EVALUATED.preference, EVALUATED.intention)]
        return Kind(*cells[int(rng.integers(len(cells)))], form)


@dataclass(frozen=True)
class Told:
    """What can be said of one user. preferences: made from the history alone."""

    question: Question
    negative: str
    preferences: Mapping[Preference, str]
    intentions: Mapping[Intention, str]


@dataclass(frozen=True)
class Writer:
    """Writes instructions as token ids. builder: that of the evaluated instruction."""

    builder: Builder
    wording: Wording
    facts: Facts

    def told(self, question: Question, negative: str, review: str | None) -> Told:
        """The texts that there are for a user; review: of the target."""
        catalog, title = self.builder.catalog, self._title(question.item)
        preferences: dict[Preference, str] = {"none": "", "implicit": ""}
        intentions: dict[Intention, str] = {"none": ""}
        if likes := instructions.explicit_preference(question.history, self.facts, catalog):
            preferences["explicit"] = likes
        if vague := instructions.vague_intention(question.item, title, self.facts, catalog):
            intentions["vague"] = vague
        if specific := instructions.specific_intention(review, title):
            intentions["specific"] = specific
        return Told(question, negative, preferences, intentions)

    def template(self, told: Told, kind: Kind, first: bool) -> Template:
        """The prompt of an instruction. first: the target is asked about, or comes first."""
        items = [told.question.item, told.negative]
        return instructions.template(
            self.builder.template,
            self.wording,
            kind,
            told.preferences[kind.preference],
            told.intentions[kind.intention],
            [self._title(item) for item in (items if first else items[::-1])],
        )

    def example(self, told: Told, kind: Kind, first: bool) -> Example:
        """An instruction with its answer: Yes or No if it is pointwise, else the target's title."""
        base, request = self.builder, as_request(told.question)
        builder = Builder(
            self.template(told, kind, first), base.tokenizer, base.catalog, base.prompt_tokens
        )
        if kind.preference != "implicit":
            request = replace(request, history=())
        if kind.form != "pointwise":
            return builder.example(request, told.question.item)
        answer = continuation_ids(base.tokenizer, "Yes" if first else "No", end=True)
        return Example(builder.prompt(request), tuple(answer), key=request.case_id)

    def _title(self, item: str) -> str:
        return self.builder.template.title(self.builder.catalog, item)


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

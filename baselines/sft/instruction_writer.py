"""Write InstructRec's instructions: coarse templates, filled with what is known of a user."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from baselines.sft import instructions
from baselines.sft.instruction_wordings import Wordings, fill_places
from baselines.sft.instructions import (
    EVALUATED_INSTRUCTION,
    InstructionKind,
    IntentionKind,
    PreferenceKind,
)
from benchkit.lm.prompts import render_prompt
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.teachers.facts import CatalogFacts
from benchkit.lm.tokenization import continuation_ids, prompt_ids, text_ids
from benchkit.lm.tokens.control_tokens import quote, unquote
from benchkit.lm.types import Message
from benchkit.training.core.example_builder import ExampleBuilder, to_request
from benchkit.training.core.examples import Example

_BREAK = "\x1f"  # between history and candidates; a title never has it, as it is white space


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
    wordings: Wordings
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

    def example(
        self, user: UserDescription, kind: InstructionKind, first: bool, rng: np.random.Generator
    ) -> Example:
        """Return an instruction and its answer: Yes or No if pointwise, else the target's title.

        Args:
            user: What is known of the user.
            kind: The cell of the grid.
            first: Whether it asks about the target, or has the target first.
            rng: Draws one of the cell's wordings.
        """
        base, request = self.builder, to_request(user.question)
        if kind == EVALUATED_INSTRUCTION:
            return base.example(request, user.question.item)
        choices = self.wordings[kind]
        prompt = self.prompt(user, kind, first, choices[int(rng.integers(len(choices)))])
        if kind.form == "pointwise":
            answer = continuation_ids(base.tokenizer, "Yes" if first else "No", end=True)
        else:
            answer = list(base.response(user.question.item)[0])
        return Example(prompt, tuple(answer), key=request.case_id)

    def prompt(
        self, user: UserDescription, kind: InstructionKind, first: bool, wording: str
    ) -> tuple[int, ...]:
        """Return the token ids of an instruction; the oldest history is left out to fit."""
        base = self.builder
        items = [user.question.item, user.negative]
        titles = [self._title(item) for item in (items if first else items[::-1])]
        texts = {
            "history": "", "candidates": "", "first": titles[0], "second": titles[1],
            "likes": quote(user.preferences[kind.preference]),
            "wants": quote(user.intentions[kind.intention]),
        }  # fmt: skip
        layouts = base.template.fit_to_scale(base.catalog.rating_scale)
        shows_list = "{candidates}" in wording and layouts.candidates is not None
        lists = layouts.model_copy(
            update={
                "user": "{history}" + _BREAK + ("{candidates}" if shows_list else ""),
                "show_candidates": shows_list,
            }
        )
        request = to_request(user.question)
        if "{history}" not in wording:
            request = replace(request, history=())
            lists = lists.model_copy(
                update={"history": layouts.history.model_copy(update={"empty": ""})}
            )
        words = len(text_ids(base.tokenizer, fill_places(wording, texts)))
        rendered = render_prompt(
            lists,
            request,
            base.catalog,
            rationale=False,
            count_tokens=lambda text: len(text_ids(base.tokenizer, text)),
            budget=None if base.prompt_tokens is None else max(1, base.prompt_tokens - words),
        ).prompt
        *before, last = rendered.messages
        texts["history"], _, texts["candidates"] = last.content.partition(_BREAK)
        message = Message("user", fill_places(wording, texts))
        prompt = replace(rendered, messages=(*before, message))
        return tuple(prompt_ids(base.tokenizer, prompt))

    def _title(self, item: str) -> str:
        return self.builder.template.item_title(self.builder.catalog, item)

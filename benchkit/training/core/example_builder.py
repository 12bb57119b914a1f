"""Turn questions and answers in words into token ids to train on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchkit.lm.prompts import Template, render_prompt
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.tokenization import continuation_ids, prompt_ids, text_ids
from benchkit.training.core.examples import Example
from benchkit.types import Catalog, Request


@dataclass(frozen=True)
class ExampleBuilder:
    """Write prompts and responses exactly as the trained model will see them."""

    template: Template
    tokenizer: Any
    catalog: Catalog
    prompt_tokens: int | None = None
    """Most tokens of a prompt; the oldest history is left out. None for no limit."""

    def prompt(self, request: Request, rationale: bool = False) -> tuple[int, ...]:
        """Return the token ids of a request's prompt."""
        rendered = render_prompt(
            self.template,
            request,
            self.catalog,
            rationale=rationale,
            count_tokens=lambda text: len(text_ids(self.tokenizer, text)),
            budget=self.prompt_tokens,
        )
        return tuple(prompt_ids(self.tokenizer, rendered.prompt))

    def response(self, item: str, rationale: str | None = None) -> tuple[tuple[int, ...], int]:
        """Return the token ids of the answer `item`, and how many of the last name the item."""
        form = self.template.response_format(rationale is not None)
        return self.join(form.pieces(self.template.item_title(self.catalog, item), rationale))

    def join(self, pieces: Sequence[str]) -> tuple[tuple[int, ...], int]:
        """Return the token ids of a response in pieces, and how many are the last piece's."""
        *opening, last_piece = pieces
        last = continuation_ids(self.tokenizer, last_piece, end=True)
        first = (i for piece in opening for i in text_ids(self.tokenizer, piece))
        return (*first, *last), len(last)

    def example(
        self,
        request: Request,
        item: str,
        rationale: str | None = None,
        weight: float = 1.0,
        item_weight: float = 1.0,
    ) -> Example:
        """Return an example for supervised fine-tuning.

        Args:
            request: The question.
            item: The item to answer with.
            rationale: Text before the item; None for an answer without one.
            weight: Of each token of the example in the loss.
            item_weight: Of the item's tokens, on top of `weight`.
        """
        response, last = self.response(item, rationale)
        weights = None
        if item_weight != 1:
            weights = (*[1.0] * (len(response) - last), *[item_weight] * last)
        prompt = self.prompt(request, rationale is not None)
        return Example(prompt, response, weight, weights, request.case_id)


def to_request(question: TeacherQuestion) -> Request:
    """Return the request that asks a recommender what a teacher is asked to explain."""
    return Request(question.key, question.key, question.history, question.candidates)


def validation_questions(cases: Sequence[Any], limit: int) -> list[TeacherQuestion]:
    """Return the first `limit` validation cases as questions about their targets."""
    return [
        TeacherQuestion(
            case.request.case_id, case.request.history, case.request.candidates, case.target
        )
        for case in cases[:limit]
    ]

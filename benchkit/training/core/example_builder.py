"""From questions and answers in words to token ids to train on."""

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
    """Writes prompts and responses exactly as they are asked for later.

    prompt_tokens: budget of a prompt; the oldest history is left out.
    """

    template: Template
    tokenizer: Any
    catalog: Catalog
    prompt_tokens: int | None = None

    def prompt(self, request: Request, rationale: bool = False) -> tuple[int, ...]:
        """Token ids of the prompt of a request."""
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
        """Token ids of the answer that names `item`, and how many of the last are the item's."""
        form = self.template.response_format(rationale is not None)
        *opening, title = form.pieces(self.template.item_title(self.catalog, item), rationale)
        last = continuation_ids(self.tokenizer, title, end=True)
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
        """An example for supervised fine-tuning. item_weight: of the item's tokens in the loss."""
        response, last = self.response(item, rationale)
        weights = None
        if item_weight != 1:
            weights = (*[1.0] * (len(response) - last), *[item_weight] * last)
        prompt = self.prompt(request, rationale is not None)
        return Example(prompt, response, weight, weights, request.case_id)


def to_request(question: TeacherQuestion) -> Request:
    """The question that a recommender would be asked where a teacher is asked for reasons."""
    return Request(question.key, question.key, question.history, question.candidates)


def validation_questions(cases: Sequence[Any], limit: int) -> list[TeacherQuestion]:
    """Validation cases as questions about their targets."""
    return [
        TeacherQuestion(
            case.request.case_id, case.request.history, case.request.candidates, case.target
        )
        for case in cases[:limit]
    ]

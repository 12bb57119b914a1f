"""RecExplainer's prompts: a vector of the user, and behind items' titles theirs.

The vectors are those of the expert; `connectors` puts them into the language model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self

from baselines.sft.explainer.user_vectors import UserVectors
from benchkit.lm.injection.soft_prompts import PLACEHOLDER, SoftPrompt, fill_placeholders
from benchkit.lm.predictor import LMPredictor
from benchkit.lm.prompts import Template, render_prompt
from benchkit.lm.tokenization import prompt_ids, text_ids
from benchkit.lm.types import Message, Prompt
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.types import Catalog, Request

Alignment = Literal["behaviour", "intention", "hybrid"]


def align_template(
    template: Template, alignment: Alignment, max_history: int | None = None
) -> Template:
    """Return a template with places for vectors: of the user, and behind each candidate's texts.

    By `behaviour` there are none, by `intention` the user's vector stands for the history. Of the
    history at most `max_history` events are written, the last ones.
    """
    limits = [n for n in (template.history.max_events, max_history) if n is not None]
    history = template.history.model_copy(update={"max_events": min(limits, default=None)})
    template = template.model_copy(update={"history": history})
    if alignment == "behaviour":
        return template
    candidates = template.candidates
    if candidates is not None:
        end = f" {PLACEHOLDER}{candidates.end}"
        candidates = candidates.model_copy(update={"end": end})
    if alignment == "intention":
        history = history.model_copy(update={"empty": ""})
    return template.model_copy(
        update={
            "user": f"{PLACEHOLDER}\n{template.user}",
            "candidates": candidates,
            "history": history,
        }
    )


@dataclass(frozen=True)
class AlignedBuilder(ExampleBuilder):
    """Writes prompts as token ids, with vectors in their places."""

    alignment: Alignment = "behaviour"
    users: UserVectors = field(default_factory=lambda: UserVectors({}, 0))

    def prompt(self, request: Request, rationale: bool = False) -> tuple[int, ...]:
        prompt = render_aligned(
            self.template,
            request,
            self.catalog,
            self.alignment,
            self.users,
            lambda text: len(text_ids(self.tokenizer, text)),
            self.prompt_tokens,
        )
        return self.fill(prompt, prompt.codes)

    def ask(self, text: str, codes: Sequence[int] = (), key: str = "") -> tuple[int, ...]:
        """Return the token ids of a question with placeholders for vectors of these codes."""
        return self.fill(Prompt(key, (Message("user", text),)), codes)

    def fill(self, prompt: Prompt, codes: Sequence[int]) -> tuple[int, ...]:
        """Return the token ids of a prompt, with those of vectors at its placeholders."""
        ids = prompt_ids(self.tokenizer, prompt)
        if not codes:
            return tuple(ids)
        placeholder = self.tokenizer.convert_tokens_to_ids(PLACEHOLDER)
        return tuple(fill_placeholders(ids, placeholder, codes))


@dataclass(frozen=True)
class ExplainerPredictor(LMPredictor):
    """Asks with vectors in the prompts, whose rows the model's connectors must hold."""

    alignment: Alignment = "behaviour"
    users: UserVectors = field(default_factory=lambda: UserVectors({}, 0))

    @classmethod
    def from_predictor(
        cls, predictor: LMPredictor, alignment: Alignment, max_history: int | None
    ) -> Self:
        """Return a predictor that asks the same model with vectors."""
        values: dict[str, Any] = {f.name: getattr(predictor, f.name) for f in fields(LMPredictor)}
        values["template"] = align_template(predictor.template, alignment, max_history)
        return cls(**values, alignment=alignment)

    def _prompt(self, request: Request, catalog: Catalog) -> Prompt:
        return render_aligned(
            self.template,
            request,
            catalog,
            self.alignment,
            self.users,
            self.engine.count_tokens,
            self.prompt_tokens,
        )


def render_aligned(
    template: Template,
    request: Request,
    catalog: Catalog,
    alignment: Alignment,
    users: UserVectors,
    count_tokens: Any,
    budget: int | None,
) -> SoftPrompt:
    """Render a prompt of a template of `align_template`, with the codes of its vectors."""
    shown = replace(request, history=()) if alignment == "intention" else request
    prompt = render_prompt(
        template, shown, catalog, rationale=False, count_tokens=count_tokens, budget=budget
    ).prompt
    codes: list[int] = []
    if alignment != "behaviour":
        codes.append(users.code(request))
        if template.show_candidates:
            codes += map(users.item_code, request.candidates)
    return SoftPrompt(prompt.key, prompt.messages, prompt.prefill, tuple(codes))

"""Prompts in which some positions hold a vector of an item instead of a token.

In the text such a position is `PLACEHOLDER`, one token of its own. After tokenising, its token is
replaced by an id above every vocabulary that says which item stands there. Everything that handles
token ids (packing, batching, sampling) so handles these prompts, too; only the model's embedding
layer tells the difference (`benchkit.lm.injection.soft_embeddings`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchkit.errors import MethodError
from benchkit.lm.engines.hf import HFEngine
from benchkit.lm.layouts import ItemLayout
from benchkit.lm.predictor import LMPredictor
from benchkit.lm.prompts import Template, render_prompt
from benchkit.lm.types import Prompt
from benchkit.types import Catalog, Request

PLACEHOLDER = "<|item_vector|>"
NO_ITEM = 1 << 24  # id of a position of no particular item; no vocabulary is that large
UNKNOWN = -1  # code of an item without a vector; its position is `NO_ITEM`


@dataclass(frozen=True, slots=True)
class SoftPrompt(Prompt):
    """A prompt with placeholders."""

    codes: tuple[int, ...] = ()
    """Item code of each placeholder, in the order of the text; UNKNOWN where there is none."""


def item_token(code: int) -> int:
    """Return the id that stands for an item's vector.

    >>> item_token(UNKNOWN) == NO_ITEM
    True
    """
    return NO_ITEM + 1 + code


def add_placeholder(tokenizer: Any) -> int:
    """Make `PLACEHOLDER` a token of a tokenizer, and return its id.

    The model needs no embedding for it: the token is replaced before the model sees it.
    """
    tokenizer.add_special_tokens({"additional_special_tokens": [PLACEHOLDER]})
    return int(tokenizer.convert_tokens_to_ids(PLACEHOLDER))


def fill_placeholders(ids: Sequence[int], placeholder: int, codes: Sequence[int]) -> list[int]:
    """Return token ids with the placeholders replaced by the ids of items, in order.

    Args:
        ids: Token ids of a prompt.
        placeholder: Token id of `PLACEHOLDER`.
        codes: Item code of each placeholder.

    Raises:
        MethodError: There are more or fewer placeholders than codes.
    """
    count = sum(token == placeholder for token in ids)
    if count != len(codes):
        raise MethodError(
            f"the prompt has {count} placeholders for {len(codes)} item vectors",
            "use a chat template that repeats and drops nothing of a message",
        )
    items = iter(codes)
    return [item_token(next(items)) if token == placeholder else token for token in ids]


def with_placeholders(template: Template, max_history: int | None = None) -> Template:
    """Return a template that writes a placeholder behind the texts of each item.

    Args:
        template: The template to change.
        max_history: Newest events that are written, at most; None for as many as the template's.
    """
    layouts: dict[str, ItemLayout] = {}
    for name in ("history", "candidates"):
        layout = getattr(template, name)
        if layout is not None:
            layouts[name] = layout.model_copy(update={"end": PLACEHOLDER + layout.end})
    limits = [n for n in (template.history.max_events, max_history) if n is not None]
    latest = {"max_events": min(limits, default=None)}
    layouts["history"] = layouts["history"].model_copy(update=latest)
    return template.model_copy(update=layouts)


def render_soft_prompt(
    template: Template,
    request: Request,
    catalog: Catalog,
    index: Mapping[str, int],
    count_tokens: Callable[[str], int],
    budget: int | None = None,
) -> SoftPrompt:
    """Render the prompt of a request with a template of `with_placeholders`.

    Args:
        template: The template.
        request: Whose history and candidates are written.
        catalog: The items' texts.
        index: Code of each item that has a vector.
        count_tokens: Counts the tokens of a text; a placeholder is one.
        budget: Most tokens; the oldest history is left out.

    Raises:
        DataError: The prompt does not fit without any history.
    """
    rendered = render_prompt(
        template, request, catalog, rationale=False, count_tokens=count_tokens, budget=budget
    )
    shown = [event.item for event in rendered.shown]
    items = {"history": shown, "candidates": list(request.candidates)}
    codes = [
        index.get(item, UNKNOWN)
        for place in template.parts[1::2]  # places are at the odd positions
        for item in items.get(place, ())
    ]
    prompt = rendered.prompt
    return SoftPrompt(prompt.key, prompt.messages, prompt.prefill, tuple(codes))


class SoftPromptEngine(HFEngine):
    """Asks a model whose embedding layer knows the ids of items."""

    def _ids(self, prompt: Prompt) -> list[int]:
        ids = super()._ids(prompt)
        codes = prompt.codes if isinstance(prompt, SoftPrompt) else ()
        return fill_placeholders(ids, self.tokenizer.convert_tokens_to_ids(PLACEHOLDER), codes)


@dataclass(frozen=True)
class SoftPromptPredictor(LMPredictor):
    """Asks with a vector behind each item; the template is one of `with_placeholders`."""

    index: Mapping[str, int] | None = None
    """Code of each item that has a vector."""
    items: tuple[str, ...] = ()
    """The catalogue that they are of: in another one, the same id is another item's."""

    def _prompt(self, request: Request, catalog: Catalog) -> Prompt:
        same = catalog.ids is self.items or catalog.ids == self.items
        return render_soft_prompt(
            self.template,
            request,
            catalog,
            (self.index if same else None) or {},
            self.engine.count_tokens,
            self.prompt_tokens,
        )

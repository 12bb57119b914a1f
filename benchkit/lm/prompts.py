"""Prompts from templates. A template is data (TOML); its hash says what a model was asked.

The layouts follow C-APO, TWiCE-Rec and RecPO; the sentences are this project's own.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import PositiveInt, model_validator

from benchkit.config.loading import read_toml, validate_model
from benchkit.errors import ConfigError, DataError, unknown_name_error
from benchkit.fingerprint import hash_json
from benchkit.lm.layouts import (
    EVENT_SOURCES,
    HistoryLayout,
    ItemLayout,
    ShownEvents,
    TemplateModel,
)
from benchkit.lm.rating_texts import PromptTexts
from benchkit.lm.response_format import ResponseFormat, ResponseKind
from benchkit.lm.tokens.control_tokens import quote, unquote
from benchkit.lm.types import Message, Prompt
from benchkit.rating_scale import word_or_number
from benchkit.types import Catalog, Event, Request

_PLACES = ("history", "candidates", "instruction")
_PLACE = re.compile(r"\{(\w+)\}")


class InstructionTexts(TemplateModel):
    """What is asked for: with a rationale, or the item alone."""

    rationale: str = ""
    item: str = ""


class ResponseKinds(TemplateModel):
    """The formats of the answer; no `rationale` where the template never asks for one."""

    item: ResponseKind
    rationale: ResponseKind | None = None


class Template(PromptTexts, TemplateModel):
    """A prompt template.

    user: the user's message, with {history}, {candidates} and {instruction} in their places.
    show_candidates: whether the candidates stand in it.
    title_limit: characters after which titles are cut, in prompts and in answers alike.
    """

    other_places: ClassVar[tuple[str, ...]] = _PLACES

    version: Literal[1]
    name: str = ""
    description: str = ""
    system: str = ""
    user: str
    show_candidates: bool = True
    title_limit: PositiveInt = 400
    history: HistoryLayout
    candidates: ItemLayout | None = None
    instruction: InstructionTexts = InstructionTexts()
    response: ResponseKinds

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        places = [place for place in _PLACE.findall(self.user) if place not in self.rated]
        for place in places:
            if place not in _PLACES:
                raise ValueError(f"user: no such place {{{place}}}; known: {', '.join(_PLACES)}")
        if "history" not in places:
            raise ValueError("user: {history} is missing")
        if self.show_candidates != ("candidates" in places):
            raise ValueError("user has {candidates} if, and only if, show_candidates is true")
        if self.show_candidates and self.candidates is None:
            raise ValueError("candidates: missing, though show_candidates is true")
        for field in self.candidates.fields if self.candidates else ():
            wrong = [source for source in field.sources if source in EVENT_SOURCES]
            if wrong:
                raise ValueError(f"candidates: {wrong[0]!r} is of an event; a candidate has none")
        if ResponseFormat(self.response.item).explains:
            raise ValueError("response.item: this format has a rationale")
        if self.response.rationale and not ResponseFormat(self.response.rationale).explains:
            raise ValueError("response.rationale: this format has no place for a rationale")
        return self

    @property
    def hash(self) -> str:
        """Return 16 hexadecimal digits of all that can change a prompt or its answer's form."""
        return hash_json(self.model_dump(mode="json", exclude={"name", "description"}))

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Return the user's message cut at its places: text, place, text, place, ..., text."""
        return tuple(_PLACE.split(self.user))

    def show_events(self, shown: ShownEvents) -> Self:
        """Return a copy that shows these events of a history; for "all", those of the template."""
        if shown == "all":
            return self
        return self.model_copy(
            update={"history": self.history.model_copy(update={"events": shown})}
        )

    def response_format(self, rationale: bool) -> ResponseFormat:
        """Return the form of the answer. Raises ConfigError if the template has no rationale."""
        if rationale and self.response.rationale is None:
            raise ConfigError(
                f"template {self.name!r} asks for no rationale",
                "choose a template that does, e.g. papers, or switch the rationale off",
            )
        kind = self.response.rationale if rationale else None
        return ResponseFormat(kind or self.response.item)

    def item_title(self, catalog: Catalog, item: str) -> str:
        """Return an item's title as prompts show it and answers must give it: one line, cut alike.

        The id stands for an item without a title. Control tokens in it are quoted.
        """
        return _one_line(catalog.text(item), self.title_limit) or quote(item)


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A prompt that fits.

    shown: events of the history that are in it, oldest first.
    n_dropped: how many events of the history are not.
    tokens: of the messages' texts; the marks that a chat format puts around them come on top.
    """

    prompt: Prompt
    shown: tuple[Event, ...]
    n_dropped: int
    tokens: int

    @property
    def n_shown(self) -> int:
        """How many events of the history are in it."""
        return len(self.shown)


def builtin_templates() -> dict[str, Path]:
    """Return name -> file of the templates that come with benchkit."""
    folder = Path(str(resources.files("benchkit") / "lm" / "templates"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_template(name: str | Path) -> Template:
    """Return a template by name or path of a TOML file. Raises ConfigError where it is wrong."""
    if str(name).endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"{path}: no such template file", "give a name or another path")
    else:
        builtin = builtin_templates()
        if name not in builtin:
            raise unknown_name_error("template", str(name), builtin)
        path = builtin[str(name)]
    return validate_model(Template, {"name": path.stem, **read_toml(path)}, str(path))


def render_prompt(
    template: Template,
    request: Request,
    catalog: Catalog,
    *,
    rationale: bool,
    count_tokens: Callable[[str], int],
    budget: int | None = None,
    suffix_key: str = "",
) -> RenderedPrompt:
    """Render the prompt of a request, or of a training prefix written as one.

    budget: tokens that the messages may have. What does not fit is dropped from the history,
        oldest event first; candidates and instruction always stay whole. Events are counted one
        by one, so the history kept can be a few tokens shorter than the longest that would fit.
    suffix_key: makes the keys of several prompts of one case differ.
    Raises DataError when the prompt does not fit even without any history, and ConfigError when
    the template asks for no rationale.
    """
    template.response_format(rationale)  # raises where there is none
    template = template.fit_to_scale(catalog.rating_scale)
    layout = template.history
    recent = layout.select_events(request.history, catalog.rating_scale)
    events = [format_item(layout, template, catalog, event.item, event) for event in recent]
    fixed = {
        "instruction": template.instruction.rationale if rationale else template.instruction.item,
        "candidates": "".join(
            format_item(template.candidates, template, catalog, item) for item in request.candidates
        )
        if template.show_candidates and template.candidates
        else "",
    }

    def messages(history: str) -> tuple[Message, ...]:
        places = {**fixed, "history": history}
        # Places are at the odd positions; texts of items are never searched for places.
        user = "".join(places[p] if i % 2 else p for i, p in enumerate(template.parts))
        system = (Message("system", template.system),) if template.system else ()
        return (*system, Message("user", user))

    def count(texts: Sequence[Message]) -> int:
        return sum(count_tokens(message.content) for message in texts)

    n_shown = len(events)
    built = messages("".join(events) or layout.empty)
    tokens = count(built)
    if budget is not None and tokens > budget:
        # One more than fits by the parts, as the loop takes one away before it looks.
        n_shown = _n_fitting(events, budget - count(messages("")), count_tokens) + 1
        while tokens > budget:  # more than once only if joined texts have more than their parts
            n_shown -= 1
            if n_shown < 0:
                raise _too_long(request, tokens, budget)
            built = messages("".join(events[len(events) - n_shown :]) or layout.empty)
            tokens = count(built)
    prompt = Prompt(request.case_id + suffix_key, built)
    shown = recent[len(recent) - n_shown :]
    return RenderedPrompt(prompt, shown, len(request.history) - n_shown, tokens)


def _n_fitting(events: Sequence[str], room: int, count_tokens: Callable[[str], int]) -> int:
    """Return how many of the last events have at most `room` tokens, counting each at most once."""
    for n_events, event in enumerate(reversed(events)):
        room -= count_tokens(event)
        if room < 0:
            return n_events
    return len(events)


def _too_long(request: Request, tokens: int, budget: int) -> DataError:
    return DataError(
        f"the prompt of case {request.case_id} has {tokens} tokens without any history;"
        f" {budget} are allowed",
        f"allow at least {tokens} tokens, or choose a shorter template (titles) or fewer"
        " candidates",
    )


def format_item(
    layout: ItemLayout, template: Template, catalog: Catalog, item: str, event: Event | None = None
) -> str:
    """Write an item in a layout; fields without a value are left out, and so are those of an event
    if there is none."""
    texts = []
    for field in layout.fields:
        for source in field.sources:
            value = _value(source, template, catalog, item, event)
            text = _one_line(unquote(value or ""), field.limit)
            if text:
                texts.append(field.label + text)
                break
    return layout.between.join(texts) + layout.end


def _value(
    source: str, template: Template, catalog: Catalog, item: str, event: Event | None
) -> str | None:
    if source == "title":
        return template.item_title(catalog, item)
    if source == "item_id":
        return item
    if source not in EVENT_SOURCES:
        return catalog.text(item, source)
    if event is None:
        return None
    if source == "review":
        return event.review
    scale = catalog.rating_scale
    if event.rating is None or scale is None:
        return None
    in_words = source == "rating_word"
    return word_or_number(scale, event.rating) if in_words else scale.number(event.rating)


def _one_line(text: str | None, limit: int | None) -> str:
    """Return a text in one line of at most `limit` characters, with control tokens quoted."""
    return quote(" ".join((text or "").split())[:limit].rstrip())

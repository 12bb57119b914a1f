"""The offline teacher: plain sentences of facts from the catalogue, and a coherence score.

It cannot argue, and what it writes is not what a language model writes: rows trained with it say
so. Sentences are short, for small models have to learn them, and name past choices first, then what
they have in common with the item, then the item, which is the order a model has to think in.
Nothing in a sentence depends on whether the customer took the item: the words are chosen by the
case's key, and the facts by what catalogue and history say.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field

from benchkit import seeds
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.lm.teachers.base import Rationale, TeacherQuestion, TeacherSettings
from benchkit.lm.teachers.coherence import CoherenceScale, CoherenceScorer
from benchkit.lm.teachers.encoder import TextEncoder, item_embedding_texts
from benchkit.lm.teachers.encoder import load_or_encode as stored_vectors
from benchkit.lm.teachers.facts import CatalogFacts, describe_facts, pluralize, shorten_title
from benchkit.lm.teachers.sentence_encoder import MINILM, EncoderSetting, open_encoder
from benchkit.rating_scale import NEUTRAL_STARS
from benchkit.types import Catalog, Event

_MOST_TITLES = 3
_ALL_WORDS = 24  # of the past choices named in one rationale

# {E} past choices, {F} what they share with the item, {I} the item, (one|several) by the number of
# past choices.
_SHARED = (
    "The customer chose {E} before. Like (it|them), {I} has {F}.",
    "{E} (is|are) in the history and (has|have) {F}. The same is true of {I}.",
    "The history has {E}, which (shares|share) {F} with {I}.",
    "(A past choice|Past choices), {E}, (has|have) {F}, and so does {I}.",
)
# One past choice with facts {P}, and an item with other facts {F}.
_APART = (
    "The customer chose {E} before, with {P}. {I} has {F} instead.",
    "{E} is in the history and has {P}. {I} is different, with {F}.",
    "The history has {E}, with {P}. Unlike it, {I} has {F}.",
    "A past choice, {E}, has {P}, whereas {I} has {F}.",
)
# One past choice, where the catalogue does not say enough for more.
_NEAREST = (
    "The customer chose {E} before, of all past choices the closest to {I}.",
    "{E} is in the history, and nothing there is closer to {I}.",
    "Of the titles in the history, {E} is the closest to {I}.",
    "A past choice, {E}, comes closest to {I}.",
)
# The same without the item, which then follows by itself: for models that do not see the
# candidates, and would name one that is none of them.
_BARE_SHARED = (
    "The customer chose {E} before; now again {F}.",
    "{E} (is|are) in the history; once more {F}.",
    "The history has {E}; what comes next shares {F}.",
    "(A past choice|Past choices), {E}, (leads|lead) to {F}.",
)
_BARE_APART = (
    "The customer chose {E} before, with {P}; now {F}.",
    "{E} is in the history and has {P}; next is {F}.",
    "The history has {E}, with {P}; what comes next has {F}.",
    "A past choice, {E}, has {P}; it leads to {F}.",
)
_BARE_NEAREST = (
    "The customer chose {E} before; now something close to it.",
    "{E} is in the history; next is what is closest to it.",
    "The history has {E}; what comes next is close to it.",
    "A past choice, {E}, leads to what is close to it.",
)
_FORMS = {
    True: (_SHARED, _APART, _NEAREST),
    False: (_BARE_SHARED, _BARE_APART, _BARE_NEAREST),
}
_BARE_ALONE = "The history names no other item; now {F}."
_BARE_UNKNOWN = "The history names no other item."
_ALONE = "The history names no other item. {I} has {F}."
_UNKNOWN = "The history names no other item, and nothing more is known of {I}."


@dataclass(frozen=True)
class _CatalogState:
    """What is computed once for a catalogue."""

    catalog: Catalog
    facts: CatalogFacts
    coherence: CoherenceScorer


class TemplateTeacherConfig(TeacherSettings):
    """The offline teacher: facts in plain sentences, scores from sentence similarity."""

    kind: Literal["template"] = "template"
    names_item: bool | None = None
    """Whether a rationale names the item; by default it does where the model that is trained on it
    sees the candidates."""
    scores: Literal["integer", "continuous"] = "integer"
    """Whole scores, as C-APO's teacher gives them, so that items can tie; or unrounded ones, which
    never do."""
    encoder: EncoderSetting = MINILM
    """What the scores are read from: `minilm`, the id of a model of sentence-transformers on the
    Hugging Face hub, or a local folder."""
    device: str = Field(default="cpu", exclude=True)
    """Where another encoder than MiniLM computes; a run sets its own."""


class TemplateTeacher:
    """Rationales and scores without a language model.

    Args:
        cache_dir: Where vectors of item texts are stored; None stores none.
        encoder: MiniLM by default.
        names_item: Whether a rationale names the item, as one to be read by people does.
        scores: Whether coherence scores are rounded to whole numbers.

    Raises:
        ConfigError: The encoder's packages are missing.
    """

    Config = TemplateTeacherConfig

    name = "template"
    caveat = "rationales from the offline template teacher, not from a language model"
    models: tuple[str, ...] = ()

    def __init__(
        self,
        cache_dir: Path | None = None,
        encoder: TextEncoder | None = None,
        names_item: bool = True,
        scores: Literal["integer", "continuous"] = "integer",
    ) -> None:
        self._folder, self._names_item, self._scores = cache_dir, names_item, scores
        self._encoder = open_encoder(MINILM) if encoder is None else encoder
        self._state: _CatalogState | None = None

    @classmethod
    def from_config(
        cls,
        config: TemplateTeacherConfig,
        cache_dir: Path | None,
        make_engine: object,  # noqa: ARG003
    ) -> Self:
        """Build the teacher of a configuration."""
        encoder = open_encoder(config.encoder, config.device)
        return cls(cache_dir, encoder, config.names_item is not False, config.scores)

    def write(self, questions: Sequence[TeacherQuestion], catalog: Catalog) -> Iterator[Rationale]:
        state = self._load_catalog(catalog)
        history: tuple[Event, ...] | None = None
        scale: CoherenceScale | None = None
        for question in questions:
            if question.history is not history:  # the questions of one customer share it
                history = question.history
                codes = [catalog.index[event.item] for event in history]
                scale = state.coherence.scale(codes) if codes else None
            text, evidence = _write_rationale(question, state, self._names_item)
            item = catalog.index[question.item]
            score = None if scale is None else state.coherence.score(scale, item)
            if score is not None and self._scores == "integer":
                score = float(math.floor(score + 0.5))
            meta = {"evidence": [catalog.ids[code] for code in evidence]}
            yield Rationale(question.key, question.item, text, score, "ok", meta)

    def estimate(self, questions: Sequence[TeacherQuestion], catalog: Catalog) -> CostEstimate:  # noqa: ARG002
        return CostEstimate(0, 0, 0, 0.0, 0)

    def _load_catalog(self, catalog: Catalog) -> _CatalogState:
        if self._state is None or self._state.catalog is not catalog:
            rows = stored_vectors(self._encoder, item_embedding_texts(catalog), self._folder)
            self._state = _CatalogState(catalog, CatalogFacts(catalog), CoherenceScorer(rows))
        return self._state


def _write_rationale(
    question: TeacherQuestion, state: _CatalogState, names_item: bool
) -> tuple[str, list[int]]:
    """Return the rationale, and the codes of the past choices in it."""
    catalog, facts = state.catalog, state.facts
    item = catalog.index[question.item]
    draw = seeds.derive("template", question.key)
    pattern, max_titles = draw % len(_SHARED), 1 + (draw >> 32) % _MOST_TITLES
    history = _rank_history(question, state)
    similar = _choices_in_common(item, history, max_titles, state)
    item_facts = facts.of_item(item)
    values = {
        "I": _quote_titles(catalog, [item]),
        "F": describe_facts(item_facts) if item_facts else "",
    }
    shared, apart, nearest = _FORMS[names_item]
    if similar:
        sentence = shared[pattern]
        values["F"] = describe_facts(facts.in_common(item, *similar))
    elif history:
        vectors = state.coherence.vectors
        similar = [max(history, key=lambda code: float(vectors[code] @ vectors[item]))]
        past_facts = facts.of_item(similar[0])
        values["P"] = describe_facts(past_facts) if past_facts else ""
        sentence = apart[pattern] if item_facts and past_facts else nearest[pattern]
    else:
        alone, unknown = (_ALONE, _UNKNOWN) if names_item else (_BARE_ALONE, _BARE_UNKNOWN)
        sentence = alone if item_facts else unknown
    values["E"] = _quote_titles(catalog, similar)
    return _fill(sentence, values, len(similar)), similar


def _rank_history(question: TeacherQuestion, state: _CatalogState) -> list[int]:
    """Return codes of past choices, the most similar to the item first.

    Choices rated low come last. A title occurs once, and the item's title never: that a customer
    returns to an item is true of targets alone.
    """
    catalog, coherence = state.catalog, state.coherence
    item = catalog.index[question.item]
    codes = np.array([catalog.index[event.item] for event in question.history], dtype=np.int64)
    if not len(codes):
        return []
    low = np.array([_is_rated_low(event, catalog) for event in question.history])
    similarity = coherence.vectors[codes] @ coherence.vectors[item]
    order = np.lexsort((-np.arange(len(codes)), -similarity, low))
    seen, history = {shorten_title(_title(catalog, item)).casefold()}, []
    for code in codes[order].tolist():
        title = shorten_title(_title(catalog, code)).casefold()
        if title not in seen and code != item:
            seen.add(title)
            history.append(code)
    return history


def _is_rated_low(event: Event, catalog: Catalog) -> bool:
    """Return whether a choice has fewer than three stars: not named while there are others."""
    scale = catalog.rating_scale
    if event.rating is None or scale is None:
        return False
    return scale.to_stars(event.rating) < NEUTRAL_STARS


def _choices_in_common(
    item: int, history: Sequence[int], max_titles: int, state: _CatalogState
) -> list[int]:
    """Return the first of `history` that all share a fact with the item."""
    choices: list[int] = []
    words = 0
    for code in history:
        length = len(shorten_title(_title(state.catalog, code)).split())
        if choices and words + length > _ALL_WORDS:
            continue
        if state.facts.in_common(item, *choices, code):
            choices.append(code)
            words += length
        if len(choices) == max_titles:
            break
    return choices


def _title(catalog: Catalog, code: int) -> str:
    return catalog.texts["title"][code] or catalog.ids[code]


def _quote_titles(catalog: Catalog, codes: Sequence[int]) -> str:
    titles = [f'"{shorten_title(_title(catalog, code))}"' for code in codes]
    return " and ".join(part for part in (", ".join(titles[:-1]), *titles[-1:]) if part)


def rationale_phrases(catalog: Catalog, most_values: int = 256) -> list[str]:
    """Return what rationales about a catalogue repeat: parts of sentences, and frequent facts."""
    whole = (*_SHARED, *_APART, *_NEAREST, _ALONE, _UNKNOWN)
    bare = (*_BARE_SHARED, *_BARE_APART, *_BARE_NEAREST, _BARE_ALONE, _BARE_UNKNOWN)
    placeholders = {"E": '"\0"', "I": '"\0"', "F": "\0", "P": "\0"}
    phrases: dict[str, None] = {}
    for sentence in (*whole, *bare):
        for number in (1, 2):
            parts = _fill(sentence, placeholders, number).split("\0")
            phrases |= dict.fromkeys(part for part in parts if part)
    facts = CatalogFacts(catalog).most_frequent(most_values)
    phrases |= dict.fromkeys(('", "', '" and "', " and "))
    for noun in dict.fromkeys(fact.noun for fact in facts):
        phrases |= dict.fromkeys((f"the {noun} ", f"the {pluralize(noun)} "))
    return list(phrases | dict.fromkeys(fact.value for fact in facts))


def _fill(sentence: str, values: dict[str, str], number: int) -> str:
    """Choose the forms of a sentence by number, and fill its placeholders."""
    text = re.sub(r"\(([^|()]*)\|([^|()]*)\)", r"\1" if number == 1 else r"\2", sentence)
    return re.sub(r"\{([EFIP])\}", lambda match: values[match[1]], text)

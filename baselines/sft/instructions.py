"""InstructRec's instructions: combinations of a preference, an intention and a task form."""

from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Literal, NamedTuple, get_args

import numpy as np

from benchkit.lm.prompts import Template
from benchkit.lm.teachers.facts import CatalogFacts, ItemFact, describe_facts
from benchkit.types import Catalog, Event

PreferenceKind = Literal["none", "implicit", "explicit"]
IntentionKind = Literal["none", "vague", "specific"]
InstructionForm = Literal["pointwise", "pairwise", "matching", "reranking"]


class InstructionKind(NamedTuple):
    """One cell of the grid."""

    preference: PreferenceKind
    intention: IntentionKind
    form: InstructionForm


INSTRUCTION_GRID = tuple(
    InstructionKind(*cell)
    for cell in product(
        get_args(PreferenceKind), get_args(IntentionKind), get_args(InstructionForm)
    )
)
EVALUATED_INSTRUCTION = InstructionKind("implicit", "none", "reranking")


class InstructionWording(NamedTuple):
    """The words around the texts of users and items; reranking None uses the template's."""

    history: str
    candidates: str
    explicit: str
    vague: str
    specific: str
    pointwise: str
    pairwise: str
    matching: str
    reranking: str | None


LONG_INSTRUCTIONS = InstructionWording(
    history="The user chose these items, oldest first:\n{history}\n",
    candidates="Candidates:\n{candidates}\n",
    explicit="The user likes {text}.\n",
    vague="This time the user wants something with {text}.\n",
    specific='The user says of the item that is wanted: "{text}"\n',
    pointwise="Does the user choose {first} next? Answer Yes or No.",
    pairwise="Which does the user choose next: {first}, or {second}? Answer with its title alone.",
    matching="Which item does the user choose next? Answer with its title alone.",
    reranking=None,
)
# For small models: words that they must learn cost more than they contribute. No candidates are
# listed, so that matching and reranking are the same task: to continue with a title.
SHORT_INSTRUCTIONS = InstructionWording(
    history="{history}",
    candidates="",
    explicit="Likes {text}\n",
    vague="Wants {text}\n",
    specific="Says {text}\n",
    pointwise="{first}?\n",
    pairwise="{first} or {second}?\n",
    matching="",
    reranking="",
)


def instruction_template(
    base: Template,
    wording: InstructionWording,
    kind: InstructionKind,
    preference: str = "",
    intention: str = "",
    titles: Sequence[str] = (),
) -> Template:
    """Return the prompt of one instruction; the history is shown if the preference is implicit.

    Args:
        base: Template of the evaluated instruction, for which it is returned unchanged; its title
            limit, item layouts and response apply to all.
        wording: The words around the texts.
        kind: The combination.
        preference: Text of an explicit preference.
        intention: Text of an intention.
        titles: Of the item asked about, or of the pair.
    """
    if kind == EVALUATED_INSTRUCTION:
        return base
    instruction = _task(base, wording, kind, titles)
    if kind.intention != "none":
        instruction = getattr(wording, kind.intention).format(text=intention) + instruction
    if kind.preference == "explicit":
        instruction = wording.explicit.format(text=preference) + instruction
    layout = base.history.model_dump()
    if kind.preference != "implicit":
        layout["empty"] = ""
    show_candidates = kind.form == "reranking" and base.show_candidates and bool(wording.candidates)
    history = wording.history if kind.preference == "implicit" else "{history}"
    return Template.model_validate(
        {
            **base.model_dump(),
            "user": history + (wording.candidates if show_candidates else "") + "{instruction}",
            "show_candidates": show_candidates,
            "history": layout,
            # Texts of users and items are part of the instruction, in which no placeholders are
            # replaced: a title may have braces.
            "instruction": {"item": instruction},
        }
    )


def _task(
    base: Template, wording: InstructionWording, kind: InstructionKind, titles: Sequence[str]
) -> str:
    """Return the request at the end of an instruction."""
    if kind.form == "reranking":
        return base.instruction.item if wording.reranking is None else wording.reranking
    places = dict(zip(("first", "second"), titles, strict=False))
    return str(getattr(wording, kind.form).format(**places))


def informative_pairs(
    preferences: Sequence[PreferenceKind], intentions: Sequence[IntentionKind]
) -> list[tuple[PreferenceKind, IntentionKind]]:
    """List the pairs of a preference and an intention that say anything about a user."""
    return [pair for pair in product(preferences, intentions) if pair != ("none", "none")]


def explicit_preference(
    history: Sequence[Event], facts: CatalogFacts, catalog: Catalog
) -> str | None:
    """Describe the two facts that most items of a history share; None if nothing is known."""
    counts: Counter[ItemFact] = Counter()
    for event in reversed(history):  # of equally frequent facts, the newest item's come first
        counts.update(facts.of_item(catalog.index[event.item]))
    most = [fact for fact, _ in counts.most_common(2)]
    return describe_facts(most) if most else None


def vague_intention(item: str, title: str, facts: CatalogFacts, catalog: Catalog) -> str | None:
    """Describe a fact of the target item without its title; None if nothing is known."""
    usable = (fact for fact in facts.of_item(catalog.index[item]) if not _names(fact.value, title))
    first = next(usable, None)
    return describe_facts([first]) if first else None


def specific_intention(review: str | None, title: str, words: int = 25) -> str | None:
    """Return the beginning of the user's review of the target; None if it names the item."""
    text = " ".join((review or "").split()[:words])
    return text if text and not _names(text, title) else None


def draw_balanced_flags(rng: np.random.Generator, count: int) -> list[bool]:
    """Draw `count` flags in random order, half of them true (rounded down)."""
    return [bool(x) for x in rng.permutation(np.arange(count) % 2)]


def _names(text: str, title: str) -> bool:
    return title.casefold() in text.casefold()

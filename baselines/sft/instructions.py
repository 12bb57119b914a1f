"""InstructRec's grid of instructions, and the texts about a user that they are made from."""

from collections.abc import Sequence
from itertools import product
from typing import Literal, NamedTuple, get_args

import numpy as np

from baselines.user_facts import frequent_facts
from benchkit.lm.teachers.facts import CatalogFacts, describe_facts
from benchkit.types import Catalog, Event

PreferenceKind = Literal["none", "implicit", "explicit"]
IntentionKind = Literal["none", "vague", "specific"]
InstructionForm = Literal["pointwise", "pairwise", "matching", "reranking"]


class InstructionKind(NamedTuple):
    """One cell of the grid."""

    preference: PreferenceKind
    intention: IntentionKind
    form: InstructionForm


EVALUATED_INSTRUCTION = InstructionKind("implicit", "none", "reranking")


def informative_pairs(
    preferences: Sequence[PreferenceKind], intentions: Sequence[IntentionKind]
) -> list[tuple[PreferenceKind, IntentionKind]]:
    """List the pairs of a preference and an intention that say anything about a user."""
    return [pair for pair in product(preferences, intentions) if pair != ("none", "none")]


# The 32 cells that say anything; the paper uses no instruction without preference and intention.
INSTRUCTION_GRID = tuple(
    InstructionKind(*pair, form)
    for pair in informative_pairs(get_args(PreferenceKind), get_args(IntentionKind))
    for form in get_args(InstructionForm)
)


def explicit_preference(
    history: Sequence[Event], facts: CatalogFacts, catalog: Catalog
) -> str | None:
    """Describe the two facts that most items of a history share; None if nothing is known."""
    return frequent_facts(history, facts, catalog)


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

"""What a history says of its user, in words: for prompts that describe a person."""

from collections import Counter
from collections.abc import Sequence

from benchkit.lm.prompts import Template
from benchkit.lm.teachers.facts import CatalogFacts, ItemFact, describe_facts
from benchkit.lm.tokens.control_tokens import quote
from benchkit.rating_scale import DISLIKED_STARS, LIKED_STARS
from benchkit.types import Catalog, Event

_TITLES = 3  # of the best and of the worst rated items


def frequent_facts(history: Sequence[Event], facts: CatalogFacts, catalog: Catalog) -> str | None:
    """Describe the two facts that most items of a history share; None if nothing is known."""
    counts: Counter[ItemFact] = Counter()
    for event in reversed(history):  # of equally frequent facts, the newest item's come first
        counts.update(facts.of_item(catalog.index[event.item]))
    most = [fact for fact, _ in counts.most_common(2)]
    return describe_facts(most) if most else None


def describe_user(
    history: Sequence[Event], facts: CatalogFacts, catalog: Catalog, titles: Template
) -> str:
    """Write a user's profile, a line for each thing that is known; '' for an empty history.

    It has the number of choices and their mean rating, what they have in common, and the newest of
    the items rated high and low. Control tokens are quoted.
    """
    if not history:
        return ""
    scale = catalog.rating_scale
    ratings = [event.rating for event in history if event.rating is not None]
    lines = [f"choices so far: {len(history)}"]
    if scale is not None and ratings:
        lines[0] += f", rated {scale.number(round(sum(ratings) / len(ratings), 1))} on average"
        stars = [None if e.rating is None else scale.to_stars(e.rating) for e in history]
        pairs = list(zip(history, stars, strict=True))
        high = [event for event, star in pairs if star is not None and star >= LIKED_STARS]
        low = [event for event, star in pairs if star is not None and star <= DISLIKED_STARS]
    else:
        high, low = [], []
    if common := frequent_facts(history, facts, catalog):
        lines.append(f"most often: {quote(common)}")
    for label, events in (("rated high", high), ("rated low", low)):
        newest = [titles.item_title(catalog, event.item) for event in events[: -_TITLES - 1 : -1]]
        if newest:
            lines.append(f"{label}: {'; '.join(newest)}")
    return "".join(f"{line}\n" for line in lines)

"""What a method knew of a request, and which items its rationale names out of nowhere."""

from collections.abc import Mapping
from typing import NamedTuple

from benchkit.judging.item_mentions import TitleIndex
from benchkit.types import Catalog, Request


class RecommendationContext(NamedTuple):
    """A request and its answer, as codes of the catalogue; items that it lacks are left out."""

    item: int | None
    """The recommended item; None for nothing."""
    history: Mapping[int, float | None]
    """Each item once, with its last rating or None."""
    candidates: frozenset[int]
    texts: tuple[str, ...]
    """What the catalogue and the user's reviews say of history and item."""


def recommendation_context(
    request: Request, item: str | None, catalog: Catalog
) -> RecommendationContext:
    """Return what a method knows when it recommends `item`."""
    codes = catalog.index
    recommended = None if item is None else codes.get(item)
    events = [event for event in request.history if event.item in codes]
    history = {codes[event.item]: event.rating for event in events}
    about = [*([] if recommended is None else [recommended]), *history]
    texts = [column[code] for code in about for column in catalog.texts.values()]
    return RecommendationContext(
        recommended,
        history,
        frozenset(codes[name] for name in request.candidates if name in codes),
        tuple(text for text in (*texts, *(event.review for event in events)) if text),
    )


def count_hallucinated_items(
    rationale: str, context: RecommendationContext, index: TitleIndex
) -> int:
    """Count the names of catalogue items in a rationale that the method was not shown.

    Those are neither of the history nor of a candidate, nor in the texts of history and item.

    >>> catalog = Catalog(("a", "b"), {"title": ["Green Tea Leaves", "Old Pale Ale"]})
    >>> context = recommendation_context(Request("test:u", "u", (), ("a",)), "a", catalog)
    >>> rationale = "Green Tea Leaves are like Old Pale Ale."
    >>> count_hallucinated_items(rationale, context, TitleIndex(catalog))
    1
    """
    about = {*context.history, *([] if context.item is None else [context.item])}
    mentions = index.find_mentions(rationale, about)
    return len(index.classify_mentions(mentions, *context).outside)

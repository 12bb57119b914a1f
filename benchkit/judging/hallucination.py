"""What a method was shown of a question, and which items its rationale names out of nowhere."""

from collections.abc import Mapping
from typing import NamedTuple

from benchkit.judging.item_mentions import TitleIndex
from benchkit.types import Catalog, Request


class RecommendationContext(NamedTuple):
    """A question and the answer to it, as codes of the catalogue; items that it lacks are left out.

    item: what was recommended, None for nothing. history: each item once, with its last rating or
    None. texts: what the catalogue and the user's reviews say of history and item.
    """

    item: int | None
    history: Mapping[int, float | None]
    candidates: frozenset[int]
    texts: tuple[str, ...]


def recommendation_context(
    request: Request, item: str | None, catalog: Catalog
) -> RecommendationContext:
    """What a method knows when it recommends `item`."""
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
    rationale: str, shown: RecommendationContext, index: TitleIndex
) -> int:
    """How many names of catalogue items a rationale holds that the method was not shown: neither
    of the history nor of a candidate, nor standing in the texts of history and item.

    >>> catalog = Catalog(("a", "b"), {"title": ["Green Tea Leaves", "Old Pale Ale"]})
    >>> shown = recommendation_context(Request("test:u", "u", (), ("a",)), "a", catalog)
    >>> count_hallucinated_items("Green Tea Leaves are like Old Pale Ale.", shown, TitleIndex(catalog))
    1
    """
    about = {*shown.history, *([] if shown.item is None else [shown.item])}
    mentions = index.find_mentions(rationale, about)
    return len(index.classify_mentions(mentions, *shown).outside)

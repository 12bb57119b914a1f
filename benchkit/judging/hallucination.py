"""What a method was shown of a question, and which items its rationale names out of nowhere."""

from collections.abc import Mapping
from typing import NamedTuple

from benchkit.judging.named_items import TitleIndex
from benchkit.protocols import Catalog, Request


class Known(NamedTuple):
    """A question and the answer to it, as codes of the catalogue; items that it lacks are left out.

    item: what was recommended, None for nothing. history: each item once, with its last rating or
    None. texts: what the catalogue and the user's reviews say of history and item.
    """

    item: int | None
    history: Mapping[int, float | None]
    candidates: frozenset[int]
    texts: tuple[str, ...]


def known(request: Request, item: str | None, catalog: Catalog) -> Known:
    """What a method knows when it recommends `item`."""
    codes = catalog.index
    recommended = None if item is None else codes.get(item)
    events = [event for event in request.history if event.item in codes]
    history = {codes[event.item]: event.rating for event in events}
    about = [*([] if recommended is None else [recommended]), *history]
    texts = [column[code] for code in about for column in catalog.texts.values()]
    return Known(
        recommended,
        history,
        frozenset(codes[name] for name in request.candidates if name in codes),
        tuple(text for text in (*texts, *(event.review for event in events)) if text),
    )


def named_outside(rationale: str, shown: Known, index: TitleIndex) -> int:
    """How many names of catalogue items a rationale holds that the method was not shown: neither
    of the history nor of a candidate, nor standing in the texts of history and item.

    >>> catalog = Catalog(("a", "b"), {"title": ["Green Tea Leaves", "Old Pale Ale"]})
    >>> shown = known(Request("test:u", "u", (), ("a",)), "a", catalog)
    >>> named_outside("Green Tea Leaves are like Old Pale Ale.", shown, TitleIndex(catalog))
    1
    """
    about = {*shown.history, *([] if shown.item is None else [shown.item])}
    mentions = index.find(rationale, about)
    return len(index.sorted_out(mentions, *shown).outside)

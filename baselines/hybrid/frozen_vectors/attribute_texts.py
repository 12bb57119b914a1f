"""Items as texts of attributes: "title is Alien (1979); genres is Horror Sci-Fi"."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchkit.lm.prompts import Template
from benchkit.lm.tokenization import text_ids
from benchkit.lm.tokens.control_tokens import quote
from benchkit.types import Catalog


def item_attributes(catalog: Catalog, template: Template) -> list[list[str]]:
    """Return each item's attributes as texts, the title first; columns without a value are absent.

    Args:
        catalog: The items and their columns of text.
        template: Shortens the titles.
    """
    columns = sorted(catalog.texts.keys() - {"title"})
    rows = []
    for code, item in enumerate(catalog.ids):
        attributes = [f"title is {template.item_title(catalog, item)}"]
        for column in columns:
            value = " ".join((catalog.texts[column][code] or "").split())
            if value:
                attributes.append(f"{column} is {quote(value)}")
        rows.append(attributes)
    return rows


@dataclass(frozen=True)
class ItemTexts:
    """The attributes of items as token ids, each tokenised apart."""

    attributes: Sequence[Sequence[tuple[int, ...]]]
    """[n_items], then [attributes], the ids of one attribute."""
    end: tuple[int, ...]
    """The end of a text; () for a tokenizer without one."""
    limit: int
    """Longest text in tokens, its end included."""
    start: tuple[int, ...] = ()
    """What each text begins with."""

    def __len__(self) -> int:
        return len(self.attributes)

    def ids(self, item: int, order: Sequence[int] | None = None) -> tuple[int, ...]:
        """Return the ids of an item's text: the attributes numbered `order`, or all of them.

        >>> texts = ItemTexts((((5, 6), (7,)),), end=(2,), limit=9)
        >>> texts.ids(0), texts.ids(0, [1]), ItemTexts(texts.attributes, (2,), limit=3).ids(0)
        ((5, 6, 7, 2), (7, 2), (5, 6, 2))
        """
        attributes = self.attributes[item]
        numbers = range(len(attributes)) if order is None else order
        ids = [*self.start, *(i for number in numbers for i in attributes[number])]
        return (*ids[: max(1, self.limit - len(self.end))], *self.end)


def tokenize_items(
    catalog: Catalog, template: Template, tokenizer: Any, limit: int, instruction: str = ""
) -> ItemTexts:
    """Return the texts of a catalogue's items as token ids.

    Args:
        catalog: The items.
        template: Shortens the titles.
        tokenizer: Of `transformers`.
        limit: Longest text in tokens.
        instruction: What each text begins with.
    """
    eos = tokenizer.eos_token_id
    rows = [
        tuple(tuple(text_ids(tokenizer, f"{attribute}; ")) for attribute in attributes)
        for attributes in item_attributes(catalog, template)
    ]
    start = tuple(text_ids(tokenizer, instruction))
    return ItemTexts(rows, () if eos is None else (int(eos),), limit, start)

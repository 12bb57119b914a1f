"""Prompts that ask for a numbered list of so many items, made from any template of one item."""

from dataclasses import dataclass

from benchkit.lm.prompts import Template


@dataclass(frozen=True)
class ListWording:
    """The words around history and candidates."""

    history: str
    candidates: str
    count: str
    """The request; {count} is the number of items."""
    wanted: str
    """What the items should have."""
    unwanted: str
    """What the items should not have."""


LONG_LISTS = ListWording(
    history="The user chose these items, oldest first:\n{history}\n",
    candidates="Candidates:\n{candidates}\n",
    count="List {count} items that this user would choose next, the best first. Write a numbered"
    " list of their titles and nothing else.",
    wanted="All of them should have {fact}. ",
    unwanted="None of them should have {fact}. ",
)
# For small models: words that they must learn cost more than they contribute.
SHORT_LISTS = ListWording(
    history="{history}",
    candidates="Of\n{candidates}",
    count="Top {count}:\n",
    wanted="With {fact}\n",
    unwanted="Without {fact}\n",
)
_PLAIN_ITEMS = {"fields": [{"sources": ["title"]}], "end": "\n"}


def list_template(
    base: Template, wording: ListWording, count: int, listed: bool, wish: str = ""
) -> Template:
    """Return the prompt that asks for a list.

    Args:
        base: Gives system text, layout of items and limit of titles.
        wording: The words.
        count: Number of items that are asked for.
        listed: Whether candidates are shown.
        wish: A further sentence, before the request.
    """
    values = base.model_dump()
    if listed and values["candidates"] is None:
        values["candidates"] = _PLAIN_ITEMS
    return Template.model_validate(
        {
            **values,
            "user": wording.history + (wording.candidates if listed else "") + "{instruction}",
            "show_candidates": listed,
            # A title in the wish may have braces: instructions are never searched for places.
            "instruction": {"item": wish + wording.count.format(count=count)},
            "response": {"item": "numbered-list"},
        }
    )

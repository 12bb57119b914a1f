"""Items as texts of several fields, and examples in which a history is followed by such a text."""

from typing import Any

from benchkit.errors import DataError
from benchkit.lm.prompts import Template, format_item
from benchkit.lm.teachers.questions import events_before, last_interactions
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.examples import Example
from benchkit.types import Catalog, Request, TrainView


def item_text(template: Template, catalog: Catalog, item: str) -> str:
    """Write an item as the template's histories do, without what it knows of the event."""
    return format_item(template.history, template, catalog, item).removesuffix(template.history.end)


def start_ids(tokenizer: Any) -> tuple[int, ...]:
    """Return the tokens before a text that stands alone: the tokenizer's first one, if any."""
    return () if tokenizer.bos_token_id is None else (tokenizer.bos_token_id,)


def item_text_examples(
    builder: ExampleBuilder,
    data: TrainView,
    per_user: int,
    limit: int | None = None,
    domain: tuple[str, str] | None = None,
) -> list[Example]:
    """Return histories with the text of the item that comes next.

    Args:
        builder: Writes prompts as the method is asked later.
        data: Training interactions.
        per_user: The last so many interactions of each user.
        limit: Only so many users, chosen by a hash; None for all.
        domain: Column and text that the next item must have; None for all items.

    Raises:
        DataError: No interaction is in the domain.
    """
    interactions, catalog = data.interactions, data.catalog
    column, text = domain or ("", "")
    examples = []
    for user, row in last_interactions(data, per_user, limit):
        item = catalog.ids[int(interactions.item[row])]
        if domain and text.casefold() not in (catalog.text(item, column) or "").casefold():
            continue
        # An event has at least a token: older ones could not be in the prompt.
        history = events_before(data, user, row)[-(builder.prompt_tokens or 0) :]
        request = Request(f"{data.users[user]}:{row}", data.users[user], history, ())
        response, _ = builder.join([item_text(builder.template, catalog, item)])
        examples.append(Example(builder.prompt(request), response, key=request.case_id))
    if not examples:
        where = f"with {text!r} in the column {column!r}" if domain else "with one before it"
        raise DataError(
            f"no training interaction is of an item {where}",
            "choose another domain, or none to train on all",
        )
    return examples

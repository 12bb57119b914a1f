"""Tasks about single items, which teach a model what the items of a catalogue are."""

from collections.abc import Sequence

from benchkit.lm.tokenization import prompt_ids
from benchkit.lm.tokens.control_tokens import quote
from benchkit.lm.types import Message, Prompt
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.examples import Example
from benchkit.types import Catalog

_COLUMNS = ("description", "details", "features", "genres", "tags", "style", "categories")
_CHARACTERS = 200  # of an item's text


def item_descriptions(catalog: Catalog) -> list[str]:
    """Return [n_items] texts besides the titles, one line each; empty if there is none."""
    columns = [catalog.texts[column] for column in _COLUMNS if column in catalog.texts]
    descriptions = []
    for code in range(len(catalog)):
        texts = (" ".join((column[code] or "").split()) for column in columns)
        descriptions.append(next((text[:_CHARACTERS].rstrip() for text in texts if text), ""))
    return descriptions


def description_example(builder: ExampleBuilder, item: str, description: str) -> Example:
    """Return an example that asks for an item's description, given its title."""
    title = builder.template.item_title(builder.catalog, item)
    question = Prompt(item, (Message("user", f"Describe this:\n{title}\n"),))
    prompt = tuple(prompt_ids(builder.tokenizer, question))
    return pieces_example(builder, prompt, (quote(description),), item)


def pieces_example(
    builder: ExampleBuilder, prompt: tuple[int, ...], pieces: Sequence[str], key: str
) -> Example:
    """Return an example whose answer is joined from pieces."""
    return Example(prompt, builder.join(pieces)[0], key=key)

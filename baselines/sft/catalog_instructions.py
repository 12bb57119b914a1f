"""General instructions for TALLRec's first stage: from a file, or about the catalogue's items."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchkit.errors import DataError
from benchkit.lm.prompts import Template
from benchkit.lm.teachers.facts import CatalogFacts, describe_facts
from benchkit.lm.tokenization import prompt_ids
from benchkit.lm.tokens.control_tokens import quote
from benchkit.lm.types import Message, Prompt
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.examples import Example
from benchkit.types import Catalog, RunContext


class Instruction(NamedTuple):
    """A task, what it is about, and its answer."""

    task: str
    about: str
    answer: str


def load_instructions(source: str, builder: ExampleBuilder, run: RunContext) -> list[Instruction]:
    """Return the instructions of the catalogue, if `source` is that word, or those of a file.

    A catalogue without any text but titles gives none.
    """
    if source != "catalog":
        return read_instructions(Path(source))
    rng = run.generator("catalog instructions")
    return list(catalog_instructions(builder.catalog, builder.template, rng))


def read_instructions(path: Path) -> list[Instruction]:
    """Read a JSON list of objects with `instruction`, `input` (may be empty) and `output`.

    This is the form in which Stanford Alpaca was published. Control tokens are quoted.

    Raises:
        DataError: The file is unreadable or has another form.
    """
    hint = "give a JSON list of objects with instruction, input and output"
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        texts = [(row["instruction"], row.get("input", ""), row["output"]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: no instructions can be read from it: {error}", hint) from error
    if not all(isinstance(text, str) for row in texts for text in row):
        raise DataError(f"{path}: an instruction has a part that is not a text", hint)
    usable = [Instruction(*map(quote, row)) for row in texts if row[0].strip() and row[2].strip()]
    if not usable:
        raise DataError(f"{path}: it holds no instruction with an answer", hint)
    return usable


def catalog_instructions(
    catalog: Catalog, titles: Template, rng: np.random.Generator
) -> Iterator[Instruction]:
    """Yield tasks about items with known facts: to describe one, and to find one of two.

    Nothing in them comes from a user.
    """
    facts = CatalogFacts(catalog)
    known = [code for code in range(len(catalog)) if facts.of_item(code)]
    for code in known:
        title = titles.item_title(catalog, catalog.ids[code])
        text = quote(describe_facts(facts.of_item(code)))
        yield Instruction("Describe this.", title, text)
        other = int(rng.choice(known))
        if not set(facts.of_item(code)) & set(facts.of_item(other)):
            second = titles.item_title(catalog, catalog.ids[other])
            pair = [title, second] if rng.random() < 0.5 else [second, title]
            yield Instruction(f"Which has {text}?", "\n".join(pair), title)


def instruction_examples(
    instructions: list[Instruction], builder: ExampleBuilder, max_length: int
) -> list[Example]:
    """Write instructions as examples; those that are longer than `max_length` are left out."""
    examples = []
    for number, (task, about, answer) in enumerate(instructions):
        text = f"{task}\n{about}\n" if about else f"{task}\n"
        key = f"instruction {number}"
        prompt = prompt_ids(builder.tokenizer, Prompt(key, (Message("user", text),)))
        example = Example(tuple(prompt), builder.join((answer,))[0], key=key)
        if len(example) <= max_length:
            examples.append(example)
    return examples

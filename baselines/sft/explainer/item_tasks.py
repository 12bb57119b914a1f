"""RecExplainer's tasks about items: what they are called, what they are about, what is similar."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from baselines import list_answers
from baselines.sft.catalog_instructions import instruction_examples, read_instructions
from baselines.sft.explainer.expert_vectors import AlignedBuilder
from baselines.sft.explainer.task_mixture import TaskMixture, is_selected
from benchkit.lm.injection.soft_prompts import PLACEHOLDER
from benchkit.lm.tokens.control_tokens import quote
from benchkit.training.core.examples import Example
from benchkit.training.core.item_tasks import item_descriptions, pieces_example
from benchkit.types import RunContext

_SIMILAR = 3  # items of a list


@dataclass(frozen=True)
class ItemTasks:
    """Write the examples about the items of a catalogue."""

    builder: AlignedBuilder
    run: RunContext
    vectors: NDArray[np.float32] | None
    """[n_items, d] of the expert; None if it has none."""

    def examples(self, mixture: TaskMixture, max_length: int) -> Iterator[Example]:
        """Yield the examples of all tasks, and general dialogues of at most `max_length` tokens."""
        descriptions = item_descriptions(self.builder.catalog)
        count = {text: descriptions.count(text) for text in set(descriptions)}
        unique = [text if text and count[text] == 1 else "" for text in descriptions]
        writers: Mapping[str, Callable[[int], Example | None]] = {
            "describe": lambda code: self.describe(code, descriptions[code]),
            "name": self.name,
            "find": lambda code: self.find(code, unique[code]),
            "similar": self.similar,
        }
        for code, item in enumerate(self.builder.catalog.ids):
            for task, write in writers.items():
                share = getattr(mixture, task)
                for draw in range(int(np.ceil(share))):
                    if is_selected(self.run, task, f"{item}#{draw}", share - draw):
                        example = write(code)
                        if example is not None:
                            yield example
        if mixture.dialogues is not None:
            tasks = read_instructions(mixture.dialogues)
            yield from instruction_examples(tasks, self.builder, max_length)

    def describe(self, code: int, description: str) -> Example | None:
        """Ask for an item's text; None if it has none."""
        if not description:
            return None
        return self._about_item("Describe this:", code, (quote(description),))

    def name(self, code: int) -> Example | None:
        """Ask which item a vector is of; None if there are no vectors in prompts."""
        if self.builder.alignment == "behaviour":
            return None
        return self._about_item("Name this:", code, (self._title(code),))

    def find(self, code: int, description: str) -> Example | None:
        """Ask for the title of the item with a text; None without one."""
        if not description:
            return None
        prompt = self.builder.ask(f"What is this?\n{quote(description)}\n")
        return self._example(prompt, (self._title(code),), code)

    def similar(self, code: int) -> Example | None:
        """Ask for the items whose vectors have the highest cosine with an item's."""
        if self.vectors is None:
            return None
        lengths = np.linalg.norm(self.vectors, axis=1)
        products = self.vectors @ self.vectors[code] / np.maximum(lengths, 1e-9)
        products[code] = -np.inf
        best = np.argsort(-products, kind="stable")[: min(_SIMILAR, len(products) - 1)]
        titles = [self._title(int(other)) for other in best]
        return self._about_item("Similar to this:", code, list_answers.list_pieces(titles))

    def _about_item(self, task: str, code: int, pieces: tuple[str, ...]) -> Example | None:
        """Ask about an item by its title; by its vector, where there are vectors."""
        if not pieces:
            return None
        if self.builder.alignment == "behaviour":
            prompt = self.builder.ask(f"{task}\n{self._title(code)}\n")
        else:
            prompt = self.builder.ask(f"{task}\n{PLACEHOLDER}\n", (code,))
        return self._example(prompt, pieces, code)

    def _title(self, code: int) -> str:
        catalog = self.builder.catalog
        return self.builder.template.item_title(catalog, catalog.ids[code])

    def _example(self, prompt: tuple[int, ...], pieces: tuple[str, ...], code: int) -> Example:
        return pieces_example(self.builder, prompt, pieces, self.builder.catalog.ids[code])

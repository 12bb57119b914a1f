"""Training examples whose prompts have vectors of items."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchkit.lm.injection.soft_prompts import fill_placeholders, render_soft_prompt
from benchkit.lm.tokenization import prompt_ids, text_ids
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.types import Request


@dataclass(frozen=True)
class SoftExampleBuilder(ExampleBuilder):
    """Writes prompts with the ids of items behind their titles."""

    placeholder: int = -1
    """Token id of the placeholder."""
    index: Mapping[str, int] = field(default_factory=dict)
    """Code of each item that has a vector."""

    def prompt(self, request: Request, rationale: bool = False) -> tuple[int, ...]:
        prompt = render_soft_prompt(
            self.template,
            request,
            self.catalog,
            self.index,
            lambda text: len(text_ids(self.tokenizer, text)),
            self.prompt_tokens,
        )
        ids = prompt_ids(self.tokenizer, prompt)
        return tuple(fill_placeholders(ids, self.placeholder, prompt.codes))

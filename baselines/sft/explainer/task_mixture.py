"""How many examples RecExplainer has of each of its tasks."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat, computed_field

from benchkit.fingerprint import hash_file
from benchkit.types import RunContext


class TaskMixture(BaseModel):
    """Number of examples of each task, per user or per item.

    Further examples of a user are of histories without their last events.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    next_item: PositiveFloat = 1.0
    """Per user: which item does the expert rank first?"""
    rank: NonNegativeFloat = 0.5
    """Per user: five unseen items in the expert's order."""
    interest: NonNegativeFloat = 0.5
    """Per user: is an item in the top tenth of the expert's ranking (Yes) or in its lower half?"""
    reconstruct: NonNegativeFloat = 0.25
    """Per user: the last items of the history from the user's vector; none without vectors."""
    summarize: NonNegativeFloat = 0.25
    """Per user: a profile from the history."""
    describe: NonNegativeFloat = 0.25
    """Per item: its text, from its title or its vector."""
    name: NonNegativeFloat = 0.5
    """Per item: its title from its vector; none without vectors."""
    find: NonNegativeFloat = 0.25
    """Per item: its title from a text that no other item has."""
    similar: NonNegativeFloat = 0.25
    """Per item: those with the most similar vectors, if the expert has vectors."""
    dialogues: Path | None = None
    """General instructions with answers to mix in, in Alpaca's form."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def dialogues_hash(self) -> str:
        """Return a hash of the dialogues' file, which is part of a run's identity."""
        return "" if self.dialogues is None else hash_file(self.dialogues) or ""


def is_selected(run: RunContext, task: str, key: str, share: float) -> bool:
    """Draw whether a user or an item has an example of a task."""
    return share >= 1 or bool(run.generator("mixture", task, key).random() < share)

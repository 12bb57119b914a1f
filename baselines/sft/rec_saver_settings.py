"""Settings of Rec-SAVER: who writes the rationales, and how a small model learns to."""

from typing import Any, Literal

from pydantic import PositiveFloat, PositiveInt

from benchkit.training.core.config import TrainConfig
from benchkit.training.core.fine_tuning_config import FineTunedConfig

_FIRST = {"purpose": "warm-up", "epochs": 8}


class RecSaverConfig(FineTunedConfig):
    """Settings of Rec-SAVER."""

    author: Literal["self", "teacher"] = "self"
    """Who writes the rationales to verify: the backbone, or the teacher."""
    per_user: PositiveInt = 3
    """Rationales per user. A teacher is asked under the keys `user#0`, `user#1`, ...; a language
    model as the teacher writes different ones only above temperature 0."""
    temperature: PositiveFloat = 0.7
    """At which the backbone writes rationales."""
    warm_up: bool | None = None
    """First teach the backbone to write and to use rationales, by the teacher's about the items
    before the last ones; None: for nano only."""
    first: TrainConfig = TrainConfig()
    """The training of the warm-up."""
    unverified: Literal["drop", "item-only"] = "drop"
    """Leave out users without a verified rationale, or train on their item alone."""
    item_weight: PositiveFloat = 1.0
    """Weight of the item's tokens in the loss, which a rationale's would outnumber."""

    @property
    def is_warmed_up(self) -> bool:
        """Whether there is a warm-up."""
        return self.is_nano if self.warm_up is None else self.warm_up

    @property
    def needs_teacher(self) -> bool:
        """Whether a teacher's rationales are used at all."""
        return self.is_warmed_up or self.author == "teacher"

    @property
    def author_caveat(self) -> str:
        """Who wrote the rationales, as a caveat."""
        if self.author == "teacher":
            return "rationales kept where the backbone infers the item from them"
        source = ", having learnt how from the teacher's" if self.is_warmed_up else ""
        return f"rationales written and verified by the backbone itself{source}"

    @property
    def first_defaults(self) -> dict[str, Any]:
        """Defaults of the warm-up."""
        return _FIRST

    @property
    def second_defaults(self) -> dict[str, Any]:
        """Defaults of the training that follows a warm-up: the form is known by then."""
        return {"epochs": 4}

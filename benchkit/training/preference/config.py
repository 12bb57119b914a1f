"""Settings of preference methods."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import PositiveInt

from benchkit.lm.config import ShownHistoryConfig
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.fine_tuning_config import NextItemConfig
from benchkit.training.preference.examples import TiePolicy

# Settings that apply where a suite sets none: training continues from the fine-tuned model in
# small steps.
NANO_PREFERENCE_DEFAULTS: Mapping[str, Any] = {
    "purpose": "preference", "epochs": 2, "learning_rate": 1e-4,
}  # fmt: skip
PREFERENCE_DEFAULTS: Mapping[str, Any] = {"purpose": "preference", "epochs": 3}


class PreferenceConfig(NextItemConfig, ShownHistoryConfig):
    """Settings of a preference method; `train` is the preference training."""

    sft: TrainConfig = TrainConfig()
    """Fine-tuning on chosen responses, also those of dropped preferences; makes the reference."""
    negatives: PositiveInt = 3
    """Rejected items of a preference, drawn from the prompt's candidates."""
    rationale: bool = False
    """Whether responses and answers are a rationale and an item, or an item alone."""
    pairing: Literal["each", "one_random"] = "each"
    """Use all rejected items of a preference, or one drawn at random."""
    scope: Literal["full", "item"] = "full"
    """Tokens whose log-probability counts: all of the response, or the item's."""
    length_normalised: bool | None = None
    """Divide utilities by their number of tokens; None: as the method does."""
    ties: TiePolicy | None = None
    """Drop preferences whose rejected items have equal scores, or order those at random; None
    drops them if the method ranks rejected items."""
    preferences: Path | None = None
    """JSON-lines file (`benchkit rationales --triplets`) to train on instead of drawn items;
    `{dataset}` in a suite is the name of each dataset. Its rationales are used; a `teacher` that is
    set then explains the validation cases only."""

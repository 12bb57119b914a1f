"""Settings of TALLRec: where its questions come from, and how both stages are trained."""

from pathlib import Path
from typing import Any, ClassVar

from pydantic import PositiveInt, computed_field

from baselines.sft.rated_questions import NegativeSource
from benchkit.fingerprint import hash_file
from benchkit.training.core.config import LoRAConfig, TrainConfig
from benchkit.training.core.fine_tuning_config import FineTunedConfig

_LORA = LoRAConfig(r=8, alpha=16, dropout=0.05, targets=("q_proj", "v_proj"))
# From the authors' code, as far as it does not depend on the size of the training set.
_LARGE = {
    "learning_rate": 1e-4, "batch_size": 128, "schedule": "linear", "lora": _LORA,
    "train_on_prompt": True,
}  # fmt: skip
# The loss on prompts, half of which ask about items nobody chose, undoes what nano knows of order.
_NANO = {"epochs": 4, "train_on_prompt": False}
# For few samples; validated less often than after each epoch, which is then a single step.
_FEW = {"epochs": 200, "evaluate_every": 10}
# The first stage is that of Alpaca-LoRA, the checkpoint that the paper starts from.
_FIRST = {"purpose": "instructions", "epochs": 3, "train_on_prompt": True}
_FIRST_LARGE = {"learning_rate": 3e-4, "batch_size": 128, "schedule": "linear", "lora": _LORA}
WARMUP_STEPS = 20


class TALLRecConfig(FineTunedConfig):
    """Settings of TALLRec."""

    instructions: str = "auto"
    """First stage: `catalog` tunes on tasks about the catalogue's texts, the path of a JSON file
    on those in it (Alpaca's form), `none` on none; `auto` is `catalog`, and `none` for nano."""
    first: TrainConfig = TrainConfig()
    """The training of the first stage; its adapter is trained on in the second."""
    samples: PositiveInt | None = None
    """Questions to train on, of users chosen by a hash (16 to 256 in the paper); None: all."""
    no_from: NegativeSource = "both"
    """Items with the answer No: disliked (`ratings`, as in the paper), `unobserved`, `both`."""
    negatives: PositiveInt = 1
    """Unobserved items per liked item."""
    events: PositiveInt = 8
    """Most interactions of a user that are asked about, the last ones."""
    history: PositiveInt = 10
    """Most interactions in a prompt, as in the paper."""
    threshold: float | None = None
    """Highest rating of an unpreferred item; None: three stars of five, or as far up another
    scale."""
    prompt_tokens: PositiveInt = 512
    """Budget of a prompt, at most what the model can read; the oldest history is left out."""

    templates: ClassVar[tuple[str, str]] = ("titles", "compact")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def instructions_hash(self) -> str:
        """Return a hash of the instructions' file, which is part of a run's identity."""
        if self.instructions in ("auto", "catalog", "none"):
            return ""
        return hash_file(Path(self.instructions)) or ""

    @property
    def first_stage(self) -> str:
        """Return `catalog`, `none` or the path of a file."""
        if self.instructions == "auto":
            return "none" if self.is_nano else "catalog"
        return self.instructions

    @property
    def first_defaults(self) -> dict[str, Any]:
        """Defaults of the first stage."""
        return _FIRST if self.is_nano else {**_FIRST, **_FIRST_LARGE}

    @property
    def second_defaults(self) -> dict[str, Any]:
        """Defaults of the tuning on questions."""
        few = {} if self.samples is None else _FEW
        return {**(_NANO if self.is_nano else _LARGE), **few}

"""Loading a language model and its tokenizer: nano, a Hugging Face id, or a local folder."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchkit.config.loading import validate_model
from benchkit.errors import ConfigError
from benchkit.lm.config import NANO, LMConfig
from benchkit.lm.engines import make_engine
from benchkit.lm.nano.model import build_nano, read_training_seconds
from benchkit.lm.types import Engine
from benchkit.process_state import isolate_process
from benchkit.types import RunContext, StageCost, TrainView

_MODEL = ("backbone", "revision", "adapter")  # of an engine in this process


@dataclass(frozen=True)
class Backbone:
    """A loaded model of transformers with its tokenizer. context: tokens that it can read."""

    model: Any
    tokenizer: Any
    context: int


def load_backbone(
    config: LMConfig, data: TrainView | None, run: RunContext, dtype: str = "auto"
) -> Backbone:
    """Load the model onto the run's device; nano is trained first, unless it is cached.

    data: None where there is nothing to train nano on. dtype: `auto` is float32 on a CPU and
    bfloat16 elsewhere. Raises ConfigError when there is no such model.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where: str | Path = config.backbone
    if config.backbone == NANO:
        if data is None:
            raise ConfigError(
                "nano is trained on a dataset, and here is none", "name another model"
            )
        begun = time.perf_counter()
        where = build_nano(data, config.nano, run.cache, run.progress, run.device)
        run.stages["nano"] = StageCost(read_training_seconds(where), time.perf_counter() - begun)
    if dtype == "auto":
        dtype = "float32" if run.device == "cpu" else "bfloat16"
    with isolate_process(run.device, "transformers"):
        try:
            tokenizer = AutoTokenizer.from_pretrained(where, revision=config.revision)
            model: Any = AutoModelForCausalLM.from_pretrained(
                where, revision=config.revision, dtype=getattr(torch, dtype)
            )
            if config.adapter:
                from peft import PeftModel

                model = PeftModel.from_pretrained(model, config.adapter)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"backbone {config.backbone!r} cannot be loaded:"
                f" {str(error).partition(chr(10))[0]}",
                "give nano, a local folder, or the id of a model that is downloaded or can be",
            ) from error
    settings = model.config.get_text_config()
    return Backbone(model.to(run.device).eval(), tokenizer, settings.max_position_embeddings)


def parse_engine_settings(settings: Mapping[str, Any], owner: str = "teacher") -> LMConfig:
    """Checked settings of an engine; those of one in this process also say its `backbone`.

    owner: whose engine it is, for messages. Raises ConfigError where they are wrong, without
    repeating what they hold: it may be a key.
    """
    own = dict(settings)
    model = {name: own.pop(name) for name in _MODEL if name in own}
    if own.get("kind") == "hf" and "backbone" not in model:
        raise ConfigError(f"the {owner}'s engine has no backbone", 'backbone = "..."')
    values = {**model, "engine": own}
    return validate_model(LMConfig, values, owner, hint=f"correct the {owner}'s engine")


def make_engine_from_settings(
    settings: Mapping[str, Any], data: TrainView | None, run: RunContext, owner: str = "teacher"
) -> Engine:
    """An engine from plain settings; see `engine_settings` and `load`."""
    config = parse_engine_settings(settings, owner)
    dtype = getattr(config.engine, "dtype", "auto")
    return make_engine(config.engine, lambda: load_backbone(config, data, run, dtype), run.cache)

"""Load a language model and its tokenizer: nano, a Hugging Face id, or a local folder."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchkit.config.loading import validate_model
from benchkit.errors import ConfigError
from benchkit.files.hub_cache import cached_commit
from benchkit.lm.architecture import check_is_causal, read_context
from benchkit.lm.config import NANO, LMConfig
from benchkit.lm.engines import connect_progress, make_engine
from benchkit.lm.model_files.checkpoints import (
    choose_dtype,
    has_bfloat16,
    load_adapter,
    load_whole_model,
)
from benchkit.lm.model_files.load_errors import explain_load_errors
from benchkit.lm.nano.build import build_nano, read_training_seconds
from benchkit.lm.tokens.tokenizer_check import (
    check_engine_titles,
    check_tokenizer_on_titles,
    check_vocabulary,
    describe_missing_template,
)
from benchkit.lm.types import Engine
from benchkit.process_state import isolate_process
from benchkit.types import RunContext, StageCost, TrainView

# Of an engine in this process.
_MODEL_SETTINGS = ("backbone", "revision", "adapter", "trust_remote_code")

_HINT = "give nano, a local folder, or the id of a model that is downloaded or can be"
_ADAPTER_HINT = "give the folder of a peft adapter, or the id of one that is downloaded or can be"


@dataclass(frozen=True)
class Backbone:
    """A loaded model of transformers with its tokenizer."""

    model: Any
    tokenizer: Any
    context: int | None
    """Tokens that the model can read; None where its configuration names no limit."""


def load_backbone(
    config: LMConfig, data: TrainView | None, run: RunContext, dtype: str = "auto"
) -> Backbone:
    """Load the model onto the run's device; nano is trained first, unless it is cached.

    Args:
        config: Which model.
        data: What nano is trained on; None where there is nothing.
        run: Device, cache and progress.
        dtype: `auto` is float32 on a CPU and bfloat16 elsewhere.

    Raises:
        ConfigError: There is no such model, it is not causal, or it has no tokenizer that can
            write the titles.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    name = f"backbone {config.backbone!r}"
    source: str | Path = config.backbone
    if config.backbone == NANO:
        if data is None:
            raise ConfigError(
                "nano is trained on a dataset, and there is none here", "name another model"
            )
        start = time.perf_counter()
        source = build_nano(data, config.nano, run.cache, run.progress, run.device)
        run.stages["nano"] = StageCost(read_training_seconds(source), time.perf_counter() - start)

    def note(words: str) -> None:
        run.progress.advance(0, note=words)

    with isolate_process(run.device, "transformers"):
        dtype, about_dtype = choose_dtype(dtype, run.device, has_bfloat16(run.device))
        # Said in so many words: left open, transformers asks on a terminal.
        remote: dict[str, Any] = {
            "revision": cached_commit(str(source), config.revision) or config.revision,
            "trust_remote_code": config.trust_remote_code,
        }
        with explain_load_errors(name, _HINT):
            check_is_causal(source, name, **remote)
            tokenizer = AutoTokenizer.from_pretrained(source, **remote)
            model: Any = load_whole_model(
                AutoModelForCausalLM.from_pretrained,
                source,
                name,
                dtype=getattr(torch, dtype),
                **remote,
            )
        if config.adapter:
            with explain_load_errors(f"adapter {config.adapter!r}", _ADAPTER_HINT):
                model = load_adapter(model, config.adapter, note)
        with explain_load_errors(name, _HINT):
            model = model.to(run.device).eval()
    check_vocabulary(tokenizer, name)
    if about_dtype:
        note(about_dtype)
    if config.backbone != NANO and (lack := describe_missing_template(tokenizer, name)):
        note(lack)
    if data is not None:
        embeddings = model.get_input_embeddings().weight.shape[0]
        if lost := check_tokenizer_on_titles(tokenizer, data.catalog, name, embeddings):
            note(lost)
    return Backbone(model, tokenizer, read_context(model.config))


def parse_engine_settings(settings: Mapping[str, Any], owner: str = "teacher") -> LMConfig:
    """Validate the settings of an engine.

    Args:
        settings: Settings of the engine; one in this process also has its `backbone`.
        owner: Whose engine it is, for messages.

    Raises:
        ConfigError: They are wrong; values are not repeated, one may be a key.
    """
    engine = dict(settings)
    model = {name: engine.pop(name) for name in _MODEL_SETTINGS if name in engine}
    if engine.get("kind") == "hf" and "backbone" not in model:
        raise ConfigError(f"the {owner}'s engine has no backbone", 'backbone = "..."')
    return validate_model(LMConfig, {**model, "engine": engine}, f"the {owner}'s engine")


def make_engine_from_settings(
    settings: Mapping[str, Any], data: TrainView | None, run: RunContext, owner: str = "teacher"
) -> Engine:
    """Build an engine from plain settings; see `parse_engine_settings` and `load_backbone`."""
    config = parse_engine_settings(settings, owner)
    dtype = getattr(config.engine, "dtype", "auto")
    engine = make_engine(config.engine, lambda: load_backbone(config, data, run, dtype), run.cache)
    connect_progress(engine, run.progress)
    if data is not None:
        check_engine_titles(engine, data.catalog, run)
    return engine

"""Where language models run: in this process (`hf`, `vllm`) or behind a server (`openai`).

An engine is one file with a class as `benchkit.lm.types.Engine` and `EngineClass` describe it; its
name is that of an entry point in the group `benchkit.engines`, or `path/to/file.py:Class`. Engines
are imported when they are used, so the code of the others is part of no run id.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from benchkit.config.loading import validate_model
from benchkit.errors import ConfigError
from benchkit.lm.types import BatchEngine, Engine, EngineClass, EngineSettings
from benchkit.registry import Registry
from benchkit.types import Progress

if TYPE_CHECKING:
    from benchkit.lm.backbones import Backbone

ENGINES = Registry[EngineClass](
    "engine",
    {
        "hf": "benchkit.lm.engines.hf:HFEngine",
        "openai": "benchkit.lm.engines.openai.engine:OpenAIEngine",
        "vllm": "benchkit.lm.engines.vllm:VLLMEngine",
    },
    "benchkit.engines",
    members=("Config", "from_config", "generate", "score", "count_tokens"),
    hint="write a class as benchkit.lm.types describes it (Engine, EngineClass)",
)


def validate_engine_config(values: Any) -> EngineSettings:
    """Return the settings of the engine that `kind` names. Raises ConfigError if they are wrong."""
    if isinstance(values, EngineSettings):
        return values
    if not isinstance(values, Mapping) or "kind" not in values:
        raise ConfigError("engine: kind is missing", f"one of {', '.join(ENGINES)}")
    engine = ENGINES.load(str(values["kind"]))
    config: EngineSettings = validate_model(engine.Config, dict(values), "engine")
    return config


EngineConfig = Annotated[SerializeAsAny[EngineSettings], BeforeValidator(validate_engine_config)]


def make_engine(
    config: EngineSettings, load_backbone: "Callable[[], Backbone]", cache_dir: Path
) -> Engine:
    """Build the engine that `config` describes.

    Args:
        config: Settings of the engine.
        load_backbone: Loads the model for an engine in this process; others do not call it.
        cache_dir: Where engines that ask a server store its answers.
    """
    return ENGINES.load(config.kind).from_config(config, load_backbone, cache_dir)


def connect_progress(engine: Engine, progress: Progress) -> None:
    """Show how batches stand beside the progress of a run, for an engine that asks by them."""
    if isinstance(engine, BatchEngine):
        engine.report_to(lambda note: progress.advance(0, note=note))

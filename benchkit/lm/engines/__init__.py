"""Where language models run: in process (`hf`, `vllm`) or behind a server (`openai`)."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from benchkit.lm.engines.hf import HFConfig, HFEngine
from benchkit.lm.engines.openai.config import OpenAIConfig
from benchkit.lm.engines.vllm import VLLMConfig
from benchkit.lm.types import Engine

if TYPE_CHECKING:
    from benchkit.lm.backbones import Backbone

EngineConfig = Annotated[HFConfig | OpenAIConfig | VLLMConfig, Field(discriminator="kind")]


def make_engine(config: EngineConfig, load: "Callable[[], Backbone]", cache: Path) -> Engine:
    """The engine that `config` describes.

    load: gives the model for an engine in this process; other engines do not call it.
    cache: the folder where engines that ask a server keep its answers.
    """
    if isinstance(config, OpenAIConfig):
        from benchkit.lm.engines.openai.engine import OpenAIEngine

        return OpenAIEngine(config, cache)
    if isinstance(config, VLLMConfig):
        from benchkit.lm.engines.vllm import VLLMEngine

        return VLLMEngine(config)
    backbone = load()
    return HFEngine(backbone.model, backbone.tokenizer, config, backbone.context)

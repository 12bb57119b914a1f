"""Settings of TRL's GRPOTrainer that our loop does not have, and what it cannot do."""

from importlib import metadata
from importlib.util import find_spec
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

from benchkit.errors import ConfigError
from benchkit.lm.tokenization import end_of_turn
from benchkit.training.core.config import TrainConfig
from benchkit.training.rl.rollouts import GRPOSettings

_OLDEST = (1, 16)
_EPS = 1e-4  # fixed in TRL


class TRLSettings(BaseModel):
    """Settings that only training by TRL has."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    top_p: float = Field(default=1.0, gt=0, le=1)
    """Sample among the likeliest tokens whose probability reaches this. The loss does not know of
    it: its log-probabilities stay those of all tokens."""
    top_k: NonNegativeInt = 0
    """Sample among so many of the likeliest tokens; 0 for all."""
    clip_high: PositiveFloat | None = None
    """Upper clipping range of the probability ratio (DAPO's clip-higher); None: `clip`."""
    scale_rewards: Literal["group", "batch", "none"] = "group"
    """Divide a group's centred rewards by their standard deviation, by that of the whole step, or
    by nothing (Dr. GRPO)."""
    unbiased_kl: bool = False
    """Weigh the divergence by the probability ratio, whose gradient then is that of the reverse KL
    (DeepSeek-V3.2, 2025): TRL's default, and not in GRPO's paper."""
    vllm: Literal["colocate", "server"] | None = None
    """Sample by vLLM: in each training process, or on a server that `trl vllm-serve` has started
    with the backbone. None: by transformers."""
    vllm_url: str = "http://127.0.0.1:8000"
    """Address of the server."""
    vllm_memory: float = Field(default=0.3, gt=0, le=1)
    """Share of the GPU's memory for vLLM in a training process."""
    vllm_tensor_parallel: PositiveInt = 1
    """GPUs that share a model of vLLM, in training processes."""


def check_trl(
    trl: TRLSettings, settings: GRPOSettings, config: TrainConfig, backbone: Any, is_nano: bool
) -> None:
    """Raise ConfigError if TRL is missing or cannot train with these settings."""
    _check_installed(trl)
    if settings.constrained:
        raise ConfigError(
            "TRL's loss is over the whole vocabulary: it cannot train on answers that are"
            " constrained to the candidates",
            'set constrained = false, or trainer = "own"',
        )
    if settings.eps != _EPS:
        raise ConfigError(
            f"TRL adds {_EPS} to the deviation of a group's rewards, not {settings.eps}",
            'leave out eps, or set trainer = "own"',
        )
    if config.batch_size % (config.micro_batch_size * config.processes):
        raise ConfigError(
            f"TRL's processes have equally many micro-batches: batch_size {config.batch_size} is no"
            f" multiple of {config.processes} x {config.micro_batch_size}",
            "change train.batch_size, train.micro_batch or train.processes",
        )
    if not end_of_turn(backbone.tokenizer):
        raise ConfigError(
            "the tokenizer has no token that ends an answer, which TRL needs",
            'use another backbone, or set trainer = "own"',
        )
    if trl.vllm and is_nano:
        raise ConfigError("vLLM has no model of nano's kind", "leave out trl.vllm")


def _check_installed(trl: TRLSettings) -> None:
    if find_spec("trl") is None:
        raise ConfigError(
            "training by TRL needs trl", "pip install 'benchkit[trl]', or set trainer = \"own\""
        )
    version = metadata.version("trl")
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise ConfigError(f"trl {version} is older than {oldest}", f"pip install 'trl>={oldest}'")
    if trl.vllm and find_spec("vllm") is None:
        raise ConfigError(
            f"trl.vllm = {trl.vllm!r} needs vllm", "pip install vllm, or leave out trl.vllm"
        )

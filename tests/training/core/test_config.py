"""Settings of training."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from benchkit.training.core.config import LoRAConfig, TrainConfig


@pytest.mark.parametrize(
    "values",
    [
        {"learning_rat": 1e-4},
        {"lora": {"rank": 8}},
        {"schedule": "step"},
        {"precision": "float16"},
        {"batch_size": 8, "micro_batch": 3},
        {"batch_size": 2, "micro_batch": 4},
        {"purpose": "../elsewhere"},
        {"micro_batch_tokens": 0},
        {"micro_batch_tokens": 512, "processes": 2},
        {"prefix_attention": "eager"},
        {"warmup": 1.0},
    ],
)
def test_what_makes_no_sense_is_refused(values):
    with pytest.raises(ValidationError):
        TrainConfig.model_validate(values)


def test_settings_are_frozen_and_adapt_all_seven_linear_modules():
    config = TrainConfig(lora=LoRAConfig())
    with pytest.raises(ValidationError):
        config.epochs = 2
    assert (config.lora.r, config.lora.alpha, len(config.lora.targets)) == (8, 16, 7)
    assert TrainConfig.model_validate_json(config.model_dump_json()) == config


def test_the_modules_are_cheap_to_import():
    code = (
        "import sys, benchkit.process_state, benchkit.training.core.config, "
        "benchkit.training.core.examples, "
        "benchkit.training.sft, benchkit.training.core.lora, benchkit.training.core.batch_sampler\n"
        "print([m for m in ('torch', 'transformers', 'peft', 'pandas') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"

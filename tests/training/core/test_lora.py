"""Low-rank adapters."""

import pytest

from benchkit.errors import ConfigError
from benchkit.training.core.config import LoRAConfig
from benchkit.training.core.lora import add_adapter
from tests.support.tiny_models import tiny_model


def test_adapters_are_put_into_the_decoder_alone():
    model = add_adapter(tiny_model("gemma3-vision"), LoRAConfig())
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert len(trained) == 2 * 2 * 7
    assert all("language_model" in name for name in trained)
    with pytest.raises(ConfigError, match="no module named out_proj"):  # the vision tower has one
        add_adapter(tiny_model("gemma3-vision"), LoRAConfig(targets=("out_proj",)))

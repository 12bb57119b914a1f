"""What is read from a model's configuration."""

import pytest
import transformers

from benchkit.errors import ConfigError, MethodError
from benchkit.lm import shared_prefix
from benchkit.lm.architecture import can_share_prefix, check_is_causal, is_recurrent, read_context
from tests.support.other_architectures import KINDS, other_model
from tests.support.tiny_models import tiny_model


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (transformers.Qwen3Config(max_position_embeddings=77), 77),
        (transformers.GPT2Config(n_positions=78), 78),
        (transformers.MptConfig(max_seq_len=79), 79),
        (transformers.BloomConfig(seq_length=80), 80),
        (transformers.BloomConfig(), None),
        (transformers.MambaConfig(), None),
    ],
)
def test_the_longest_prompt(config, expected):
    assert read_context(config) == expected


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (transformers.BartConfig(), "m is an encoder-decoder .*'bart'.* needs a causal model"),
        (transformers.BertConfig(), "m is an encoder .*'bert'.* needs a causal model"),
        (transformers.BertConfig(is_decoder=True), None),
        (transformers.Qwen3Config(), None),
    ],
)
def test_models_that_do_not_write_from_left_to_right_are_refused(tmp_path, config, message):
    config.save_pretrained(tmp_path)
    if message is None:
        assert check_is_causal(tmp_path, "m") is None
    else:
        with pytest.raises(ConfigError, match=message):
            check_is_causal(tmp_path, "m")


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gemma3", "gemma3-vision"])
def test_usual_models_share_a_prompt(kind):
    assert can_share_prefix(tiny_model(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_others_do_not_and_training_says_so(kind):
    model = other_model(kind, 50)
    assert not can_share_prefix(model)
    assert is_recurrent(model) == (kind in ("mamba", "lfm2"))
    with (
        pytest.raises(MethodError, match="cannot read several responses behind one prompt"),
        shared_prefix.use_shared_prefix(model),
    ):
        raise AssertionError("it was let in")

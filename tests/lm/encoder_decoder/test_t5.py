"""Tiny encoder-decoders, and those of Hugging Face."""

import pytest
import torch

from benchkit.errors import ConfigError
from benchkit.lm.encoder_decoder.t5 import (
    TinyT5Config,
    build_tiny_t5,
    load_encoder_decoder,
    train_word_tokenizer,
)
from benchkit.testing.fixtures import run_context
from benchkit.types import Catalog
from tests.support.tiny_encoder_decoder import SMALL_T5, tiny_t5_folder
from tests.support.tiny_models import tiny_backbone

CATALOG = Catalog(("a", "b"), {"title": ["Drama 1", "Comedy 2"]})


def test_weights_follow_the_seed_and_no_other_generator():
    before = torch.get_rng_state()
    one, two, other = (build_tiny_t5(TinyT5Config(**SMALL_T5), 50, seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    first, second, third = (m.get_input_embeddings().weight for m in (one, two, other))
    assert first.shape == (50, 16)
    assert torch.equal(first, second) and not torch.equal(first, third)
    assert (one.config.pad_token_id, one.config.eos_token_id) == (0, 1)


def words_of(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False).input_ids
    return tokenizer.convert_ids_to_tokens(ids)


def test_frequent_words_have_tokens_and_others_are_spelt():
    letters = len(set("bluemonrs0123456789"))
    size = 3 + 2 * letters + 2 + 2  # special ones, letters, what is always there, and two more
    tokenizer = train_word_tokenizer(["Blue Moon", "blue runs"], size, always="; yes")
    assert len(tokenizer) == size
    assert tokenizer.convert_ids_to_tokens([0, 1, 2]) == ["<pad>", "</s>", "<unk>"]
    assert words_of(tokenizer, "BLUE 7 moon ; yes") == ["blue", "7", "moon", ";", "yes"]
    assert words_of(tokenizer, "sun x") == ["s", "##u", "##n", "<unk>"]
    assert tokenizer.decode(tokenizer("blue sun", add_special_tokens=False).input_ids) == "blue sun"


def test_a_model_of_hugging_face_is_loaded(tmp_path):
    backbone = load_encoder_decoder(tiny_t5_folder(), None, CATALOG, run_context(CATALOG, tmp_path))
    assert backbone.model.config.is_encoder_decoder and not backbone.model.training
    assert backbone.tokenizer.eos_token_id == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [(tiny_backbone(), "is no encoder-decoder"), ("/no/such/model", "cannot be loaded")],
    ids=["causal", "missing"],
)
def test_what_is_no_encoder_decoder_is_refused(tmp_path, source, message):
    with pytest.raises(ConfigError, match=message):
        load_encoder_decoder(source, None, CATALOG, run_context(CATALOG, tmp_path))


def test_a_tokenizer_that_loses_the_titles_is_refused(tmp_path):
    catalog = Catalog(("a",), {"title": ["Żółw"]})
    with pytest.raises(ConfigError, match="loses 1 of 1 titles"):
        load_encoder_decoder(tiny_t5_folder(), None, catalog, run_context(catalog, tmp_path))

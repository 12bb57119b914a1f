"""Each method that runs a model refuses one of the wrong kind, before it trains anything."""

import pytest

from benchkit import cards
from benchkit.errors import ConfigError
from tests.support.planted_world import learning_run, planted_world
from tests.support.small_settings import LANGUAGE_MODELS, small_settings
from tests.support.tiny_encoder_decoder import tiny_t5_folder
from tests.support.tiny_models import tiny_backbone

pytest.importorskip("peft")
pytest.importorskip("accelerate")

ENCODER_DECODERS = {"gram", "stream-rec"}
METHODS = [n for n, card in cards.list_cards().items() if card.family in LANGUAGE_MODELS]


@pytest.mark.parametrize("name", METHODS)
def test_a_backbone_of_the_wrong_kind_is_refused(name, tmp_path):
    wrong, message = tiny_t5_folder(), r"is an encoder-decoder .*'t5'.* needs a causal model"
    if name in ENCODER_DECODERS:
        wrong, message = tiny_backbone(), r"is no encoder-decoder .*'qwen3'"
    card, world = cards.find_card(name), planted_world()
    settings = {**small_settings(name, card), "backbone": wrong}
    method = cards.construct_recommender(card, cards.build_config(card, settings))
    run = learning_run(tmp_path, world)
    with pytest.raises(ConfigError, match=message):
        method.fit(world.train_view(), run)
    stages = {stage for stage, _, _ in run.progress.stages}
    assert stages <= {"epochs"}  # of an expert

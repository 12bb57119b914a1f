"""What cards say of settings, against the settings."""

import re

import pytest

from baselines.preference.c_apo import CAPO
from baselines.preference.rec_po import RecPO
from baselines.rl.rec_lm import RecLM
from baselines.rl.rec_r1 import RecR1
from baselines.rl.reward_recommender import RewardRecommender
from baselines.rl.twice_rec import TWiCERec
from benchkit import cards
from benchkit.testing.fixtures import run_context, toy_dataset

CARDS = cards.list_cards()
RECBOLE = sorted(name for name in CARDS if name.startswith("recbole/"))


def text_of(name):
    return " ".join(CARDS[name].deviations)


@pytest.mark.parametrize("name", RECBOLE)
def test_recbole_cards_say_when_training_ends(name):
    card = CARDS[name]
    model = card.config or {"model": "NARM"}
    config = cards.build_config(card, {} if card.config else model)
    limits = f"at most {config.epochs} epochs, fewer after {config.patience} in a row"
    assert limits in text_of(name)
    if "*" not in name:
        assert f"{config.train_batch_size} examples a step" in text_of(name)


def test_the_card_of_rec_po_says_how_it_is_optimised(tmp_path):
    run = run_context(toy_dataset(users=60, items=60, length=8).catalog, tmp_path)
    method = RecPO(RecPO.Config(backbone="some/model"))
    training = method.training_config(run, **method.default_training)
    sft = method.resolve_training_config(method.config.sft, run, purpose="sft")
    text = text_of("rec-po")
    assert f"{training.batch_size} examples a step, learning rate 5e-5" in text
    assert training.learning_rate == sft.learning_rate == 5e-5
    assert f"{sft.epochs:g} epochs of fine-tuning and {training.epochs:g} of preferences" in text
    assert (training.schedule, training.min_lr) == ("cosine_with_min_lr", 0.1)
    assert (training.warmup, training.optimizer) == (0.05, "adamw")
    assert f"rank {training.lora.r} and scale {training.lora.alpha}" in text


@pytest.mark.parametrize("name", sorted(n for n, c in CARDS.items() if c.family == "preference"))
def test_cards_of_preference_methods_say_what_is_optimised_otherwise(name):
    assert re.search("adapters|k_proj has an adapter", text_of(name))
    assert "training stops by NDCG@5 on validation cases" in text_of(name)


def test_cards_name_what_is_not_in_the_papers_equations():
    assert TWiCERec.Config().kl == 0.04
    assert "coefficient 0.04" in text_of("twice-rec") and "kl = 0" in text_of("twice-rec")
    assert CAPO.Config().calibrator_history == 5
    assert "the last 5 titles of the history" in text_of("c-apo")
    assert "C-APO" not in CARDS["rec-r1"].paper
    assert RecR1.Config().weight == 1
    assert "such as SASRec (appendix B)" in text_of("rec-r1") and "weight 1" in text_of("rec-r1")
    assert TWiCERec.Config().min_coherence == 4
    assert "a coherence score below 4" in text_of("twice-rec")


@pytest.mark.parametrize("name", sorted(n for n, c in CARDS.items() if c.family == "rl"))
def test_cards_of_reward_methods_name_their_divergence(name):
    config = cards.build_config(CARDS[name], {})
    assert issubclass(cards.load_class(CARDS[name]), RewardRecommender | RecLM)
    kl = config.ppo.kl if name == "rec-lm" else config.kl
    assert f"coefficient {kl:g}" in text_of(name)

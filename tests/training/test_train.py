"""Which weights are kept, and what an interruption changes: nothing."""

import pytest

from benchkit.training.core.config import LoRAConfig, TrainConfig
from benchkit.training.core.examples import collate
from benchkit.training.sft import SFTObjective, train_sft
from tests.support.tiny_training import (
    FAST,
    Interrupted,
    context,
    examples,
    model,
    same,
    scripted,
    weights,
)

pytest.importorskip("peft")
pytest.importorskip("accelerate")

# Selection


@pytest.mark.parametrize("lora", [None, LoRAConfig()])
def test_patience_ends_training_and_the_best_weights_are_kept(tmp_path, lora):
    validate, seen = scripted([0.1, 0.5, 0.3, 0.5, 0.2])
    config = TrainConfig(**FAST, epochs=9, patience=2, lora=lora)
    run = context(tmp_path)
    trained = weights(train_sft(model(), examples(), config, run, validate))
    assert len(seen) == 4
    assert run.progress.done == 8
    assert all(trained[name].equal(seen[1][name]) for name in trained)
    assert not all(trained[name].equal(seen[3][name]) for name in trained)


def test_the_loss_on_validation_examples_decides(tmp_path):
    config = TrainConfig(**FAST, epochs=30)
    data, held_out = examples(4, seed=1), examples(4, seed=2)
    run = context(tmp_path)
    trained = train_sft(model(), data, config, run, validation=held_out)
    objective, batch = SFTObjective(), collate(held_out)
    loss = float(objective.loss(trained, batch)) / objective.normalizer(batch)
    notes = [n.removeprefix("validation loss ") for n in run.progress.notes if "valid" in n]
    assert len(notes) == 30
    assert loss == pytest.approx(min(map(float, notes)), abs=1e-4)
    assert float(notes[-1]) > loss + 0.1


def test_evaluating_changes_nothing_that_is_learnt(tmp_path):
    config = TrainConfig(**FAST, epochs=2, lora=LoRAConfig(dropout=0.3))
    plain = train_sft(model(), examples(), config, context(tmp_path / "1"))
    validate, _ = scripted(range(9))
    often = config.model_copy(update={"evaluate_every": 0.5})
    assert same(train_sft(model(), examples(), often, context(tmp_path / "2"), validate), plain)


def test_evaluations_can_be_counted_in_steps_and_the_last_step_has_one(tmp_path):
    validate, seen = scripted(range(9))
    config = TrainConfig(**FAST, max_steps=5, unit="steps", evaluate_every=2)
    train_sft(model(), examples(), config, context(tmp_path), validate)
    assert len(seen) == 3


# Resuming


@pytest.fixture(scope="module", params=[None, LoRAConfig(dropout=0.3)], ids=["full", "lora"])
def uninterrupted(request, tmp_path_factory):
    """Settings of nine steps, with a checkpoint every second, and the model that they give."""
    every = {"unit": "steps", "checkpoint_every": 2, "evaluate_every": 1}
    config = TrainConfig(**FAST, **every, epochs=3, micro_batch=2, lora=request.param)
    run = context(tmp_path_factory.mktemp("whole"))
    return config, train_sft(model(), examples(11), config, run, validation=examples(4, seed=5))


@pytest.mark.parametrize(("stop_at", "done"), [(2, 0), (5, 4), (7, 6)])
def test_an_interrupted_training_ends_as_if_it_had_not_been(tmp_path, uninterrupted, stop_at, done):
    config, whole = uninterrupted
    held_out = examples(4, seed=5)
    with pytest.raises(Interrupted):
        run = context(tmp_path, stop_at=stop_at)
        train_sft(model(), examples(11), config, run, validation=held_out)
    found = [path.name for path in (tmp_path / "sft").glob("checkpoint-*")]
    assert found == ([f"checkpoint-{done}"] if done else [])
    run = context(tmp_path)
    resumed = train_sft(model(), examples(11), config, run, validation=held_out)
    assert same(resumed, whole)
    assert run.progress.done == 9
    assert ("resumed" in run.progress.notes) == (done > 0)


def test_the_best_weights_outlive_an_interruption(tmp_path):
    config = TrainConfig(**FAST, epochs=9, patience=2)
    validate, seen = scripted([0.1, 0.9, 0.3])
    with pytest.raises(Interrupted):
        train_sft(model(), examples(), config, context(tmp_path, stop_at=7), validate)
    validate, again = scripted([0.4])
    trained = weights(train_sft(model(), examples(), config, context(tmp_path), validate))
    assert (len(seen), len(again)) == (3, 1)
    assert all(trained[name].equal(seen[1][name]) for name in trained)


def test_a_half_written_checkpoint_is_not_used(tmp_path):
    config = TrainConfig(**FAST, epochs=3, unit="steps", checkpoint_every=2)
    whole = train_sft(model(), examples(), config, context(tmp_path / "1"))
    with pytest.raises(Interrupted):
        train_sft(model(), examples(), config, context(tmp_path / "2", stop_at=5))
    half = tmp_path / "2" / "sft" / "checkpoint-5"
    half.mkdir()
    (half / "trained.safetensors").write_bytes(b"half")
    assert same(train_sft(model(), examples(), config, context(tmp_path / "2")), whole)


@pytest.mark.parametrize("lora", [None, LoRAConfig()])
def test_a_training_that_had_ended_is_not_done_again(tmp_path, lora):
    config = TrainConfig(**FAST, epochs=1, lora=lora)
    first = train_sft(model(), examples(), config, context(tmp_path))
    assert not list(tmp_path.rglob("checkpoint-*"))
    run = context(tmp_path)
    assert same(train_sft(model(), examples(), config, run), first)
    assert run.progress.done == 0
    other = train_sft(model(), examples(seed=3), config, run)
    assert run.progress.done > 0
    assert not same(other, first)

"""Methods that train a language model: checks before training, and the weights' format."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from pydantic import ValidationError

from baselines.preference.dpo import DPO
from baselines.rl.grpo import GRPO
from baselines.sft.rec_saver import RecSaver
from baselines.sft.sft import SFT
from benchkit.errors import ConfigError
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.types import Interactions
from tests.support.tiny_models import tiny_backbone

FILE = {"kind": "file", "path": "r.jsonl"}
TRAIN = {
    "epochs": 1, "batch_size": 8, "micro_batch": 4, "learning_rate": 1e-3, "max_length": 4000,
    "lora": None, "gradient_checkpointing": False,
}  # fmt: skip
SMALL = {
    "backbone": tiny_backbone(), "template": "compact", "limit_users": 8, "candidates": 5,
    "validation_cases": 4, "sft": TRAIN,
}  # fmt: skip


@pytest.mark.parametrize("method", [DPO, GRPO])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"optimizer": "adamww"}, "adamww"),
        ({"optimizer": "paged_adamw_8bit"}, "bitsandbytes"),
        ({"lora": {"targets": ["q_proj", "nope"]}}, "no module named nope"),
    ],
)
def test_a_second_stage_that_cannot_be_stops_before_the_first(tmp_path, method, wrong, message):
    if message == "bitsandbytes" and find_spec(message) is not None:
        pytest.skip("it is installed")
    dataset = toy_dataset(users=60, items=60, length=8)
    run = run_context(dataset.catalog, tmp_path / "scratch", cache=tmp_path / "cache")
    own = method(method.Config.model_validate({**SMALL, "train": {**TRAIN, **wrong}}))
    with pytest.raises(ConfigError, match=message):
        own.fit(dataset.train_view(), run)
    assert not (tmp_path / "cache" / "sft").exists()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ({}, "float32"),  # nano
        ({"backbone": "org/model"}, "auto"),
        ({"backbone": "org/model", "sft": {"lora": None}}, "float32"),
        ({"backbone": "org/model", "train": {"lora": None}}, "float32"),
        ({"train": {"lora": {}}}, "float32"),  # nano's sft is of all weights
        ({"train": {"lora": {}}, "sft": {"lora": {}}}, "auto"),
        ({"engine": {"kind": "hf", "dtype": "bfloat16"}}, "bfloat16"),
    ],
)
def test_weights_that_are_trained_themselves_are_float32(values, dtype):
    assert DPO(DPO.Config.model_validate(values)).dtype == dtype


@pytest.mark.parametrize(
    ("method", "values", "targets"),
    [
        (SFT, {"train_rationale": True}, 4),
        (SFT, {}, 1),  # no rationales to learn
        (SFT, {"train_rationale": True, "targets": 2}, 2),
        (SFT, {"targets": 3}, 3),
        (SFT, {"train_rationale": True, "backbone": "org/model"}, 1),
        (SFT, {"train_rationale": True, "teacher": FILE}, 1),
        (DPO, {"rationale": True}, 4),
        (DPO, {"rationale": True, "preferences": "p.jsonl"}, 1),
        (DPO, {"rationale": True, "preferences": "p.jsonl", "targets": 2}, 2),
        (GRPO, {"fine_tune": False}, 1),
        (RecSaver, {}, 1),  # has no such setting
    ],
)
def test_how_many_items_of_a_user_fine_tuning_learns(method, values, targets):
    assert method(method.Config.model_validate(values)).targets_per_user == targets


@pytest.mark.parametrize(("lengths", "examples"), [((9, 9), 4), ((3, 3), 2), ((2, 9, 1), 2.5)])
def test_more_items_of_each_user_mean_fewer_epochs_with_nano(tmp_path, lengths, examples):
    offsets = np.cumsum([0, *lengths])
    interactions = Interactions(
        user=np.repeat(np.arange(len(lengths)), lengths).astype(np.int32),
        item=np.arange(offsets[-1], dtype=np.int32) % 7,
        offsets=offsets,
    )
    users = tuple(f"u{number}" for number in range(len(lengths)))
    view = replace(toy_dataset().train_view(), users=users, interactions=interactions)
    run = run_context(view.catalog, tmp_path)

    def epochs(**values):
        method = SFT(SFT.Config.model_validate({"train_rationale": True, **values}))
        return method.resolve_training_config(method.config.train, run, view).epochs

    assert epochs() == 8 / examples
    assert epochs(targets=1) == 8
    assert epochs(train={"epochs": 3}) == 3


def test_a_file_has_no_rationales_of_earlier_items():
    with pytest.raises(ValidationError, match="targets above 1"):
        SFT.Config.model_validate({"train_rationale": True, "teacher": FILE, "targets": 2})


@pytest.mark.parametrize(("rationale", "targets"), [(False, 2), (True, 2)])
def test_preference_training_starts_from_earlier_items_too(
    tmp_path, monkeypatch, rationale, targets
):
    view = toy_dataset(users=12, items=40, length=8).train_view()
    run = run_context(view.catalog, tmp_path)
    values = {**SMALL, "limit_users": 5, "rationale": rationale, "targets": targets}
    method = DPO(DPO.Config.model_validate(values))
    learnt = []

    def stop(_, examples, *args, **options):
        learnt.extend(examples)
        raise InterruptedError

    monkeypatch.setattr("benchkit.training.sft.load_or_train_sft", stop)
    with pytest.raises(InterruptedError):
        method.fit(view, run)
    assert len(learnt) == 5 * targets
    assert len({example.prompt for example in learnt}) == 5 * targets

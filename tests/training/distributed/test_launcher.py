"""Training on several processes, without any: shares, settings, what is started and sent."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.preference.c_apo import CAPO
from benchkit.errors import ConfigError
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.training.core.batch_sampler import MicroBatchSampler
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.fine_tuning_config import FineTunedConfig
from benchkit.training.core.preflight import check_training_config
from benchkit.training.core.training_job import TrainingJob
from benchkit.training.distributed import launcher, serialization
from benchkit.training.distributed.trainer import reject_running_averages
from benchkit.training.preference.loss_spec import PairTerms, PreferenceLoss
from benchkit.training.preference.objective import PreferenceObjective
from benchkit.training.sft import train_sft
from tests.support.preference_losses import adaptive, calibrated
from tests.support.tiny_training import Stages, context, examples, model, same, torch

pytest.importorskip("peft")
pytest.importorskip("accelerate")
pytest.importorskip("cloudpickle")

RECIPE = Path(__file__).parents[3] / "recipes" / "accelerate-2gpu.yaml"
ODD = {"batch_size": 6, "micro_batch": 2}  # three micro-batches a step


# Shares


@given(
    examples=st.integers(1, 60),
    micro=st.integers(1, 4),
    accumulated=st.integers(1, 5),
    processes=st.integers(1, 4),
)
def test_together_the_shares_of_a_step_are_the_step(examples, micro, accumulated, processes):
    order = np.random.default_rng(0).permutation(examples)
    batch = micro * accumulated
    whole = MicroBatchSampler(lambda _: order, lambda: 0, examples, batch, micro)
    shares = [
        MicroBatchSampler(lambda _: order, lambda: 0, examples, batch, micro, rank, processes)
        for rank in range(processes)
    ]
    dealt = [list(share) for share in shares]
    assert {len(own) for own in dealt} == {len(share) for share in shares} == {len(dealt[0])}
    in_turn = [part for turn in zip(*dealt, strict=True) for part in turn]
    assert [part for part in in_turn if part] == list(whole)
    turns = -(-accumulated // processes)
    for step in range(-(-examples // batch)):
        seen = [i for own in dealt for p in own[step * turns : (step + 1) * turns] for i in p]
        assert sorted(seen) == sorted(order[step * batch : (step + 1) * batch].tolist())


# Settings


def test_what_does_not_fit_several_processes_is_refused():
    with pytest.raises(ValueError, match="some would never have work"):
        TrainConfig(batch_size=8, micro_batch=4, processes=3)
    with pytest.raises(ValueError, match="processes is 1"):
        TrainConfig(accelerate=RECIPE)
    config = TrainConfig(batch_size=8, processes=2)
    assert (config.micro_batch_size, config.accumulation_steps) == (4, 1)
    assert TrainConfig(**ODD, processes=2).accumulation_steps == 2
    assert TrainConfig(batch_size=8).micro_batch_size == 8
    assert TrainConfig(batch_size=48, micro_batch=6).accumulation_steps == 8


def test_the_machine_must_have_what_is_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    two = TrainConfig(processes=2)
    check_training_config(two, "cpu")
    check_training_config(TrainConfig(), "cuda:1")
    with pytest.raises(ConfigError, match=r"2 processes with a GPU each, but 1 can be seen"):
        check_training_config(two, "cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_training_config(two, "cuda")
    with pytest.raises(ConfigError, match="cannot use device 'cuda:1'"):
        check_training_config(two, "cuda:1")
    with pytest.raises(ConfigError, match="on GPUs only"):
        check_training_config(TrainConfig(processes=2, accelerate=RECIPE), "cpu")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("distributed_type: FSDP", "distributed_type is FSDP"),
        ("mixed_precision: bf16", "mixed_precision is bf16; this training needs no"),
        ("num_machines: 2", "num_machines is 2"),
        ("deepspeed_config: {zero_stage: 3}", "zero_stage is 3"),
        ("deepspeed_config: {gradient_clipping: 0.5}", "gradient_clipping is 0.5"),
        ("deepspeed_config: {gradient_accumulation_steps: 8}", "needs 4"),
        ("deepspeed_config: {deepspeed_config_file: ds.json}", "deepspeed_config_file"),
        ("- a list", "not a configuration"),
        ("{", "cannot be read"),
    ],
)
def test_accelerate_may_not_change_the_mathematics(monkeypatch, tmp_path, line, message):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    path = tmp_path / "a.yaml"
    good = "" if line[0] in "-{" else "distributed_type: DEEPSPEED\n"
    path.write_text(line if "distributed" in line else good + line)
    config = TrainConfig(batch_size=48, micro_batch=6, processes=2, accelerate=path)
    with pytest.raises(ConfigError, match=message):
        check_training_config(config, "cuda")


def test_the_recipe_fits_what_it_is_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for batch, micro in ((32, 4), (48, 6)):
        config = TrainConfig(
            batch_size=batch, micro_batch=micro, processes=2, accelerate=RECIPE,
            precision="bfloat16",
        )  # fmt: skip
        check_training_config(config, "cuda")
        assert config.accumulation_steps == 4


def test_a_method_that_does_not_fit_stops_before_training(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    own = {"backbone": "none", "train": {"processes": 2}}
    method = CAPO(CAPO.Config.model_validate(own))
    dataset = toy_dataset(users=60, items=60, length=8)
    run = run_context(dataset.catalog, tmp_path)
    object.__setattr__(run, "device", "cuda")
    with pytest.raises(ConfigError, match="1 can be seen"):
        method.training_config(run)
    many = FineTunedConfig.model_validate({"backbone": "none", "train": {"processes": 16}})
    with pytest.raises(ConfigError, match=r"training: .*16 processes"):
        method.resolve_training_config(many.train, run)


def test_how_processes_are_started():
    place = Path("place")
    own = launcher.launch_command(TrainConfig(processes=3, batch_size=6), place, threads=2)
    assert own[1:3] == ["-m", "torch.distributed.run"]
    assert own[own.index("--nproc-per-node") + 1] == "3"
    config = TrainConfig(processes=2, accelerate=RECIPE)
    given = launcher.launch_command(config, place, threads=2)
    assert given[1:3] == ["-m", "accelerate.commands.launch"]
    assert given[given.index("--config_file") + 1] == str(RECIPE)
    assert given[given.index("--num_processes") + 1] == "2"
    assert given[given.index("--mixed_precision") + 1] == "no"
    for command in (own, given):
        assert command[-4:] == [
            "-m",
            "benchkit.training.distributed.worker",
            "place",
            str(os.getpid()),
        ]
    left = {"RANK": "1", "MASTER_PORT": "1", "ACCELERATE_TORCH_DEVICE": "cpu", "HOME": "/h"}
    environment = launcher.worker_environment(left, threads=2)
    assert environment["OMP_NUM_THREADS"] == "2"
    assert environment["HOME"] == "/h"
    assert not environment.keys() & {"RANK", "MASTER_PORT", "ACCELERATE_TORCH_DEVICE"}


def test_running_averages_are_refused_where_they_would_be_lost():
    for family in (calibrated(), PreferenceLoss("softmax", lambda *_: PairTerms())):
        reject_running_averages(PreferenceObjective(family).for_rank(0))
    with pytest.raises(ConfigError, match=r"running averages[\s\S]*leave out train.accelerate"):
        reject_running_averages(PreferenceObjective(adaptive()).for_rank(0))


def test_a_log_is_cut_to_what_failed_first(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("".join(f"line {n}\n" for n in range(60)))
    assert launcher.failure_excerpt(log) == [f"line {n}" for n in range(35, 60)]
    head = ["Root Cause (first observed failure):", *[f"fact {n}" for n in range(6)]]
    trace = [f"trace {n}" for n in range(40)]
    log.write_text("\n".join(["noise", "====", *head, *trace, "====="]))
    assert launcher.failure_excerpt(log) == [*head, "  ...", *trace[-18:]]
    log.write_text("\n".join(["noise", *head, "====="]))
    assert launcher.failure_excerpt(log) == head


# What is sent


def test_what_closures_refer_to_is_the_same_object_when_it_is_read(tmp_path):
    network, module = model(), torch.nn.Linear(2, 2)
    run = context(tmp_path)

    def pairs(*_):
        return module, run

    objective = PreferenceObjective(PreferenceLoss("softmax", pairs, module=module))

    def validate(_):
        run.progress.advance(3, note="seen")
        return network

    sent = TrainingJob(
        network, examples(3), objective, TrainConfig(), run, validate, None, tmp_path
    )
    serialization.write_training_job(tmp_path / "training.pt", sent, tmp_path / "told")
    read = serialization.read_training_job(tmp_path / "training.pt")
    assert read.validate(None) is read.model
    assert same(read.model, network)
    assert read.examples == sent.examples
    assert read.objective.loss_spec.pairs() == (read.objective.module, read.run)
    assert read.run.generator("a").random() == run.generator("a").random()
    told = Stages()
    serialization.ProgressReader(tmp_path / "told", told)()
    assert (told.done, told.notes) == (3, ["seen"])
    silent = serialization.read_training_job(tmp_path / "training.pt", silent=True)
    silent.validate(None)
    serialization.ProgressReader(tmp_path / "told", told)()
    assert told.done == 6  # a new reader begins at the front; the silent one added nothing


def test_progress_is_read_line_by_line(tmp_path):
    path, told = tmp_path / "told", Stages()
    read = serialization.ProgressReader(path, told)
    read()
    path.write_text('["start", "steps", 4]\n["adv')
    read()
    assert (told.stages, told.done) == ([("steps", 4)], 0)
    with path.open("a") as file:
        file.write('ance", 2, ""]\n')
    read()
    read()
    assert told.done == 2


def test_what_cannot_be_sent_is_refused_before_training(tmp_path):
    lock = threading.Lock()

    def validate(_):
        with lock:
            return 0.0

    run = context(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot be pickled: .*lock"):
        train_sft(model(), examples(), TrainConfig(**ODD, processes=2), run, validate)
    assert not run.progress.stages
    assert not list(tmp_path.rglob("training.pt"))

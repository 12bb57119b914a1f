"""The nano backbone: its cache, its weights, and that it learns."""

import json
import logging
import os
import random
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchkit.errors import DataError, MethodError
from benchkit.lm.nano import corpus as nano
from benchkit.lm.nano import starts
from benchkit.lm.nano.build import build_nano
from benchkit.lm.nano.config import NanoConfig
from benchkit.runs.progress import SilentProgress
from benchkit.testing.fixtures import toy_dataset
from benchkit.types import Catalog, Interactions

QUICK = NanoConfig(
    hidden=16, heads=1, kv_heads=1, intermediate=32, layers=1, steps=3, checks=1, pieces=64
)


@pytest.fixture(scope="module")
def view():
    return toy_dataset(users=60, items=60, length=8).train_view()


def ids(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False)


# The cache


def model_bytes(folder):
    return (folder / "model.safetensors").read_bytes()


def count_training(monkeypatch):
    """Counts how often a model is trained."""
    calls, train = [], starts.train_from_starts

    def counted(*arguments):
        calls.append(arguments)
        return train(*arguments)

    monkeypatch.setattr(starts, "train_from_starts", counted)
    return calls


def test_what_is_built_loads_and_says_how_it_was_made(view, tmp_path):
    folder = build_nano(view, QUICK, tmp_path, SilentProgress())
    assert folder.parent == tmp_path / "nano"
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    facts = json.loads((folder / "nano.json").read_text())
    assert model.config.model_type == "qwen3"
    assert model.config.eos_token_id == model.generation_config.eos_token_id
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert model.config.max_position_embeddings == QUICK.positions
    assert facts["parameters"] == sum(p.numel() for p in model.parameters())
    assert facts["vocabulary"] == len(tokenizer) == model.config.vocab_size
    assert facts["steps"] == 3
    assert facts["tokens"] > 0
    assert facts["config"] == QUICK.model_dump(mode="json")
    assert tokenizer.decode(ids(tokenizer, "a\nb\n")) == "a\nb\n"
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]


def test_a_second_call_does_not_train(view, tmp_path, monkeypatch):
    calls = count_training(monkeypatch)
    folders = {build_nano(view, QUICK, tmp_path, SilentProgress()) for _ in range(2)}
    assert len(folders) == len(calls) == 1


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "nano.json"])
def test_a_damaged_model_is_trained_again(view, tmp_path, monkeypatch, name):
    calls = count_training(monkeypatch)
    folder = build_nano(view, QUICK, tmp_path, SilentProgress())
    content = model_bytes(folder)
    damaged = bytearray((folder / name).read_bytes())
    damaged[-9] ^= 1
    (folder / name).write_bytes(damaged)
    assert build_nano(view, QUICK, tmp_path, SilentProgress()) == folder
    assert len(calls) == 2 and model_bytes(folder) == content


def test_threads_that_need_it_at_once_train_once(view, tmp_path, monkeypatch):
    calls = count_training(monkeypatch)
    with ThreadPoolExecutor(4) as pool:
        folders = set(
            pool.map(lambda _: build_nano(view, QUICK, tmp_path, SilentProgress()), range(4))
        )
    assert len(folders) == len(calls) == 1


ELSEWHERE = """
import os, sys
from pathlib import Path
from benchkit.lm.nano import starts as nano_starts
from benchkit.lm.nano.build import build_nano
from benchkit.lm.nano.config import NanoConfig
from benchkit.runs.progress import SilentProgress
from benchkit.testing.fixtures import toy_dataset

def train(*arguments, before=nano_starts.train_from_starts):
    Path(sys.argv[1], "trained", str(os.getpid())).touch()
    return before(*arguments)

nano_starts.train_from_starts = train
view = toy_dataset(users=60, items=60, length=8).train_view()
config = NanoConfig(hidden=16, heads=1, kv_heads=1, steps=3)
build_nano(view, config, Path(sys.argv[1]), SilentProgress())
"""


@pytest.mark.slow
def test_processes_that_need_it_at_once_train_once(tmp_path):
    (tmp_path / "trained").mkdir()
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path)]
    started = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(120) for process in started] == [0, 0]
    assert len(list((tmp_path / "trained").iterdir())) == 1


def test_the_same_seed_gives_the_same_weights_whatever_came_before(view, tmp_path):
    a = build_nano(view, QUICK, tmp_path / "a", SilentProgress())
    torch.rand(7)
    b = build_nano(view, QUICK, tmp_path / "b", SilentProgress())
    other = QUICK.model_copy(update={"seed": 1})
    c = build_nano(view, other, tmp_path / "b", SilentProgress())
    assert a.name == b.name != c.name
    assert model_bytes(a) == model_bytes(b) != model_bytes(c)
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        assert (a / name).read_bytes() == (b / name).read_bytes()


def test_other_data_is_another_model(view):
    titles = nano.nano_item_titles(view)
    known = nano.nano_data_hash(view, titles)
    rows = view.interactions
    turned = replace(rows, item=rows.item[::-1].copy())
    assert nano.nano_data_hash(replace(view, interactions=turned), titles) != known
    assert nano.nano_data_hash(view, [*titles[:-1], "other"]) != known
    assert nano.nano_data_hash(replace(view, validation=view.validation[1:]), titles) != known
    assert nano.nano_data_hash(view, list(titles)) == known


class Interrupts(SilentProgress):
    def advance(self, steps=1, note=""):
        raise KeyboardInterrupt


def test_an_interrupted_build_leaves_no_folder(view, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        build_nano(view, QUICK, tmp_path, Interrupts())
    assert not [path for path in (tmp_path / "nano").iterdir() if path.is_dir()]
    assert build_nano(view, QUICK, tmp_path, SilentProgress()).is_dir()


def test_what_a_killed_process_left_is_removed(view, tmp_path):
    name = build_nano(view, QUICK, tmp_path / "first", SilentProgress()).name
    left = tmp_path / "nano" / f".{name}-abc"
    left.mkdir(parents=True)
    build_nano(view, QUICK, tmp_path, SilentProgress())
    assert not left.exists()


def test_the_process_is_left_as_it_was(view, tmp_path):
    def state():
        return (
            random.getstate(), str(np.random.get_state()),  # noqa: NPY002
            torch.get_rng_state().tolist(),
            dict(os.environ), list(warnings.filters), torch.get_default_dtype(),
            logging.getLogger("transformers").level, torch.get_num_threads(),
            torch.is_grad_enabled(),
        )  # fmt: skip

    torch.set_default_dtype(torch.float64)
    try:
        before = state()
        with torch.no_grad():
            folder = build_nano(view, QUICK, tmp_path, SilentProgress())
        assert state() == before
    finally:
        torch.set_default_dtype(torch.float32)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_nothing_to_learn_from_is_said(view, tmp_path):
    nothing = Interactions(
        np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(len(view.users) + 1, np.int64)
    )
    with pytest.raises(DataError, match="no training interactions"):
        build_nano(replace(view, interactions=nothing), QUICK, tmp_path, SilentProgress())


def test_a_loss_that_is_no_number_is_said(view, tmp_path):
    wild = QUICK.model_copy(update={"learning_rate": 1e30, "warmup": 1, "steps": 20})
    with pytest.raises(MethodError, match="lower its learning_rate"):
        build_nano(view, wild, tmp_path, SilentProgress())


@pytest.mark.parametrize("wrong", [{"hidden": 30, "heads": 4}, {"kv_heads": 3}, {"depth": 2}])
def test_wrong_shapes_are_refused(wrong):
    with pytest.raises(ValidationError):
        NanoConfig(**wrong)


# Learning


@pytest.fixture(scope="module")
def world():
    return toy_dataset(users=200, items=60, length=12).train_view()


@pytest.fixture(scope="module")
def learnt(world, tmp_path_factory):
    folder = build_nano(world, NanoConfig(), tmp_path_factory.mktemp("cache"), SilentProgress())
    facts = json.loads((folder / "nano.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return facts, AutoModelForCausalLM.from_pretrained(folder).eval(), tokenizer


def test_it_learns_the_toy_world(world, learnt):
    facts, model, tokenizer = learnt
    assert facts["loss"] < 0.3 * np.log(facts["vocabulary"])
    assert facts["validation_loss"] < 0.5 * np.log(facts["vocabulary"])
    titles = dict(zip(world.catalog.ids, nano.nano_item_titles(world), strict=True))
    better = []
    for request, target in world.validation[:100]:
        prompt = ids(tokenizer, "".join(titles[event.item] + "\n" for event in request.history))
        scores = []
        for item in request.candidates:
            answer = ids(tokenizer, titles[item] + "\n")
            with torch.no_grad():
                logs = model(torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
            at = torch.arange(len(prompt) - 1, len(prompt) + len(answer) - 1)
            scores.append(float(logs[at, torch.tensor(answer)].sum()))
        better.append((np.array(scores) > scores[request.candidates.index(target)]).sum())
    assert np.mean(np.array(better) < 5) > 0.5  # by chance 5 of 20 candidates: 0.25


def test_a_new_title_can_be_asked_for(learnt):
    _, model, tokenizer = learnt
    new = ids(tokenizer, "Ωmega: A film nobody knows\n")
    with torch.no_grad():
        loss = model(torch.tensor([new]), labels=torch.tensor([new])).loss
    assert torch.isfinite(loss)


def test_items_without_a_title_are_called_by_their_id(view):
    catalog = Catalog(view.catalog.ids, {"title": [None, *view.catalog.texts["title"][1:]]})
    assert nano.nano_item_titles(replace(view, catalog=catalog))[0] == view.catalog.ids[0]

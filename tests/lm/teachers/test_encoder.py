"""MiniLM by its package: what it needs, what it leaves, and what is stored of it."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest

from benchkit.errors import ConfigError
from benchkit.lm.teachers import encoder
from benchkit.lm.teachers.encoder import MiniLMEncoder, item_embedding_texts, load_or_encode
from benchkit.types import Catalog
from tests.support.counting_encoder import CountingEncoder


def test_vectors_are_kept_by_content(tmp_path):
    counting = CountingEncoder()
    first = load_or_encode(counting, ["a", "b"], tmp_path)
    np.testing.assert_array_equal(load_or_encode(counting, ["a", "b"], tmp_path), first)
    assert counting.calls == 1
    load_or_encode(counting, ["a", "bc"], tmp_path)
    assert counting.calls == 2
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(load_or_encode(counting, ["a", "b"], tmp_path), first)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json"] * 2 + [".npy"] * 2


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(encoder, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"benchkit\[teacher\]"):
        MiniLMEncoder()


def test_item_texts_hold_title_and_kind():
    texts = {"title": ["A", "B"], "genres": ["Drama", None], "description": ["long", "x"]}
    assert item_embedding_texts(Catalog(("1", "2"), texts)) == ["A. Drama", "B"]


STATE = """
import os, logging, random, sys, warnings
import numpy as np, torch, socket
os.environ["HF_HUB_OFFLINE"] = "1"
from benchkit.lm.teachers.encoder import MiniLMEncoder
def blocked(*_): raise AssertionError("network")
socket.socket.connect = blocked
def state():
    root = logging.getLogger()
    return (dict(os.environ), root.level, root.handlers[:], warnings.filters[:], random.getstate(),
            str(np.random.get_state()), torch.get_rng_state().tolist(), torch.get_num_threads(),
            torch.get_default_dtype(), torch.is_grad_enabled())
before = state()
found = MiniLMEncoder().encode(["green tea", "black tea", "motor oil"])
assert [a == b for a, b in zip(before, state())] == [True] * 10
assert found.shape == (3, 384) and found.dtype == np.float32
assert abs(np.linalg.norm(found, axis=1) - 1).max() < 1e-5
assert found[0] @ found[1] > found[0] @ found[2]
"""


@pytest.mark.slow
def test_minilm_leaves_the_process_as_it_was(installed):
    done = subprocess.run(
        [sys.executable, "-c", STATE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""


@pytest.mark.slow
def test_int8_keeps_the_directions_of_minilm(installed):
    texts = [
        "green tea",
        "a thriller about a bank robbery in winter, with a twist",
        " x\n",
        ".",
        "",
    ]
    exact = MiniLMEncoder().encode(texts)
    fast = MiniLMEncoder("int8")
    vectors = fast.encode(texts)
    assert vectors.shape == exact.shape and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    cosines = (vectors * exact).sum(axis=1)
    assert cosines[:2].min() > 0.99 and cosines.min() > 0.97  # the last ones have hardly any token
    assert fast.name == MiniLMEncoder().name + "/int8"  # never taken for the others


@pytest.mark.slow
def test_a_call_beside_another_finds_all_threads(installed, monkeypatch):
    import torch

    threads_of_calls, inside = [], Event()

    def encode(self, texts, threads):
        threads_of_calls.append(threads)
        inside.set()
        time.sleep(0.5)
        return np.zeros((len(texts), 384), dtype=np.float32)

    monkeypatch.setattr(encoder.Int8Bert, "encode", encode)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(MiniLMEncoder("int8").encode, ["green tea"])
            assert inside.wait(60)
            second = pool.submit(MiniLMEncoder("int8").encode, ["motor oil"])
            assert len(first.result()) == len(second.result()) == 1
        assert threads_of_calls == [2, 2]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_no_text_has_no_vector(precision, monkeypatch):
    monkeypatch.setattr(encoder, "_PACKAGES", ())  # nothing is loaded, so nothing is needed
    monkeypatch.setattr(encoder.metadata, "version", lambda package: "0")
    assert MiniLMEncoder(precision).encode([]).shape == (0, 384)

"""The nano backbone: its tokenizer, its windows, its cache, and that it learns."""

import itertools
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
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchkit.errors import DataError, MethodError
from benchkit.lm import nano, nano_tokenizer, nano_training
from benchkit.lm.engine import Message, Prompt
from benchkit.lm.nano import NanoConfig, build
from benchkit.lm.nano_training import Corpus
from benchkit.lm.tokens import continuation_ids, end_of_turn, prompt_ids
from benchkit.protocols import Catalog, Interactions
from benchkit.testing import NullProgress, toy_dataset

TITLES = {"Toy Story (1995)": 9, "Heat": 5, "Dead Heat": 4, "日本 é": 3, "Rarely Seen": 1, "": 7}
QUICK = NanoConfig(
    hidden=16, heads=1, kv_heads=1, intermediate=32, layers=1, steps=3, checks=1, pieces=64
)


@pytest.fixture(scope="module")
def tokenizer():
    return nano_tokenizer.learn(TITLES, ["Crime Drama Thriller"], pieces=200)


@pytest.fixture(scope="module")
def view():
    return toy_dataset(users=60, items=60, length=8).train_view()


def ids(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False)


# The tokenizer


@given(st.text())
def test_any_text_comes_back(tokenizer, text):
    encoded = ids(tokenizer, text)
    assert tokenizer.decode(encoded, skip_special_tokens=False) == text
    assert all(0 <= i < len(tokenizer) for i in encoded)


@given(st.lists(st.text(st.characters(exclude_characters="\n<", exclude_categories=["Cs"]))))
def test_lines_are_cut_alike_alone_and_together(tokenizer, lines):
    together = ids(tokenizer, "".join(line + "\n" for line in lines))
    apart = [[*ids(tokenizer, line), tokenizer.eos_token_id] for line in lines]
    assert together == list(itertools.chain.from_iterable(apart))


def test_frequent_titles_are_one_token_wherever_they_stand(tokenizer):
    for title in ("Toy Story (1995)", "Heat", "Dead Heat", "日本 é"):
        own = ids(tokenizer, title)
        assert len(own) == 1
        assert own[0] in ids(tokenizer, f"because you liked {title}, a film")
    assert len(ids(tokenizer, "Rarely Seen")) > 1  # below min_count


def test_titles_take_only_the_room_there_is():
    counts = {f"The {i}th Film Ever Made": 1000 - i for i in range(900)}
    tokenizer = nano_tokenizer.learn(counts, pieces=100, vocabulary=512)
    assert len(tokenizer) == 512
    one = [title for title in counts if len(ids(tokenizer, title)) == 1]
    assert one == list(counts)[: len(one)]
    assert 100 < len(one) < 200


def test_marks_and_words_are_not_spelt(tokenizer):
    answer = ids(tokenizer, "<think>Crime Drama Thriller</think><item>Heat</item>")
    named = tokenizer.convert_ids_to_tokens(answer)
    assert [t for t in named if t in nano_tokenizer.MARKS] == list(nano_tokenizer.MARKS)
    assert len(answer) < 18
    letters = " because the user likes similar genres"
    assert len(ids(tokenizer, letters)) < len(letters) / 2


def test_a_turn_ends_with_the_line(tokenizer):
    assert tokenizer.eos_token == tokenizer.bos_token == "\n"
    assert tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)
    assert end_of_turn(tokenizer) == (tokenizer.eos_token_id,)
    line = [*ids(tokenizer, "Heat"), tokenizer.eos_token_id]
    assert continuation_ids(tokenizer, "Heat", end=True) == line


def test_the_chat_template_is_plain_text(tokenizer):
    prompt = Prompt("k", (Message("user", "Heat\nDead Heat\n"),), begun=("<think>",))
    plain = ids(tokenizer, "Heat\nDead Heat\n<think>")
    assert prompt_ids(tokenizer, prompt) == plain
    turns = [{"role": "user", "content": "Heat\n"}, {"role": "assistant", "content": " x "}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == "Heat\n x "


def test_short_texts_are_those_beside_the_title():
    columns = {
        "title": ["A"], "genres": ["Crime\n Drama", None, "Crime Drama"], "about": ["x" * 100],
    }  # fmt: skip
    assert nano_tokenizer.short_texts(columns) == ["Crime Drama"]


# Windows and loss


def corpus(sizes, histories, validation=()):
    """Item i has sizes[i] tokens: its code plus ten, and the end of line, 0."""
    items = [np.array([10 + i] * (size - 1) + [0]) for i, size in enumerate(sizes)]
    return Corpus(items, [np.array(h, dtype=np.int32) for h in histories], validation, eos=0)


def test_windows_hold_every_title_whole_and_once():
    data = corpus([2, 3, 4], [[0, 1, 2] * 20, [2], []])
    starts = set()
    for seed in range(20):
        found = list(nano_training.windows(data, 16, 0.0, np.random.default_rng(seed)))
        assert max(map(len, found)) <= 16
        assert all(window[-1] == 0 for window in found)  # cut at the end of a title
        # The end of line with which half of the histories open belongs to no title.
        total = sum(len(window) - (window[0] == 0) for window in found)
        assert total == 3 * 20 * 3 + 4
        opened = [window for window in found if window[0] == 0]
        starts.add(len(max(found, key=len)))
        starts.update(-len(window) for window in opened)
    assert any(start < 0 for start in starts)


def test_cuts_fall_elsewhere_each_time():
    data = corpus([2] * 50, [list(range(50))])
    rng = np.random.default_rng(0)
    first = {next(nano_training.windows(data, 10, 0.0, rng))[-2] for _ in range(40)}
    assert len(first) >= 4


def test_a_title_longer_than_the_window_is_cut():
    data = corpus([40, 2], [[1, 0, 1]])
    found = list(nano_training.windows(data, 16, 0.0, np.random.default_rng(1)))
    assert max(map(len, found)) <= 16
    assert sum(len(w) - (w[0] == 0) for w in found) >= 40


def test_skipping_leaves_out_that_share():
    data = corpus([2] * 20, [list(range(20))] * 200)
    found = nano_training.windows(data, 64, 0.25, np.random.default_rng(0))
    titles = sum(int((window != 0).sum()) for window in found)
    assert titles / 4000 == pytest.approx(0.75, abs=0.03)


def test_batches_are_of_like_sizes_and_go_on_without_end():
    data = corpus([2], [[0] * n for n in (3, 4, 20, 25, 30) * 20])
    feed = nano_training.batches(data, 64, 0.0, 100, np.random.default_rng(0))
    taken = list(itertools.islice(feed, 200))
    sizes = [sum(map(len, batch)) for batch in taken]
    assert 50 < np.mean(sizes) < 150
    assert np.mean([len({len(w) // 8 for w in batch}) for batch in taken]) < 2.5


def tiny():
    tokenizer = nano_tokenizer.learn({"A": 3}, pieces=0)
    with torch.random.fork_rng(devices=[]):
        return nano.new_model(QUICK, tokenizer)


def test_the_loss_is_that_of_transformers_and_padding_does_not_count():
    model = tiny()
    rows = [np.array([5, 6, 7, 8, 9]), np.array([9, 3]), np.array([4, 4, 4])]
    total = sum(
        float(model(ids, labels=ids).loss.detach()) * (ids.shape[1] - 1)
        for ids in (torch.from_numpy(row)[None] for row in rows)
    )
    loss = float(nano_training.next_token_loss(model, rows, 0).detach())
    assert loss == pytest.approx(total / 7, rel=1e-5)


@pytest.mark.parametrize("architecture", ["qwen3", "gemma3_text"])
def test_a_token_is_predicted_from_those_before_it(architecture):
    tokenizer = nano_tokenizer.learn({"A": 3}, pieces=0)
    with torch.random.fork_rng(devices=[]):
        config = QUICK.model_copy(update={"architecture": architecture})
        model = nano.new_model(config, tokenizer).eval()
    one, other = torch.tensor([[3, 4, 5, 6]]), torch.tensor([[3, 4, 9, 8]])
    a, b = (nano_training.states(model, x).detach() for x in (one, other))
    torch.testing.assert_close(a[:, :2], b[:, :2])
    assert not torch.allclose(a[:, 2:], b[:, 2:])


def test_the_validation_loss_is_that_of_the_title_after_the_history():
    data = corpus([2, 3, 4], [], [(np.array([0, 1]), 2), (np.array([], dtype=int), 1)])
    model = tiny().eval()

    def expected(prompt, answer):
        logits = model(input_ids=torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(-1)
        at = range(len(prompt) - 1, len(prompt) + len(answer) - 1)
        return -sum(float(logits[i, token]) for i, token in zip(at, answer, strict=True))

    with torch.no_grad():
        hand = expected([10, 0, 11, 11, 0], [12, 12, 12, 0]) + expected([0], [11, 11, 0])
    assert nano_training.validation_loss(model, data, 64) == pytest.approx(hand / 2, rel=1e-5)


def test_steps_follow_the_data():
    config = NanoConfig(skip=0.0)
    assert nano_training.plan(corpus([2], [[0] * 64]), config) == (60, 128)
    assert nano_training.plan(corpus([2], [[0] * 500] * 1000), config) == (2000, 1024)


# The cache


def model_bytes(folder):
    return (folder / "model.safetensors").read_bytes()


def count_training(monkeypatch):
    """Counts how often a model is trained."""
    calls, train = [], nano_training.train

    def counted(*arguments):
        calls.append(arguments)
        return train(*arguments)

    monkeypatch.setattr(nano_training, "train", counted)
    return calls


def test_what_is_built_loads_and_says_how_it_was_made(view, tmp_path):
    folder = build(view, QUICK, tmp_path, NullProgress())
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
    folders = {build(view, QUICK, tmp_path, NullProgress()) for _ in range(2)}
    assert len(folders) == len(calls) == 1


def test_threads_that_need_it_at_once_train_once(view, tmp_path, monkeypatch):
    calls = count_training(monkeypatch)
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: build(view, QUICK, tmp_path, NullProgress()), range(4)))
    assert len(folders) == len(calls) == 1


ELSEWHERE = """
import os, sys
from pathlib import Path
from benchkit.lm import nano, nano_training
from benchkit.testing import NullProgress, toy_dataset

def train(*arguments, before=nano_training.train):
    Path(sys.argv[1], "trained", str(os.getpid())).touch()
    return before(*arguments)

nano_training.train = train
view = toy_dataset(users=60, items=60, length=8).train_view()
config = nano.NanoConfig(hidden=16, heads=1, kv_heads=1, steps=3)
nano.build(view, config, Path(sys.argv[1]), NullProgress())
"""


@pytest.mark.slow
def test_processes_that_need_it_at_once_train_once(tmp_path):
    (tmp_path / "trained").mkdir()
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path)]
    started = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(120) for process in started] == [0, 0]
    assert len(list((tmp_path / "trained").iterdir())) == 1


def test_the_same_seed_gives_the_same_weights_whatever_came_before(view, tmp_path):
    a = build(view, QUICK, tmp_path / "a", NullProgress())
    torch.rand(7)
    b = build(view, QUICK, tmp_path / "b", NullProgress())
    other = QUICK.model_copy(update={"seed": 1})
    c = build(view, other, tmp_path / "b", NullProgress())
    assert a.name == b.name != c.name
    assert model_bytes(a) == model_bytes(b) != model_bytes(c)
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        assert (a / name).read_bytes() == (b / name).read_bytes()


def test_other_data_is_another_model(view):
    titles = nano.titles_of(view)
    known = nano.data_hash(view, titles)
    rows = view.interactions
    turned = replace(rows, item=rows.item[::-1].copy())
    assert nano.data_hash(replace(view, interactions=turned), titles) != known
    assert nano.data_hash(view, [*titles[:-1], "other"]) != known
    assert nano.data_hash(replace(view, validation=view.validation[1:]), titles) != known
    assert nano.data_hash(view, list(titles)) == known


class Interrupts(NullProgress):
    def advance(self, steps=1, note=""):
        raise KeyboardInterrupt


def test_an_interrupted_build_leaves_no_folder(view, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        build(view, QUICK, tmp_path, Interrupts())
    assert not [path for path in (tmp_path / "nano").iterdir() if path.is_dir()]
    assert build(view, QUICK, tmp_path, NullProgress()).is_dir()


def test_what_a_killed_process_left_is_removed(view, tmp_path):
    name = build(view, QUICK, tmp_path / "first", NullProgress()).name
    left = tmp_path / "nano" / f".{name}-abc"
    left.mkdir(parents=True)
    build(view, QUICK, tmp_path, NullProgress())
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
            folder = build(view, QUICK, tmp_path, NullProgress())
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
        build(replace(view, interactions=nothing), QUICK, tmp_path, NullProgress())


def test_a_loss_that_is_no_number_is_said(view, tmp_path):
    wild = QUICK.model_copy(update={"learning_rate": 1e30, "warmup": 1, "steps": 20})
    with pytest.raises(MethodError, match="lower its learning_rate"):
        build(view, wild, tmp_path, NullProgress())


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
    folder = build(world, NanoConfig(), tmp_path_factory.mktemp("cache"), NullProgress())
    facts = json.loads((folder / "nano.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return facts, AutoModelForCausalLM.from_pretrained(folder).eval(), tokenizer


def test_it_learns_the_toy_world(world, learnt):
    facts, model, tokenizer = learnt
    assert facts["loss"] < 0.3 * np.log(facts["vocabulary"])
    assert facts["validation_loss"] < 0.5 * np.log(facts["vocabulary"])
    titles = dict(zip(world.catalog.ids, nano.titles_of(world), strict=True))
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
    assert nano.titles_of(replace(view, catalog=catalog))[0] == view.catalog.ids[0]

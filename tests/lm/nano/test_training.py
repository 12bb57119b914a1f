"""How nano is trained: windows, batches, losses, steps."""

import itertools

import numpy as np
import pytest
import torch

from benchkit.lm.nano import tokenizer as nano_tokenizer
from benchkit.lm.nano import training
from benchkit.lm.nano.config import NanoConfig
from benchkit.lm.nano.corpus import NanoCorpus
from benchkit.lm.nano.model import init_nano_model

QUICK = NanoConfig(
    hidden=16, heads=1, kv_heads=1, intermediate=32, layers=1, steps=3, checks=1, pieces=64
)


def corpus(sizes, histories, validation=()):
    """Item i has sizes[i] tokens: its code plus ten, and the end of line, 0."""
    items = [np.array([10 + i] * (size - 1) + [0]) for i, size in enumerate(sizes)]
    return NanoCorpus(items, [np.array(h, dtype=np.int32) for h in histories], validation, eos=0)


def test_windows_hold_every_title_whole_and_once():
    data = corpus([2, 3, 4], [[0, 1, 2] * 20, [2], []])
    starts = set()
    for seed in range(20):
        found = list(training.sample_windows(data, 16, 0.0, np.random.default_rng(seed)))
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
    first = {next(training.sample_windows(data, 10, 0.0, rng))[-2] for _ in range(40)}
    assert len(first) >= 4


def test_a_title_longer_than_the_window_is_cut():
    data = corpus([40, 2], [[1, 0, 1]])
    found = list(training.sample_windows(data, 16, 0.0, np.random.default_rng(1)))
    assert max(map(len, found)) <= 16
    assert sum(len(w) - (w[0] == 0) for w in found) >= 40


def test_skipping_leaves_out_that_share():
    data = corpus([2] * 20, [list(range(20))] * 200)
    found = training.sample_windows(data, 64, 0.25, np.random.default_rng(0))
    titles = sum(int((window != 0).sum()) for window in found)
    assert titles / 4000 == pytest.approx(0.75, abs=0.03)


def test_batches_are_of_like_sizes_and_go_on_without_end():
    data = corpus([2], [[0] * n for n in (3, 4, 20, 25, 30) * 20])
    feed = training.window_batches(data, 64, 0.0, 100, np.random.default_rng(0))
    taken = list(itertools.islice(feed, 200))
    sizes = [sum(map(len, batch)) for batch in taken]
    assert 50 < np.mean(sizes) < 150
    assert np.mean([len({len(w) // 8 for w in batch}) for batch in taken]) < 2.5


def tiny():
    tokenizer = nano_tokenizer.train_nano_tokenizer({"A": 3}, pieces=0)
    with torch.random.fork_rng(devices=[]):
        return init_nano_model(QUICK, tokenizer)


def test_the_loss_is_that_of_transformers_and_padding_does_not_count():
    model = tiny()
    rows = [np.array([5, 6, 7, 8, 9]), np.array([9, 3]), np.array([4, 4, 4])]
    total = sum(
        float(model(ids, labels=ids).loss.detach()) * (ids.shape[1] - 1)
        for ids in (torch.from_numpy(row)[None] for row in rows)
    )
    loss = float(training.next_token_loss(model, rows, 0).detach())
    assert loss == pytest.approx(total / 7, rel=1e-5)


def test_one_end_of_line_in_eight_is_learnt_from(monkeypatch):
    seen = []
    monkeypatch.setattr(
        training, "cross_entropy", lambda states, table, labels: seen.append(labels) or labels
    )
    rows = [np.array([5, 0] * 400), np.array([6, 0, 7])]
    training.next_token_loss(tiny(), rows, 0, np.random.default_rng(0))
    [labels] = seen
    assert (labels == 5).sum() == 399 and (labels == 7).sum() == 1
    assert 30 <= (labels == 0).sum() <= 72  # 401 / 8 = 50, and standard errors of 6.6


def test_a_step_has_something_to_learn_from_where_there_are_only_ends_of_line():
    rows = [np.array([5, 0]), np.array([6, 0])]
    model = tiny()
    every = float(training.next_token_loss(model, rows, 0).detach())
    alone = [float(training.next_token_loss(model, [row], 0).detach()) for row in rows]
    for seed in range(20):
        loss = training.next_token_loss(model, rows, 0, np.random.default_rng(seed))
        assert float(loss.detach()) in (every, *map(pytest.approx, alone))


@pytest.mark.parametrize("architecture", ["qwen3", "gemma3_text"])
def test_a_token_is_predicted_from_those_before_it(architecture):
    tokenizer = nano_tokenizer.train_nano_tokenizer({"A": 3}, pieces=0)
    with torch.random.fork_rng(devices=[]):
        config = QUICK.model_copy(update={"architecture": architecture})
        model = init_nano_model(config, tokenizer).eval()
    one, other = torch.tensor([[3, 4, 5, 6]]), torch.tensor([[3, 4, 9, 8]])
    a, b = (training.last_hidden_states(model, x).detach() for x in (one, other))
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
    assert training.nano_validation_loss(model, data, 64) == pytest.approx(hand / 2, rel=1e-5)


def test_steps_follow_the_data():
    config = NanoConfig(skip=0.0)
    assert training.plan_steps(corpus([2], [[0] * 64]), config) == (60, 128)
    assert training.plan_steps(corpus([2], [[0] * 500] * 1000), config) == (2000, 1024)


class Silent:
    def start(self, what, total=None):
        pass

    def advance(self, steps=1, note=""):
        pass


@pytest.mark.parametrize(
    ("losses", "checks", "best"),
    [
        ([5.0, 4.0, 3.0, 2.0], 4, 2.0),
        ([5.0, 4.0, 3.995, 3.991, 2.0], 4, 3.991),  # two in a row that gain less than .01
        ([5.0, 4.0, 4.2, 3.9, 3.8], 5, 3.8),  # one alone does not end it
        ([5.0, 4.0, 4.1, 4.2, 1.0], 4, 4.0),
    ],
)
def test_training_ends_where_checks_gain_too_little(monkeypatch, losses, checks, best):
    data = corpus([2] * 40, [[*range(40)] * 20] * 40, [(np.array([0, 1]), 2)])
    config = QUICK.model_copy(
        update={"epochs": 1000, "steps": 20 * len(losses), "checks": 100, "patience": 2}
    )
    feed = iter(losses)
    monkeypatch.setattr(training, "nano_validation_loss", lambda *_: next(feed))
    step = torch.zeros(())
    monkeypatch.setattr(training, "_make_stepper", lambda *_: lambda *_args: step)
    result = training.train_nano(tiny(), data, config, Silent())
    assert result.steps == 20 * checks
    assert result.validation_loss == best

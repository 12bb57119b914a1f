"""SASRec: the network, its losses, its windows, and what training makes of small data."""

import dataclasses
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from baselines.cf.popularity import Popularity
from baselines.cf.sasrec import SASRec
from baselines.cf.windows import Windows, batch_windows, cut_windows
from benchkit.data.dataset import TrainData
from benchkit.errors import DataError
from benchkit.evaluation.lookup import find_metric
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.types import Catalog, Event, Interactions, Request

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from baselines.cf import sasrec_network  # noqa: E402
from baselines.cf.sasrec_network import SASRecNetwork, cross_entropy, dropout, gbce  # noqa: E402

CYCLE = 12  # items of the data in which every item has one successor


class Notes:
    """A Progress that remembers its notes."""

    def __init__(self):
        self.notes = []

    def start(self, what, total=None):
        self.notes.clear()

    def advance(self, steps=1, note=""):
        self.notes.append(note)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(n_items: int = 10, max_length: int = 8, std: float = 0.5) -> SASRecNetwork:
    small = SASRecNetwork(n_items, hidden=16, layers=2, heads=2, max_length=max_length)
    return small.initialise(generator(), std=std)


def cycles(users: int = 40, length: int = 7) -> TrainData:
    """Users who walk round a circle of items, each from a place of their own."""
    items = (np.arange(users)[:, None] + np.arange(length)) % CYCLE
    interactions = Interactions(
        user=np.repeat(np.arange(users, dtype=np.int32), length),
        item=items.reshape(-1).astype(np.int32),
        offsets=np.arange(users + 1, dtype=np.int64) * length,
    )
    catalog = Catalog(tuple(f"i{code}" for code in range(CYCLE)), {})
    return TrainData("cycles", [f"u{u}" for u in range(users)], catalog, interactions, ())


def fit(data: TrainData, seed: int = 0, progress: Notes | None = None, **config) -> SASRec:
    run = dataclasses.replace(run_context(data.catalog, seed=seed), progress=progress or Notes())
    method = SASRec(SASRec.Config(**{"hidden": 32, "max_length": 20, **config}))
    method.fit(data, run)
    return method


def ask(data: TrainData, *histories: list[int]) -> list[Request]:
    every = data.catalog.ids
    return [
        Request(f"case:{n}", "nobody", tuple(Event(every[code]) for code in history), every)
        for n, history in enumerate(histories)
    ]


@pytest.fixture(scope="module")
def toy():
    return toy_dataset()


@pytest.fixture(scope="module")
def trained(toy):
    """A model of the toy dataset, and its notes."""
    progress = Notes()
    return fit(toy.train_view(), progress=progress, batch_size=512, epochs=15), progress.notes


# The network


def test_a_state_depends_on_the_past_alone():
    net, codes = network(), torch.tensor([[3, 1, 4, 1, 5, 9]])
    states = net(codes)
    for t in range(5):
        changed = codes.clone()
        changed[0, t + 1] = 7
        after = net(changed)
        torch.testing.assert_close(after[:, : t + 1], states[:, : t + 1], rtol=0, atol=0)
        assert (after[:, t + 1 :] - states[:, t + 1 :]).abs().amax(dim=-1).min() > 1e-4


def test_padding_after_a_sequence_is_not_seen():
    net, codes = network(), torch.tensor([[3, 1, 4]])
    padded = torch.tensor([[3, 1, 4, net.padding, net.padding]])
    torch.testing.assert_close(net(padded)[:, :3], net(codes), rtol=1e-5, atol=1e-6)


def test_the_padding_row_is_zero_and_no_item(trained, toy):
    net = trained[0].network
    assert not net.table.weight[net.padding].any()
    assert len(net.table.weight) == len(toy.catalog) + 1
    assert len(trained[0].item_embeddings) == len(toy.catalog)


def test_attention_by_hand():
    # One layer, one head, made to copy its input: the state is what the formulas say.
    net = SASRecNetwork(3, hidden=2, layers=1, heads=1, max_length=4).initialise(generator(), 1.0)
    x = net.items[[0, 2]] + net.positions.weight[:2]
    (block,) = net.blocks
    q, k, v = block.qkv(F.layer_norm(x, (2,))).chunk(3, dim=1)
    second = torch.softmax(q[1] @ k.T / 2**0.5, dim=0) @ v
    x = x + block.out(torch.stack([v[0], second]))
    x = x + block.narrow(F.gelu(block.wide(F.layer_norm(x, (2,)))))
    torch.testing.assert_close(net(torch.tensor([[0, 2]]))[0], F.layer_norm(x, (2,)))


def test_dropout_zeroes_and_rescales():
    x = torch.ones(1000, 101)
    dropped = dropout(x, 0.3, generator())
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert torch.equal(dropout(x, 0.3, generator()), dropped)
    assert not torch.equal(dropout(x, 0.3, generator(1)), dropped)
    assert torch.equal(dropout(x, 0.0, generator()), x)


def test_the_network_drops_nothing_unless_told():
    net, codes = network(), torch.tensor([[3, 1, 4]])
    assert torch.equal(net(codes), net(codes))
    source = generator()
    dropped = net(codes, lambda x: dropout(x, 0.5, source))
    assert not torch.allclose(dropped, net(codes))


# The losses


def test_cross_entropy_by_hand():
    states, items = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 5.0]])
    loss = cross_entropy(states, items, torch.tensor([2]))
    assert loss.item() == pytest.approx(np.log(np.exp(2) + np.exp(0) + np.exp(1)) - 1)


def test_cross_entropy_and_its_gradients_are_those_of_torch(monkeypatch):
    monkeypatch.setattr(sasrec_network, "_ROWS", 4)
    draws = [torch.randn(n, 5, dtype=torch.float64, generator=generator(n)) for n in (10, 7)]
    states, items = (x.requires_grad_() for x in draws)
    target = torch.randint(0, 7, (10,), generator=generator())
    losses = [
        cross_entropy(states, items, target),
        F.cross_entropy(states @ items.T, target),
    ]
    ours, theirs = (torch.autograd.grad(3.0 * loss, (states, items)) for loss in losses)
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(ours, theirs)


def test_cross_entropy_of_large_logits_is_finite():
    states = torch.tensor([[100.0]])
    loss = cross_entropy(states, torch.tensor([[100.0], [0.0]]), torch.tensor([1]))
    assert loss.item() == pytest.approx(10_000.0)


def test_gbce_by_hand():
    def log_sigma(x):
        return -np.log1p(np.exp(-x))

    positive, negative = torch.tensor([1.0]), torch.tensor([[-0.5, 2.0]])
    others = log_sigma(0.5) + log_sigma(-2.0)
    # 2 negatives of 5 items: alpha = 2 / 4; beta = (t (1 - 2) + 2) / 2.
    for t, beta in ((0.0, 1.0), (0.5, 0.75), (1.0, 0.5)):
        expected = -(beta * log_sigma(1.0) + others) / 3
        assert gbce(positive, negative, 5, t).item() == pytest.approx(expected, rel=1e-6)


def test_gbce_without_calibration_is_binary_cross_entropy():
    positive, negative = (torch.randn(n, generator=generator(n)) for n in (6, 18))
    labels = torch.cat([torch.ones(6), torch.zeros(18)])
    expected = F.binary_cross_entropy_with_logits(torch.cat([positive, negative]), labels)
    torch.testing.assert_close(gbce(positive, negative.view(6, 3), 50, 0.0), expected)


# The windows


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=12), st.integers(1, 5), st.integers(0, 9))
def test_each_next_item_is_a_label_once(sizes, length, seed):
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    user = np.repeat(np.arange(len(sizes)), sizes)
    windows = cut_windows(offsets, length, np.random.default_rng(seed))
    labels = [
        row + 1 for start, size in zip(*windows, strict=True) for row in range(start, start + size)
    ]
    has_one_before = np.flatnonzero(user[1:] == user[:-1]) + 1
    assert sorted(labels) == has_one_before.tolist()
    assert ((windows.size >= 1) & (windows.size <= length)).all()
    assert (user[windows.start] == user[windows.start + windows.size]).all()


def test_the_cuts_move_and_short_sequences_are_whole():
    rng, offsets = np.random.default_rng(0), np.array([0, 100, 108])
    starts = {tuple(cut_windows(offsets, 10, rng).start.tolist()) for _ in range(20)}
    assert len(starts) > 5
    assert all(start[-1] == 100 for start in starts)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(1, 40))
def test_batches_hold_every_window_once(sizes, labels):
    windows = Windows(np.arange(len(sizes)) * 100, np.array(sizes))
    parts = list(batch_windows(windows, labels, np.random.default_rng(0)))
    assert sorted(np.concatenate([part.start for part in parts])) == windows.start.tolist()
    assert all(part.size.sum() < labels * 2 + 9 for part in parts)


def test_rows_of_a_window():
    rows, valid = Windows(np.array([4, 9]), np.array([3, 1])).rows()
    assert rows.tolist() == [[4, 5, 6], [9, 0, 0]]
    assert valid.tolist() == [[True, True, True], [True, False, False]]


# Training


@pytest.mark.parametrize("loss", ["bce", "gbce", "cross-entropy"])
def test_every_loss_learns_the_one_successor(loss):
    data = cycles()
    method = fit(data, loss=loss, negatives=2, epochs=80, dropout=0.0, learning_rate=0.01)
    scores = method.score_items(ask(data, *([code] for code in range(CYCLE))))
    assert scores.argmax(axis=1).tolist() == [(code + 1) % CYCLE for code in range(CYCLE)]


def test_one_batch_is_learned_by_heart():
    data, progress = cycles(users=6), Notes()
    fit(data, progress=progress, epochs=150, dropout=0.0, batch_size=1000, learning_rate=0.01)
    assert float(progress.notes[-1].removeprefix("loss ")) < 0.02


def test_it_learns_what_popularity_cannot(trained, toy):
    asked = list(toy.requests(toy.test))
    run, popularity = run_context(toy.catalog), Popularity()
    popularity.fit(toy.train_view(), run)

    def ndcg(method):
        scores = [answer.scores for answer in method.predict(asked, run)]
        ranks = ranks_from_scores(scores, toy.test.target_position)
        return find_metric("ndcg@5").values(ranks).mean()

    assert ndcg(trained[0]) > ndcg(popularity) + 0.2


def test_the_best_epoch_is_kept(toy):
    data, progress = toy.train_view(), Notes()
    method = fit(data, progress=progress, learning_rate=0.1, patience=2, epochs=50)
    found = [float(note.split("ndcg@10 ")[1]) for note in progress.notes]
    assert len(found) - 1 - int(np.argmax(found)) == 2 or len(found) == 50
    assert method._ndcg(data.validation, run_context(data.catalog)) == pytest.approx(
        max(found), abs=1e-3
    )


def test_without_validation_cases_all_epochs_are_trained():
    progress = Notes()
    fit(cycles(), progress=progress, epochs=7)
    assert len(progress.notes) == 7
    assert all("ndcg" not in note for note in progress.notes)


def test_the_seed_decides_and_nothing_else(toy):
    data, asked = toy.train_view(), list(toy.requests(toy.test, 0, 20))
    first = fit(data, epochs=2).score_items(asked)
    torch.manual_seed(99)
    assert np.array_equal(fit(data, epochs=2).score_items(asked), first)
    assert not np.allclose(fit(data, seed=1, epochs=2).score_items(asked), first)


@pytest.mark.parametrize("loss", ["bce", "gbce", "cross-entropy"])
def test_the_generators_of_the_process_are_left_alone(toy, loss):
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    method = fit(toy.train_view(), epochs=1, loss=loss)
    method.score_items(list(toy.requests(toy.test, 0, 5)))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])  # noqa: NPY002


# Answers


def test_a_score_is_a_dot_product(trained, toy):
    method, asked = trained[0], list(toy.requests(toy.test, 0, 9))
    histories = [[toy.catalog.index[event.item] for event in one.history] for one in asked]
    states = method.user_states([np.array(history) for history in histories])
    expected = (states @ method.item_embeddings.T).numpy()
    np.testing.assert_allclose(method.score_items(asked), expected, rtol=1e-6)
    answer = next(method.predict(asked, run_context(toy.catalog)))
    codes = [toy.catalog.index[item] for item in asked[0].candidates]
    np.testing.assert_allclose(answer.scores, expected[0, codes], rtol=1e-6)
    assert not states.requires_grad
    assert not method.item_embeddings.requires_grad


def test_slicing_the_requests_changes_nothing(trained, toy):
    method, asked = trained[0], list(toy.requests(toy.test, 0, 40))
    asked = [dataclasses.replace(one, history=one.history[: n % 7]) for n, one in enumerate(asked)]
    whole = method.score_items(asked)
    single = np.concatenate([method.score_items([one]) for one in asked])
    np.testing.assert_allclose(single, whole, atol=1e-5)


def test_only_the_newest_items_are_read(trained):
    method, rng = trained[0], np.random.default_rng(0)
    newest = rng.integers(0, 100, method.config.max_length)
    states = method.user_states([np.concatenate([rng.integers(0, 100, 30), newest]), newest])
    torch.testing.assert_close(states[0], states[1])


def test_an_empty_history_scores_everything_zero(trained, toy):
    asked = [Request("case", "nobody", history, ("i1", "i2")) for history in ((), (Event("?"),))]
    assert not trained[0].score_items(asked).any()
    assert list(trained[0].predict(asked, run_context(toy.catalog)))[1].scores == [0.0, 0.0]


def test_a_dataset_without_sequences_is_refused():
    with pytest.raises(DataError, match="two training interactions"):
        fit(cycles(length=1))


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValidationError, match="heads"):
        SASRec.Config(hidden=10, heads=4)
    with pytest.raises(ValidationError):
        SASRec.Config(loss="bpr")


def test_importing_the_method_does_not_import_torch():
    code = "import sys, baselines.cf.sasrec; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

"""Training the nano backbone: windows of histories, AdamW, an average of the weights."""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from benchkit import seeds
from benchkit.errors import MethodError
from benchkit.lm.nano.config import NanoConfig
from benchkit.lm.nano.corpus import NanoCorpus
from benchkit.lm.packing.cross_entropy import cross_entropy
from benchkit.types import Progress

_IGNORED = -100  # the label that cross_entropy leaves out
_POOL = 64  # batches whose windows are sorted by size together
_ENDS = 8  # ends of line for each one that a step learns from
_TARGET_ROWS = 32  # validation histories in one forward pass
_STEPS_PER_EPOCH = 32  # at least, until a step has so few tokens:
_LEAST = 128
_BETWEEN_CHECKS = 20  # steps, at least: over fewer, a gain says little


class NanoTrainingResult(NamedTuple):
    """The model, and how the training went."""

    model: Any
    steps: int
    tokens: int
    loss: float
    """Mean of the last steps, nats per token."""
    validation_loss: float | None
    """Of the returned weights, nats per target's title; None without validation."""


def sample_windows(
    corpus: NanoCorpus, context: int, skip: float, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield histories in random order, cut into runs of at most `context` tokens of whole titles.

    Each interaction is left out with probability `skip`. The first run of a history that does not
    fit has a random size, so that the cuts fall elsewhere each time. Every second history begins
    with the end of line, which is what an empty history is asked with; in the others the first
    title is input only, as in a prompt. A title longer than `context` is cut.
    """
    sizes = np.array([len(ids) for ids in corpus.items])
    for user in rng.permutation(len(corpus.histories)):
        codes = corpus.histories[user]
        codes = codes[rng.random(len(codes)) >= skip]
        prefix = int(rng.random() < 0.5)
        stream = np.concatenate([np.full(prefix, corpus.eos), corpus.token_ids(codes)])
        ends = prefix + np.cumsum(sizes[codes])
        room = context if len(stream) <= context else int(rng.integers(1, context + 1))
        begin = 0
        while begin < len(stream):
            last = int(np.searchsorted(ends, begin + room, side="right")) - 1
            whole = last >= 0 and ends[last] > begin
            end = int(ends[last]) if whole else min(begin + context, len(stream))
            if end - begin > 1:  # one token alone predicts nothing
                yield stream[begin:end]
            begin, room = end, context


def window_batches(
    corpus: NanoCorpus, context: int, skip: float, size: int, rng: np.random.Generator
) -> Iterator[list[NDArray[np.int64]]]:
    """Yield windows of endless epochs, in batches of about `size` tokens and similar lengths.

    Similar lengths leave little padding; equal numbers of tokens weight all tokens equally.
    """
    pool: list[NDArray[np.int64]] = []
    pool_tokens = 0
    while True:
        n_windows = 0
        for window in sample_windows(corpus, context, skip, rng):
            pool.append(window)
            pool_tokens += len(window)
            n_windows += 1
            if pool_tokens >= _POOL * size:
                yield from _split(pool, size, rng)
                pool, pool_tokens = [], 0
        if pool:
            yield from _split(pool, size, rng)
            pool, pool_tokens = [], 0
        if not n_windows and not skip:
            return


def _split(
    pool: Sequence[NDArray[np.int64]], size: int, rng: np.random.Generator
) -> Iterator[list[NDArray[np.int64]]]:
    lengths = np.array([len(window) for window in pool])
    order = np.lexsort((rng.random(len(pool)), lengths))
    total = np.cumsum(lengths[order])
    count = max(1, round(total[-1] / size))
    edges = np.searchsorted(total, total[-1] * np.arange(1, count) / count)
    parts = [part for part in np.split(order, edges) if len(part)]
    for part in rng.permutation(len(parts)):
        yield [pool[row] for row in parts[part]]


def pad_rows(rows: Sequence[NDArray[np.int64]], padding: int) -> Tensor:
    """Return [b, longest] rows, padded on the right, where causality hides it."""
    table = np.full((len(rows), max(map(len, rows))), padding, dtype=np.int64)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return torch.from_numpy(table)


def last_hidden_states(model: Any, ids: Tensor) -> Tensor:
    """Return [b, l, hidden] last states of the model."""
    hidden: Tensor = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    return hidden


def next_token_loss(
    model: Any,
    rows: Sequence[NDArray[np.int64]],
    eos: int,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Return the mean negative log-likelihood of tokens of the rows but their first.

    rng: draws which ends of line are among them, one in `_ENDS`; without it all are, and where
    there is nothing else. They are half of all tokens, and nearly certain once a title is complete.
    """
    head = model.get_output_embeddings().weight
    ids = pad_rows(rows, eos).to(head.device)
    labels = pad_rows([row[1:] for row in rows], _IGNORED)
    if rng is not None:
        left_out = torch.from_numpy(rng.random(labels.shape) >= 1 / _ENDS) & (labels == eos)
        if ((labels != _IGNORED) & ~left_out).any():
            labels[left_out] = _IGNORED
    labels = labels.to(head.device)
    has_label = labels != _IGNORED
    hidden = last_hidden_states(model, ids[:, :-1])[has_label]
    return cross_entropy(hidden, head, labels[has_label])


@torch.no_grad()
def nano_validation_loss(model: Any, corpus: NanoCorpus, context: int) -> float:
    """Return the mean over the cases of -log p(title, end of line | the last titles that fit)."""
    head = model.get_output_embeddings().weight
    total = 0.0
    for start in range(0, len(corpus.validation), _TARGET_ROWS):
        cases = corpus.validation[start : start + _TARGET_ROWS]
        rows, ends = [], []
        for history, target in cases:
            title = corpus.items[target][:context]
            before = corpus.token_ids(history[-context:])[-context:]
            rows.append(np.concatenate([before if len(before) else [corpus.eos], title]))
            ends.append(len(title))
        hidden = last_hidden_states(model, pad_rows(rows, corpus.eos).to(head.device))
        for states, row, end in zip(hidden, rows, ends, strict=True):
            logits = states[len(row) - end - 1 : len(row) - 1] @ head.T
            labels = torch.from_numpy(row[-end:]).to(head.device)
            total += float(F.cross_entropy(logits, labels, reduction="sum"))
    return total / len(corpus.validation)


def train_nano(
    model: Any,
    corpus: NanoCorpus,
    config: NanoConfig,
    progress: Progress,
    give_up_above: float | None = None,
) -> NanoTrainingResult:
    """Train `model` and return a running average of its weights.

    The learning rate rises over `warmup` steps and then stays: averaging does what a decay would,
    and at each check the average is as good as if training were to end there. The result is the
    average at the check with the lowest validation loss; training ends after `patience` checks in a
    row that gain less than `least_gain`. Without validation the result is the average of the last
    step.

    Args:
        model: What is trained, in place.
        corpus: Histories, and validation targets.
        config: Settings.
        progress: Gets the steps, and the losses at each check.
        give_up_above: Training also ends where no validation loss was below this in the first
            third of the steps.

    Raises:
        MethodError: The loss is not finite any more.
    """
    steps, size = plan_steps(corpus, config)
    every = max(_BETWEEN_CHECKS, -(-steps // config.checks))
    rng = seeds.generator(config.seed, "nano", "windows")
    batches = window_batches(corpus, config.context, config.skip, size, rng)
    mean = copy.deepcopy(model).eval().requires_grad_(False)
    take_step = _make_stepper(model, mean, config)
    best_loss, best_weights, since = np.inf, mean.state_dict(), 0
    seen, total, loss = 0, torch.zeros(()), np.inf
    progress.start("nano: steps", steps)
    model.train()
    for step in range(1, steps + 1):
        rows = next(batches)
        total = total + take_step(rows, corpus.eos, step)
        seen += sum(map(len, rows))
        note = ""
        if step % every == 0 or step == steps:
            loss, total = float(total) / ((step - 1) % every + 1), torch.zeros(())
            if not np.isfinite(loss):
                raise MethodError(
                    f"nano: the loss is {loss} at step {step}", "lower its learning_rate"
                )
            note = f"loss {loss:.3f}"
            if corpus.validation:
                score = nano_validation_loss(mean, corpus, config.context)
                note += f" validation {score:.3f}"
                since = 0 if score < best_loss - config.least_gain else since + 1
                if score < best_loss:
                    best_loss = score
                    best_weights = copy.deepcopy(mean.state_dict())
        progress.advance(1, note=note)
        gives_up = give_up_above is not None and best_loss > give_up_above
        if since >= config.patience or (gives_up and 3 * step >= steps):
            break
    mean.load_state_dict(best_weights)
    validation_loss = float(best_loss) if corpus.validation else None
    return NanoTrainingResult(mean, step, seen, loss, validation_loss)


def plan_steps(corpus: NanoCorpus, config: NanoConfig) -> tuple[int, int]:
    """Return the largest number of steps, and tokens per step: fewer where there is little data."""
    tokens = sum(len(corpus.token_ids(history)) for history in corpus.histories)
    size = int(np.clip(tokens // _STEPS_PER_EPOCH, min(_LEAST, config.batch_tokens),
                       config.batch_tokens))  # fmt: skip
    passes = np.ceil(tokens * (1 - config.skip) * config.epochs / size)
    return int(np.clip(passes, 1, config.steps)), size


def _make_stepper(
    model: Any, mean: Any, config: NanoConfig
) -> Callable[[Sequence[NDArray[np.int64]], int, int], Tensor]:
    """Return a function that takes a step, updates `mean`, and returns the loss on the CPU."""
    weights, averages = list(model.parameters()), list(mean.parameters())
    rng = seeds.generator(config.seed, "nano", "ends of line")
    optimizer = torch.optim.AdamW(
        weights, config.learning_rate, (0.9, 0.99), weight_decay=config.weight_decay, fused=True
    )

    def take_step(rows: Sequence[NDArray[np.int64]], eos: int, step: int) -> Tensor:
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * min(1.0, step / config.warmup)
        loss = next_token_loss(model, rows, eos, rng)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        # At first the average reaches back over a ninth of the steps, whatever the decay says.
        weight = max(1.0 - config.averaging, 9.0 / (step + 9.0))
        with torch.no_grad():
            torch._foreach_lerp_(averages, weights, weight)
        return loss.detach().cpu()

    return take_step

"""Training nano from other weights where the first ones learn nothing but popularity.

A small causal model first learns how frequent each title is, and then the order of titles. From
some random weights it stays at popularity for most of its steps; from `title_vectors` it has not
been seen to, but a dataset whose titles do not co-occur has none.
"""

from typing import Any

import numpy as np

from benchkit.lm.nano.config import NanoConfig
from benchkit.lm.nano.corpus import NanoCorpus
from benchkit.lm.nano.model import init_nano_model, start_from_vectors
from benchkit.lm.nano.title_vectors import title_vectors
from benchkit.lm.nano.training import NanoTrainingResult, train_nano
from benchkit.types import Progress

STARTS = 3
MARGIN = 0.1  # nats below the loss of popularity: what has learnt order gains .3 and more


def popularity_loss(corpus: NanoCorpus) -> float:
    """Return the mean of -log p(target) over the validation cases, nats, by popularity.

    p(item) is its share of the training interactions, each item counted once more.

    >>> items, history = [np.array([5, 0])] * 3, np.array([0, 0, 0, 1], dtype=np.int32)
    >>> round(popularity_loss(NanoCorpus(items, [history], [(history, 0)], 0)), 4)  # -log 4/7
    0.5596
    """
    counts = np.ones(len(corpus.items))
    for history in corpus.histories:
        np.add.at(counts, history, 1.0)
    targets = [target for _, target in corpus.validation]
    return float(-np.log(counts[targets] / counts.sum()).mean())


def train_from_starts(
    corpus: NanoCorpus, config: NanoConfig, tokenizer: Any, progress: Progress, device: str
) -> NanoTrainingResult:
    """Train a model, from other weights while it is no better than popularity.

    A start that is not `MARGIN` below `popularity_loss` after a third of its steps is given up, and
    the next seed's weights are taken, `STARTS` times at most; the last one is trained as long as
    any. Returned is the model with the lowest validation loss, with the tokens of all. Without
    validation there is one start.
    """
    limit = popularity_loss(corpus) - MARGIN if corpus.validation else None
    vectors = title_vectors(corpus, config.hidden)
    results: list[NanoTrainingResult] = []
    for start in range(STARTS):
        seeded = config.model_copy(update={"seed": config.seed + start})
        model = init_nano_model(seeded, tokenizer)
        start_from_vectors(model, *vectors)
        model = model.to(device)
        is_last = start == STARTS - 1
        results.append(train_nano(model, corpus, seeded, progress, None if is_last else limit))
        loss = results[-1].validation_loss
        if limit is None or loss is None or loss <= limit:
            break
        if not is_last:
            note = f"nano: no better than popularity after {results[-1].steps} steps, starting anew"
            progress.advance(0, note=note)
    best = min(results, key=lambda result: result.validation_loss or 0.0)
    return best._replace(tokens=sum(result.tokens for result in results))

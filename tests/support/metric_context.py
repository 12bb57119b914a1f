"""What a metric looks at, made by hand."""

import numpy as np

from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.data.splits.base import TRAIN
from benchkit.evaluation.metrics.base import MetricContext
from benchkit.evaluation.random_baseline import RandomRanking
from benchkit.evaluation.ranks import ranks_from_scores, top_columns
from benchkit.types import Catalog, Interactions


def make_context(
    ranks, target, train_counts, popular_share=0.2, candidates=None, top_items=None, **changes
):
    """A context of len(ranks) cases; `train_counts` are the items' training interactions."""
    n, n_items = len(ranks), len(train_counts)
    bought = np.repeat(np.arange(n_items, dtype=np.int32), train_counts)
    interactions = Interactions(
        np.zeros(len(bought), dtype=np.int32), bought, np.array([0, len(bought)])
    )
    catalog = Catalog(tuple(f"i{code}" for code in range(n_items)), {})
    candidates = np.zeros((n, 1), dtype=np.int32) if candidates is None else np.array(candidates)
    zeros = np.zeros(n, dtype=np.int64)
    cases = Cases(
        tuple(f"test:{row}" for row in range(n)), np.arange(n, dtype=np.int32), zeros, zeros,
        np.array(target, dtype=np.int32), candidates.astype(np.int32),
    )  # fmt: skip
    part = np.full(len(bought), TRAIN, dtype=np.uint8)
    dataset = PreparedDataset(
        "hand", tuple(f"u{row}" for row in range(n)), catalog, interactions, part, cases, cases, {}
    )
    values = {
        "dataset": dataset,
        "cases": cases,
        "popular_share": popular_share,
        "ranks": ranks,
        "baseline": RandomRanking(),
        "statuses": (("ok",),) * n,
        "top_items": np.zeros((n, 0), np.int32) if top_items is None else np.array(top_items),
        "candidates": cases.candidates,
        **changes,
    }
    return MetricContext(**values)


def scored_context(candidates, scores, answered, target, train_counts, depth=10, **changes):
    """The context of candidates with scores."""
    candidates, scores = np.array(candidates), np.array(scores, dtype=np.float64)
    position = (candidates == np.array(target)[:, None]).argmax(axis=1)
    ranks = ranks_from_scores(scores, position, np.array(answered))
    top = top_columns(scores, np.array(answered), depth, labels=candidates)
    return make_context(
        ranks, target, train_counts, candidates=candidates, top_items=top, **changes
    )

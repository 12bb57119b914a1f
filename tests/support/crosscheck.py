"""Ranked lists that several libraries score, and our figures for them."""

import numpy as np

from benchkit.data.dataset import Cases
from benchkit.evaluation.lookup import find_metric
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.evaluation.relevant_ranks import relevant_ranks_from_scores

N_USERS, N_ITEMS, SEED = 200, 30, 11
ONE_TARGET = ["hr@5", "ndcg@5", "mrr"]
SEVERAL = ["recall@5", "precision@5", "map@5", "graded-ndcg@5"]
SETS = {
    "one target": ONE_TARGET,
    "ties, the target first": ONE_TARGET,
    "ties, the target last": ONE_TARGET,
    "40 of 200 users without a list": ONE_TARGET,
    "several relevant items": SEVERAL,
    "graded relevant items": ["graded-ndcg@5"],
}
"""Set of lists -> the metrics that are compared on it."""


def draw_lists():
    """Return set -> user -> scores (item -> score, in the order of the input) and relevant items.

    Relevant items may be missing from a list, as when a retriever has not found them.
    """
    rng = np.random.default_rng(SEED)
    scores = rng.permuted(np.tile(np.arange(1.0, N_ITEMS + 1), (N_USERS, 1)), axis=1)
    targets = rng.integers(0, N_ITEMS, N_USERS)
    scores[np.arange(N_USERS), targets] += rng.integers(0, 2, N_USERS) * 12.5
    coarse = np.ceil(scores / 8)
    several = [rng.choice(N_ITEMS + 4, rng.integers(1, 8), replace=False).tolist() for _ in targets]
    grades = [rng.integers(1, 6, len(items)).tolist() for items in several]
    one = [{name_item(target): 1} for target in targets]
    many = [{name_item(item): 1 for item in items} for items in several]
    graded = [
        dict(zip(map(name_item, items), marks, strict=True))
        for items, marks in zip(several, grades, strict=True)
    ]
    first = [move(target, 0) for target in targets]
    last = [move(target, N_ITEMS) for target in targets]
    plain = [list(range(N_ITEMS))] * N_USERS
    missing = [order if user % 5 else [] for user, order in enumerate(plain)]
    return {
        "one target": make_users(scores, plain, one),
        "ties, the target first": make_users(coarse, first, one),
        "ties, the target last": make_users(coarse, last, one),
        "40 of 200 users without a list": make_users(scores, missing, one),
        "several relevant items": make_users(scores, plain, many),
        "graded relevant items": make_users(scores, plain, graded),
    }


def name_item(item):
    return f"i{int(item):02d}"


def move(target, place):
    """Return the order of items with the target first (0) or last."""
    others = [item for item in range(N_ITEMS) if item != target]
    return [target, *others] if place == 0 else [*others, target]


def make_users(scores, orders, relevant):
    return {
        f"u{user:03d}": {
            "scores": {name_item(item): float(scores[user][item]) for item in order},
            "relevant": relevant[user],
        }
        for user, order in enumerate(orders)
    }


def measure_ours(users, names):
    """Return metric -> the mean over all users, as a table of benchkit has it."""
    ranks, relevant = rank_users(list(users.values()))
    return {
        name: float(find_metric(name).values(ranks if name in ONE_TARGET else relevant).mean())
        for name in names
    }


def rank_users(users):
    """Return the ranks of first relevant items, and of all of them, in lists with scores."""
    n, width = len(users), max(len(user["scores"]) for user in users)
    codes = {name_item(item): item for item in range(N_ITEMS + 4)}
    candidates = np.full((n, width), -1, dtype=np.int32)
    scores = np.full((n, width), -np.inf)
    answered = np.array([bool(user["scores"]) for user in users])
    height = max(len(user["relevant"]) for user in users)
    targets = np.full((n, height), -1, dtype=np.int32)
    grades = np.zeros((n, height), dtype=np.float32)
    for row, user in enumerate(users):
        items = list(user["scores"]) or list(codes)[:width]
        candidates[row] = [codes[item] for item in items]
        scores[row] = list(user["scores"].values()) or np.zeros(width)
        targets[row, : len(user["relevant"])] = [codes[item] for item in user["relevant"]]
        grades[row, : len(user["relevant"])] = list(user["relevant"].values())
    zeros = np.zeros(n, dtype=np.int64)
    cases = Cases(
        tuple(f"test:{row}" for row in range(n)), zeros.astype(np.int32), zeros, zeros,
        targets[:, 0], candidates, targets[:, 1:] if height > 1 else None, grades,
    )  # fmt: skip
    column = (candidates == targets[:, :1]).argmax(axis=1)
    ranks = ranks_from_scores(scores, column, answered)
    return ranks, relevant_ranks_from_scores(cases, scores, answered, candidates, cases.lengths)

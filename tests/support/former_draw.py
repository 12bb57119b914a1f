"""The draw of benchkit before 0.2, for tests of the attacks on it and of the audit."""

import numpy as np

from benchkit import seeds


def former_lists(names, targets, histories, n_items, count=30, seed=0, split="test"):
    """Lists [n, count]: a public permutation of the target and the first unseen ones of a stream.

    histories: item codes that each user has at any time; none of them is drawn.
    """
    keys = seeds.derive_each(names, "candidates", seed, split)
    numbers = seeds.to_unit_interval(seeds.splitmix(keys, np.arange(1, 20 * count)))
    order = np.argsort(seeds.splitmix(keys, np.arange(1, count + 1) + (1 << 32)), axis=1)
    lists = []
    for target, history, row, places in zip(targets, histories, numbers, order, strict=True):
        seen = {*history, target}
        stream = dict.fromkeys(int(u * n_items) for u in row)
        negatives = [item for item in stream if item not in seen][: count - 1]
        lists.append(np.array([target, *negatives])[places])
    return np.array(lists)


def former_places(names, count, seed=0, split="test"):
    """The place [n] to which the permutation takes the target."""
    keys = seeds.derive_each(names, "candidates", seed, split)
    order = np.argsort(seeds.splitmix(keys, np.arange(1, count + 1) + (1 << 32)), axis=1)
    return np.argmax(order == 0, axis=1)


def former_draws(names, n_items, width, seed=0, split="test"):
    """The first `width` items [n, width] of the stream of negatives."""
    keys = seeds.derive_each(names, "candidates", seed, split)
    numbers = seeds.to_unit_interval(seeds.splitmix(keys, np.arange(1, width + 1)))
    return (numbers * n_items).astype(np.int64)

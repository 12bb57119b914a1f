"""Letters for methods: two that share one cannot be told apart, two that share none can.

"Not significantly different" is not transitive: of three methods, the first and the last may differ
though neither differs from the second. So a method can have several letters, and groups overlap.

Reference: Piepho (2004), An algorithm for a letter-based representation of all-pairwise
comparisons. His letters are of all largest groups, of which there may be exponentially many; here
groups are added until every pair that does not differ shares one.
"""

import string

import numpy as np

from benchkit.stats.arrays import Bools, Floats

_LETTERS = string.ascii_lowercase + string.ascii_uppercase


def group_methods(differs: Bools, means: Floats) -> list[tuple[int, ...]]:
    """Return groups of methods that cannot be told apart, the best first.

    Every pair that does not differ is together in a group, no pair that differs is, and every
    method is in one.

    Args:
        differs: [k, k] which methods differ significantly.
        means: [k] higher is better, which orders groups and their members.

    >>> apart = np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool)
    >>> group_methods(apart, np.array([0.3, 0.2, 0.1]))
    [(0, 1), (1, 2)]
    """
    order = np.argsort(-means, kind="stable")
    alike = ~differs[np.ix_(order, order)]  # by place from here on
    k = len(order)
    uncovered = alike.copy()
    groups: list[list[int]] = []
    for first in range(k):
        while uncovered[first].any():
            # The farthest first, so that a run of neighbours becomes one group.
            group = _grow(alike, [first, int(np.flatnonzero(uncovered[first])[-1])])
            uncovered[np.ix_(group, group)] = False
            groups.append(group)
    return [tuple(int(order[place]) for place in group) for group in _needed(groups, k)]


def letter_codes(differs: Bools, means: Floats) -> list[str]:
    """Return the letters of each method, 'a' for the group of the best; see `group_methods`.

    >>> apart = np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool)
    >>> letter_codes(apart, np.array([0.3, 0.2, 0.1]))
    ['a', 'ab', 'b']
    """
    codes = [""] * len(means)
    for number, members in enumerate(group_methods(differs, means)):
        turn, place = divmod(number, len(_LETTERS))
        for member in members:
            codes[member] += _LETTERS[place] + (str(turn + 1) if turn else "")
    return codes


def _grow(alike: Bools, group: list[int]) -> list[int]:
    """Return the group with every method that is like all its members, in order of place."""
    members = dict.fromkeys(group)
    for place in range(len(alike)):
        if place not in members and alike[place, list(members)].all():
            members[place] = None
    return sorted(members)


def _needed(groups: list[list[int]], k: int) -> list[list[int]]:
    """Return the groups without those whose pairs are all in others, by their places."""
    counts = np.zeros((k, k), dtype=np.int64)
    for group in groups:
        counts[np.ix_(group, group)] += 1
    needed = []
    for group in sorted(groups, key=len):
        block = np.ix_(group, group)
        if (counts[block] > 1).all():
            counts[block] -= 1
        else:
            needed.append(group)
    return sorted(needed)

"""Drawing one of several token sequences, token by token, as constrained decoding does.

At each token only those may follow with which an option goes on; their probabilities are
renormalised at the temperature. The logits of all options come from one forward pass, so drawing
five answers costs no more than one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class Trie:
    """A node: the tokens that may follow, and the options that end here."""

    children: dict[int, "Trie"] = field(default_factory=dict)
    ends: list[int] = field(default_factory=list)

    @classmethod
    def from_options(cls, options: Sequence[Sequence[int]]) -> "Trie":
        """Return the trie of `options` (token ids)."""
        root = cls()
        for number, option in enumerate(options):
            node = root
            for token in option:
                node = node.children.setdefault(token, cls())
            node.ends.append(number)
        return root


def draw_option(
    root: Trie,
    logits: Mapping[tuple[int, ...], Mapping[int, float]],
    temperature: float,
    uniform: NDArray[np.float64],
) -> int:
    """Draw an option.

    logits: prefix -> token -> logit, of every token that may follow the prefix; at temperature 0
    the largest is taken. uniform: numbers in [0, 1), at least one more than the longest option has
    tokens. An option that is a prefix of another can only be told from it by its end: with ends of
    turn there is none. Options of the same tokens are equally likely.

    >>> root = Trie.from_options([[5, 2], [5, 3], [7]])
    >>> logits = {(): {5: 0.0, 7: 0.0}, (5,): {2: 0.0, 3: -50.0}}
    >>> [draw_option(root, logits, 1.0, np.array(u)) for u in ([0.2, 0.9, 0.0], [0.7, 0.7, 0.7])]
    [0, 2]
    """
    node, prefix = root, ()  # type: Trie, tuple[int, ...]
    for number in uniform:
        if node.ends:
            return node.ends[int(number * len(node.ends))]
        tokens = list(node.children)
        if len(tokens) == 1:
            chosen = tokens[0]
        else:
            values = np.array([logits[prefix][token] for token in tokens])
            chosen = tokens[_draw_index(values, temperature, number)]
        node, prefix = node.children[chosen], (*prefix, chosen)
    raise AssertionError("fewer random numbers than tokens")


def _draw_index(logits: NDArray[np.float64], temperature: float, uniform: float) -> int:
    if temperature == 0:
        return int(logits.argmax())
    weight = np.exp((logits - logits.max()) / temperature)
    cumulative = weight.cumsum()
    return int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))

"""A sentence encoder without a network: texts are near to each other by the words they share."""

import numpy as np

from benchkit import seeds
from benchkit.judging.text_segmentation import split_words

WIDTH = 256


class Bag:
    """Each word has a random direction; a text is the sum of its different words' directions, but
    for the commonest. Counts how many texts it was asked for."""

    name = "bag"
    dull = frozenset(split_words("a an and are as for has have in is it of so the this to with"))

    def __init__(self, precision="float32"):
        assert precision == "float32"
        self.asked = 0

    def encode(self, texts):
        self.asked += len(texts)
        return np.array(
            [_vector(set(split_words(text)) - self.dull) for text in texts], dtype=np.float32
        )


def _vector(listed):
    rows = [seeds.generator("bag", word).normal(size=WIDTH) for word in sorted(listed)]
    total = np.sum(rows, axis=0) if rows else np.ones(WIDTH)
    return total / np.linalg.norm(total)

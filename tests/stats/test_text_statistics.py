"""Statistics of texts, against hand-computed values and the definitions written plainly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.stats.text_statistics import (
    count_syllables,
    distinct_n,
    greedy_match,
    reading_ease,
    rouge_l,
    self_repetition,
    split_lower_words,
)

WORDS = st.lists(st.sampled_from("abcd"), max_size=12)


def longest_common(first, second):
    """The table of lengths, row by row."""
    row = [0] * (len(second) + 1)
    for word in first:
        before = row[:]
        for place, other in enumerate(second, 1):
            row[place] = (
                before[place - 1] + 1 if word == other else max(before[place], row[place - 1])
            )
    return row[-1]


@given(WORDS, WORDS)
def test_rouge_l_is_the_f1_of_the_longest_common_subsequence(first, second):
    common = longest_common(first, second)
    if common:
        precision, recall = common / len(first), common / len(second)
        expected = 2 * precision * recall / (precision + recall)
    else:
        expected = 0.0
    assert rouge_l(first, second) == pytest.approx(expected)


def test_rouge_l_of_known_texts():
    # rouge-score 0.1.2 (rougeL, without stemmer) gives the same.
    a = split_lower_words("You bought green tea twice, so this black tea should suit you.")
    b = split_lower_words("I love this tea! It is black and strong, and suits my taste.")
    assert rouge_l(a, b) == pytest.approx(0.16)
    assert rouge_l(a, a) == 1
    assert rouge_l([], a) == rouge_l(a, []) == 0


def test_distinct_n_and_self_repetition_by_hand():
    texts = [["a", "b", "a", "b"], ["c"], []]
    assert distinct_n(texts, 1) == 3 / 5
    assert distinct_n(texts, 2) == 2 / 3
    assert distinct_n([["a"]], 2) is None
    # of the first text 2 of 3 pairs are in the second, of that all 2; the third has no pair
    assert self_repetition([["a", "b", "c", "d"], ["b", "c", "d"], ["b"]], 2) == pytest.approx(
        5 / 6
    )
    assert self_repetition([["a", "b", "a", "b"]], 2) == 0  # within a text is no repetition of it
    assert self_repetition([["a"]]) is None


def test_reading_ease_by_hand():
    # 8 words, 2 sentences, 10 syllables
    text = "The customer bought tea. It was good tea."
    assert reading_ease(text) == pytest.approx(206.835 - 1.015 * 4 - 84.6 * 10 / 8)
    assert reading_ease("  ...  ") is None
    assert reading_ease("这本书很好。我喜欢它。") is None
    assert reading_ease("Хорошая книга. Мне нравится.") is None
    assert reading_ease("12 34 tea") is None
    assert reading_ease("no end") == reading_ease("No end.\n\n")


@pytest.mark.parametrize(
    ("word", "count"),
    [("the", 1), ("customer", 3), ("recommended", 4), ("liked", 1), ("wanted", 2), ("movies", 2),
     ("spices", 2), ("little", 2), ("because", 2), ("x", 1), ("12", 1)],
)  # fmt: skip
def test_syllables(word, count):
    assert count_syllables(word) == count


def test_greedy_match_by_hand():
    x, y = [1.0, 0.0], [0.0, 1.0]
    assert greedy_match(np.array([x, y]), np.array([y, x])) == 1
    # precision (1 + 0) / 2, recall 1
    assert greedy_match(np.array([x, y]), np.array([x])) == pytest.approx(2 / 3)
    assert greedy_match(np.array([x]), np.array([y])) == 0

"""Statistics of texts: length, repetition, reading ease, overlap with a reference.

They describe texts and judge none: a rationale that is long, varied, easy to read, or near to a
reference need not be a good one.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from benchkit.stats.arrays import Floats

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SENTENCE_END = re.compile(r"[.!?…]+(?=\s|$)|\n+")
_VOWELS = re.compile(r"[aeiouyàâäáæéèêëíîïóôöøœúùûüý]+")


def split_lower_words(text: str) -> list[str]:
    """Return the words of a text in lower case; an apostrophe within a word stays.

    >>> split_lower_words("Brach's Salt-free, 12!")
    ["brach's", 'salt', 'free', '12']
    """
    return _WORD.findall(text.lower().replace("’", "'"))


def rouge_l(words: Sequence[str], reference: Sequence[str]) -> float:
    """Return the F1 score of ROUGE-L: of the longest common subsequence of words.

    Reference: Lin, ROUGE: A Package for Automatic Evaluation of Summaries, 2004, equations 2 to 4
    with beta = 1.

    >>> rouge_l("the tea is green".split(), "the green tea".split())
    0.5714285714285714
    """
    if not words or not reference:
        return 0.0
    common = _count_common(words, reference)
    return 2 * common / (len(words) + len(reference))


def _count_common(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence.

    A bit of `row` is 0 where the table of lengths goes up by 1 (Hyyrö 2004), so that a row of the
    table is a few operations on integers.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    everywhere = row = (1 << len(first)) - 1
    for word in second:
        matching = row & places.get(word, 0)
        row = ((row + matching) | (row - matching)) & everywhere
    return len(first) - row.bit_count()


def distinct_n(texts: Sequence[Sequence[str]], n: int) -> float | None:
    """Return the share of different n-grams among all of some texts; None where there are none.

    It falls with the amount of text, so it compares methods on the same number of cases only.

    Reference: Li et al., A Diversity-Promoting Objective Function, 2016, section 5.2.

    >>> distinct_n([["a", "b", "a"], ["a", "b"]], 2)
    0.6666666666666666
    """
    counts = Counter(gram for words in texts for gram in _grams(words, n))
    return len(counts) / counts.total() if counts else None


def self_repetition(texts: Sequence[Sequence[str]], n: int = 4) -> float | None:
    """Return the mean share of a text's n-grams that stand in another of the texts, too.

    Texts of fewer than n words are left out; None where no text has more.

    >>> self_repetition([["a", "b", "c"], ["a", "b", "d"]], 2)
    0.5
    """
    grams = [list(_grams(words, n)) for words in texts]
    texts_with = Counter(gram for part in grams for gram in set(part))
    shares = [sum(texts_with[g] > 1 for g in part) / len(part) for part in grams if part]
    return float(np.mean(shares)) if shares else None


def _grams(words: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    return (tuple(words[start : start + n]) for start in range(len(words) - n + 1))


def reading_ease(text: str) -> float | None:
    """Return Flesch's reading ease of an English text, higher for easier; None for other texts.

    None is for texts without words or in another script: at most half of the words hold a Latin
    vowel. Syllables are counted by groups of vowels, without a silent e at the end; programs with a
    dictionary of pronunciations differ by a few points.

    Reference: Flesch, A New Readability Yardstick, 1948.

    >>> round(reading_ease("The cat sat. The dog ran."), 2)
    119.19
    """
    words = split_lower_words(text)
    if 2 * sum(bool(_VOWELS.search(word)) for word in words) <= len(words):
        return None
    sentences = sum(bool(split_lower_words(part)) for part in _SENTENCE_END.split(text))
    syllables = sum(map(count_syllables, words))
    return 206.835 - 1.015 * len(words) / sentences - 84.6 * syllables / len(words)


def count_syllables(word: str) -> int:
    """Return about how many syllables an English word in lower case has, at least 1.

    >>> [count_syllables(word) for word in ("tea", "table", "coffee", "explained", "rate")]
    [1, 2, 2, 2, 1]
    """
    groups = len(_VOWELS.findall(word))
    is_silent = re.search(r"[^aeiouyl]e$|[^aeioul]le?s$|[^aeiouytd]ed$|[^aeiouyscxz]es$", word)
    return max(1, groups - (is_silent is not None))


def greedy_match(vectors: Floats, reference: Floats) -> float:
    """Return the F1 of greedy matching: each token with its nearest one in the other text.

    Args:
        vectors: [n, d] of length 1, one a token.
        reference: [m, d] those of the reference.

    Reference: Zhang et al., BERTScore, 2020, section 3, without weights and rescaling.
    """
    similarity = vectors @ reference.T  # [n, m]
    precision, recall = similarity.max(axis=1).mean(), similarity.max(axis=0).mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0

"""Titles that a reader, or a parser of generated text, cannot tell apart; and tied times."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from benchkit.data.audit.cases import ABSENT, AuditCases
from benchkit.data.audit.finding import Finding, concerning
from benchkit.data.audit.lists import repeats

EXAMINED = 2000  # lists whose titles are compared pair by pair, evenly spread over the cases
SIMILAR = 0.8  # Jaccard similarity of the words of two titles
_WORDS = re.compile(r"[^\W_]+")


def checks(cases: AuditCases) -> Iterator[Finding | None]:
    """The findings on titles; they are notes, for most catalogues have such items."""
    if cases.tied is not None:
        yield concerning(
            "tied-times", "note", cases.ids, cases.tied,
            "The target has the timestamp of the item before it: which of the two is the last one"
            " is decided by the order of the file.",
        )  # fmt: skip
    if cases.titles is None:
        return
    keys = [normalised(title or "") for title in cases.titles]
    yield concerning(
        "equal-titles", "note", cases.ids, repeats(_with_equal_titles(cases, keys)),
        "Two items of a list have the same title but for case and punctuation: text cannot say"
        " which of them is meant.",
    )  # fmt: skip
    rows = np.unique(np.linspace(0, len(cases) - 1, min(EXAMINED, len(cases))).astype(np.int64))
    ids = [cases.ids[row] for row in rows]
    lists = [_listed(cases.lists.candidates[row], keys) for row in rows]
    yield concerning(
        "similar-titles", "note", ids, np.array([_has_similar(titles) for titles in lists]),
        f"Two titles of a list share {SIMILAR:.0%} of their words: a small slip in a generated"
        " title names the other item.",
    )  # fmt: skip
    yield concerning(
        "contained-titles", "note", ids, np.array([_has_contained(titles) for titles in lists]),
        "A title of a list is part of another one: looking for titles inside an answer finds both,"
        " so grounding must take the longest match.",
    )  # fmt: skip


def normalised(title: str) -> str:
    """Words in lower case with single blanks between them.

    >>> normalised("Chasing  Amy: (1997)!")
    'chasing amy 1997'
    """
    return " ".join(_WORDS.findall(unicodedata.normalize("NFKC", title).casefold()))


def _with_equal_titles(cases: AuditCases, keys: Sequence[str]) -> NDArray[np.int64]:
    """The lists in codes of titles; an item without a title, or standing twice, counts once."""
    code = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    of_item = np.array([code[key] if key else ABSENT for key in keys] + [ABSENT], dtype=np.int64)
    items = np.sort(cases.lists.candidates, axis=1)
    items[:, 1:][items[:, 1:] == items[:, :-1]] = ABSENT
    return of_item[items]


def _listed(candidates: NDArray[np.int64], keys: Sequence[str]) -> list[str]:
    """The distinct titles of one list."""
    return list(dict.fromkeys(keys[item] for item in candidates if item >= 0 and keys[item]))


def _has_similar(titles: Sequence[str]) -> bool:
    words = [frozenset(title.split()) for title in titles]
    return any(
        len(a & b) >= SIMILAR * (len(a) + len(b)) / (1 + SIMILAR)  # Jaccard without the union
        for a, b in combinations(words, 2)
    )


def _has_contained(titles: Sequence[str]) -> bool:
    # One search a title in all of them at once: the second occurrence is inside another title.
    text = "\n".join(titles)
    return any(text.find(title, text.find(title) + 1) >= 0 for title in titles)

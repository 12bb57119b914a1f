"""Titles that a reader, or a parser of generated text, cannot tell apart; and tied times."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from benchkit.data.audit.candidate_lists import has_duplicate_item
from benchkit.data.audit.cases import AuditCases
from benchkit.data.audit.finding import AuditFinding, make_finding
from benchkit.data.request_batch import PADDING_ITEM

MAX_EXAMINED_LISTS = (
    2000  # lists whose titles are compared pair by pair, evenly spread over the cases
)
MIN_TITLE_SIMILARITY = 0.8  # Jaccard similarity of the words of two titles
_WORDS = re.compile(r"[^\W_]+")


def check_titles(cases: AuditCases) -> Iterator[AuditFinding | None]:
    """Yield the findings on titles; they are notes, for most catalogues have such items."""
    if cases.tied is not None:
        yield make_finding(
            "tied-times", "note", cases.ids, cases.tied,
            "The target has the timestamp of the item before it: which of the two is the last one"
            " is decided by the order of the file.",
        )  # fmt: skip
    if cases.titles is None:
        return
    keys = [normalize_title(title or "") for title in cases.titles]
    yield make_finding(
        "equal-titles", "note", cases.ids, has_duplicate_item(_title_codes(cases, keys)),
        "Two items of a list have the same title but for case and punctuation: text cannot say"
        " which of them is meant.",
    )  # fmt: skip
    rows = np.unique(
        np.linspace(0, len(cases) - 1, min(MAX_EXAMINED_LISTS, len(cases))).astype(np.int64)
    )
    ids = [cases.ids[row] for row in rows]
    lists = [_distinct_titles(cases.lists.candidates[row], keys) for row in rows]
    yield make_finding(
        "similar-titles", "note", ids, np.array([_has_similar(titles) for titles in lists]),
        f"Two titles of a list share {MIN_TITLE_SIMILARITY:.0%} of their words: a small slip in a"
        " generated title names the other item.",
    )  # fmt: skip
    yield make_finding(
        "contained-titles", "note", ids, np.array([_has_contained(titles) for titles in lists]),
        "A title of a list is part of another one: looking for titles inside an answer finds both,"
        " so grounding must take the longest match.",
    )  # fmt: skip


def normalize_title(title: str) -> str:
    """Return the words of a title in lower case with single blanks between them.

    >>> normalize_title("Chasing  Amy: (1997)!")
    'chasing amy 1997'
    """
    return " ".join(_WORDS.findall(unicodedata.normalize("NFKC", title).casefold()))


def _title_codes(cases: AuditCases, keys: Sequence[str]) -> NDArray[np.int64]:
    """Return the lists in codes of titles; items count once, those without a title never."""
    code = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    of_item = np.array(
        [code[key] if key else PADDING_ITEM for key in keys] + [PADDING_ITEM], dtype=np.int64
    )
    items = np.sort(cases.lists.candidates, axis=1)
    items[:, 1:][items[:, 1:] == items[:, :-1]] = PADDING_ITEM
    return of_item[items]


def _distinct_titles(candidates: NDArray[np.int64], keys: Sequence[str]) -> list[str]:
    """Return the distinct titles of one list."""
    return list(dict.fromkeys(keys[item] for item in candidates if item >= 0 and keys[item]))


def _has_similar(titles: Sequence[str]) -> bool:
    words = [frozenset(title.split()) for title in titles]
    return any(
        len(a & b)
        >= MIN_TITLE_SIMILARITY
        * (len(a) + len(b))
        / (1 + MIN_TITLE_SIMILARITY)  # Jaccard without the union
        for a, b in combinations(words, 2)
    )


def _has_contained(titles: Sequence[str]) -> bool:
    # One search a title in all of them at once: the second occurrence is inside another title.
    text = "\n".join(titles)
    return any(text.find(title, text.find(title) + 1) >= 0 for title in titles)

"""Ranked lists as text: write, parse and score them."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchkit.lm.grounding import Grounder
from benchkit.lm.parsing import parse_answer, parse_list
from benchkit.lm.response_format import ResponseFormat
from benchkit.lm.types import FinishReason
from benchkit.types import Status

REASON_SEPARATOR = "\nReason: "  # between a list and the sentence after it
_FORM = ResponseFormat("numbered-list")
_LABEL = re.compile(
    r"^\W*(?:reasons?|explanation|why)\b[ *_]*:[ *_]*", re.IGNORECASE | re.MULTILINE
)
_ENTRY = re.compile(r"^\W*\d{1,3}[.):]|^\s*[-*•] ")


class ListAnswer(NamedTuple):
    """A parsed list."""

    places: tuple[int, ...]
    """Indices of the candidates it names, best first, each once."""
    reason: str | None
    """The text after the list."""
    status: Status
    """`ok`, `truncated` if the end is missing, or why no candidate is named."""
    usage: Mapping[str, float] = MappingProxyType({})
    """Cost of the answer."""
    fault: str = ""
    """What the engine did wrong, where the status is `error`."""


def list_pieces(titles: Sequence[str], numbered: bool = True) -> tuple[str, ...]:
    """Return a list in pieces that are tokenised separately: marks and titles in turn.

    Without numbers it is a title a line, as a history is.

    >>> list_pieces(["Blue Moon", "Black"])
    ('1. ', 'Blue Moon', '\\n2. ', 'Black')
    >>> list_pieces(["Blue Moon", "Black"], numbered=False)
    ('Blue Moon', '\\n', 'Black')
    """
    pieces: list[str] = []
    for place, title in enumerate(titles, 1):
        pieces += [entry_mark(place, numbered), title]
    return tuple(piece for piece in pieces if piece)


def entry_mark(place: int, numbered: bool = True) -> str:
    """Return what stands before an entry of a list, the first one being at place 1."""
    number = f"{place}. " if numbered else ""
    return number if place == 1 else f"\n{number}"


def parse_list_answer(text: str, finish: FinishReason, grounder: Grounder) -> ListAnswer:
    """Parse a generated list; entries that name no candidate, or one again, are skipped."""
    parsed = parse_answer(text, finish, _FORM)
    if parsed.status != "ok":
        return ListAnswer((), None, parsed.status)
    entries = (grounder.ground(entry) for entry in parse_list(text, finish))
    places = tuple(dict.fromkeys(place for place in entries if place is not None))
    if not places:
        return ListAnswer((), None, "unparsed")
    return ListAnswer(places, extract_reason(text), "truncated" if finish == "length" else "ok")


def extract_reason(text: str) -> str | None:
    """Return the text after a list: after the label "Reason:", else after the last entry.

    >>> extract_reason("1. Blue Moon\\n2. Black\\nReason: both are jazz.")
    'both are jazz.'
    """
    lines = re.split(r"</\s*think(?:ing)?\s*>", text, flags=re.IGNORECASE)[-1].splitlines()
    entries = [number for number, line in enumerate(lines) if _ENTRY.match(line)]
    rest = "\n".join(lines[entries[-1] + 1 :]) if entries else ""
    label = _LABEL.search(rest)
    rest = rest[label.end() :] if label else rest
    return " ".join(rest.split()) or None


def reciprocal_rank_scores(
    places: Sequence[int], count: int, rest: NDArray[np.float64] | None = None
) -> list[float]:
    """Score `count` candidates: 1 / place for listed ones, -inf for the others: not retrieved.

    With `rest`, [count] scores, the others follow the list in its order instead; equal ones share
    a place.
    """
    scores = np.full(count, -np.inf)
    scores[list(places)] = 1.0 / np.arange(1, len(places) + 1)
    if rest is not None:
        others = np.setdiff1d(np.arange(count), places)
        better = (rest[others][None, :] > rest[others][:, None]).sum(axis=1)
        scores[others] = 1.0 / (len(places) + 1 + better)
    values: list[float] = scores.tolist()
    return values

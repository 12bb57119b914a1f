"""Find the one candidate that a title written by a model names."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from benchkit.lm.parsing import unescape_entities
from benchkit.lm.tokens.control_tokens import unquote

_ALIKE = str.maketrans(
    {
        **dict.fromkeys("’‘‛ʼ´`", "'"),
        **dict.fromkeys("“”„‟«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
    }
)
_AROUND = " \t\"'*_.,;:<>[]()"
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_LABELLED_ID = re.compile(r"(?<![^\W_])id\s*(?:[:=#]|is\b)\s*[\"'(\[<]*([\w-]+)")
_WORD = re.compile(r"[\w-]+")
_DISTINCTIVE = 8


def normalize_text(text: str) -> str:
    """Unify case, spaces, quotes, dashes, entities and forms of a character (NFKC).

    >>> normalize_text(" Rock &amp; Roll – “Live” ")
    'rock & roll - "live"'
    """
    # Folding case can undo NFKC, and NFKC can make letters that have a case.
    folded = unicodedata.normalize(
        "NFKC", unicodedata.normalize("NFKC", unescape_entities(text)).casefold()
    )
    return " ".join(folded.translate(_ALIKE).casefold().split())


class Grounder:
    """Finds the candidate that an answer names.

    ids, titles: of the candidates, aligned; the titles as the prompt shows them.
    strict_substring: the rule of S-DPO, for comparison with its figures: exactly one candidate's
        title is a substring, letter for letter. A title that holds another candidate's title is
        then never valid.

    Scripts that put no space between words are found only where the answer is the title alone.
    A title within a longer one that is no candidate ("Toy Story" in "Toy Story 2") is found.
    """

    def __init__(
        self, ids: Sequence[str], titles: Sequence[str], strict_substring: bool = False
    ) -> None:
        if len(ids) != len(titles):
            raise ValueError(f"{len(ids)} ids, but {len(titles)} titles")
        self._titles = tuple(map(unquote, titles))
        self._strict = strict_substring
        plain = [normalize_text(title) for title in self._titles]
        self._id = _positions_by_name(normalize_text(item) for item in ids)
        self._plain = _positions_by_name(plain)
        self._trimmed = _positions_by_name(_EDGES.sub("", title) for title in plain)

    def ground(self, text: str, item_id: str | None = None) -> int | None:
        """Return the position of the one candidate that `text` names, None for none or several.

        In this order: the whole text is a title, as normalised, then without punctuation around
        it; an id decides, and it also decides between equal titles; the text holds exactly one
        candidate's title as whole words, where longer titles are taken out first.
        item_id: an id that the answer gave beside the title. If it names another candidate than
        the title, there is none; an id of no candidate is passed over. Without it, ids are looked
        for in the text: the whole of it, what is labelled ("id: 17"), and words of 8 or more
        characters with a digit.
        """
        text = unquote(text)  # a model may repeat the marks that it has read
        if self._strict:
            return _only_member(i for i, title in enumerate(self._titles) if title in text)
        answer = normalize_text(text)
        ids = self._ids(normalize_text(item_id)) if item_id is not None else self._ids_in(answer)
        group = self._exact(answer)
        if group:
            candidates_with_id = ids if item_id is not None else ids & group
            return _only_member(candidates_with_id & group if candidates_with_id else group)
        if ids:
            return _only_member(ids)
        # One word without its punctuation can be any word: "C++" is not in "vitamin C".
        phrases = {title: group for title, group in self._trimmed.items() if " " in title}
        for titles in (self._plain, phrases):
            contained = _titles_within(answer, titles)
            if contained:
                return _only_member(i for title in contained for i in titles[title])
        return None

    def _exact(self, answer: str) -> frozenset[int]:
        """Return the candidates whose whole title this is."""
        return (
            self._plain.get(answer)
            or self._plain.get(answer.strip(_AROUND))
            or self._trimmed.get(_EDGES.sub("", answer))
            or frozenset()
        )

    def _ids(self, name: str) -> frozenset[int]:
        return self._id.get(name) or self._id.get(name.strip(_AROUND)) or frozenset()

    def _ids_in(self, answer: str) -> frozenset[int]:
        """Return the candidates whose ids occur in the text.

        Short ids could be words or years, so they count only as the whole text or with a label.
        """
        whole = self._ids(answer)
        if whole:
            return whole
        names = _LABELLED_ID.findall(answer)
        long = (word for word in _WORD.findall(answer) if len(word) >= _DISTINCTIVE)
        names += [word for word in long if any(letter.isdigit() for letter in word)]
        return frozenset(i for word in names for i in self._ids(word))


def _positions_by_name(names: Iterable[str]) -> dict[str, frozenset[int]]:
    """Return name -> positions that have it, without the empty name."""
    groups: dict[str, set[int]] = {}
    for position, name in enumerate(names):
        if name:
            groups.setdefault(name, set()).add(position)
    return {name: frozenset(positions) for name, positions in groups.items()}


def _only_member(positions: Iterable[int]) -> int | None:
    several = set(positions)
    return several.pop() if len(several) == 1 else None


def _titles_within(text: str, titles: Iterable[str]) -> set[str]:
    """Return the titles in the text as whole words, except within longer ones."""
    present = sorted((title for title in titles if title in text), key=len, reverse=True)
    taken: list[tuple[int, int]] = []
    titles_found: set[str] = set()
    while present:
        length = len(present[0])
        # Titles of one length are looked for together, so that their order decides nothing.
        spans = [
            (start, title)
            for title in present
            if len(title) == length
            for start in _starts(text, title)
            if all(start + length <= first or last <= start for first, last in taken)
        ]
        taken += [(start, start + length) for start, _ in spans]
        titles_found |= {title for _, title in spans}
        present = [title for title in present if len(title) < length]
    return titles_found


def _starts(text: str, title: str) -> list[int]:
    """Return where the title occurs as whole words."""
    starts, start = [], text.find(title)
    while start >= 0:
        end = start + len(title)
        before = start > 0 and text[start - 1].isalnum() and title[0].isalnum()
        after = end < len(text) and text[end].isalnum() and title[-1].isalnum()
        if not before and not after:
            starts.append(start)
        start = text.find(title, start + 1)
    return starts

"""What can be counted and measured of a rationale, given its history, its item and the catalogue.

Names are found as `benchkit.judging.item_mentions` says. Nearness is the cosine of sentence vectors
(all-MiniLM-L6-v2): each sentence of a rationale is encoded by itself, as the encoder reads no more
than 256 tokens, and because the nearest of several sentences cannot come nearer by adding others
that are not near. Words of liking are English.

A sentence that is names alone, such as a title put in front, tells nothing: it neither names nor is
near to history and item, though what it names may be made up.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchkit.judging.hallucination import recommendation_context
from benchkit.judging.item_mentions import Mention, NamedItems, TitleIndex, title_index
from benchkit.judging.text_segmentation import FUNCTION_WORDS, split_sentences, split_words
from benchkit.judging.verdicts import JudgeInput
from benchkit.lm.teachers.encoder import MiniLMEncoder, TextEncoder, item_embedding_texts
from benchkit.types import Catalog, RunContext
from judges.embeddings import embed_texts

FEATURES = {
    "words": "words of the rationale",
    "sentences": "its sentences",
    "history_length": "different items of the history",
    "history_named": "items of the history that it names",
    "history_named_share": "the same as a share of the history",
    "item_named": "1 if it names the recommended item, else 0",
    "named_candidates": "names of other candidates in it",
    "named_outside": "names of items of the catalogue that the model was not shown: made up",
    "named_others": "both kinds of names together",
    "named_disliked": "items of the history that it names and the user rated below 3",
    "rating_conflicts": "items that a sentence says are liked, rated below 3, or the opposite,"
    " rated 4 or more",
    "history_max": "largest cosine of a sentence with an item of the history",
    "history_mean": "mean cosine of all sentences together with the items of the history",
    "item_max": "largest cosine of a sentence with the recommended item",
    "item_mean": "cosine of all sentences together with the recommended item",
    "item_history": "largest cosine of the recommended item with one of the history",
    "distinct_words": "share of its words that are different words",
    "longest_repeat": "words of the longest passage that stands in it twice; a name is one word",
    "repeated_sentences": "sentences that stood in it before",
}
_LIKED, _DISLIKED, _MOST = 4.0, 3.0, 5.0  # on the usual scale of 1 to 5
_MOST_WORDS = 2000  # among which repeats are looked for
_LIKING = frozenset(
    split_words(
        "adored appreciated appreciates enjoy enjoyed enjoys excellent favorite favourite liked"
        " likes love loved loves praised praises satisfied wonderful"
    )
)
_DISLIKING = frozenset(
    split_words(
        "awful bad complained despised disappointed disappointing dislike disliked dislikes hate"
        " hated hates poor terrible unhappy"
    )
)
_NEGATING = frozenset(
    split_words("but despite didn't doesn't don't however isn't never no not unlike wasn't without")
)


class _Read(NamedTuple):
    """An exhibit with the codes of its items, and what its rationale names.

    history: codes, each once, with the last rating or None. named: of the history and the item
    only what sentences name that are more than names. told: these sentences.
    """

    judge_input: JudgeInput
    item: int
    history: Mapping[int, float | None]
    named: NamedItems
    mentions: Sequence[Mention]
    told: Sequence[str]


class FeatureReader:
    """Reads features of exhibits; what it computes of a catalogue is kept for the next ones.

    encoder: MiniLM by default. Raises ConfigError when the encoder's packages are missing.
    """

    def __init__(self, encoder: TextEncoder | None = None) -> None:
        self._encoder = encoder
        self._index: TitleIndex | None = None
        self._texts: list[str] = []

    def read(
        self, exhibits: Sequence[JudgeInput], run: RunContext
    ) -> list[dict[str, float] | None]:
        """The values of `FEATURES`, one mapping an exhibit; None where the catalogue has not the
        recommended item. Items of the history that it has not are passed over."""
        index = self._prepared(run.catalog)
        read = [_read(exhibit, index) for exhibit in exhibits]
        texts = {text for one in read if one for text in self._encoded(one)}
        if self._encoder is None and texts:
            self._encoder = MiniLMEncoder()
        vectors = embed_texts(self._encoder, texts, run.cache) if self._encoder and texts else {}
        return [
            None if one is None else _lexical(one, index) | self._nearness(one, vectors)
            for one in read
        ]

    def _prepared(self, catalog: Catalog) -> TitleIndex:
        if self._index is None or self._index.catalog is not catalog:
            self._index, self._texts = title_index(catalog), item_embedding_texts(catalog)
        return self._index

    def _encoded(self, read: _Read) -> list[str]:
        items = [self._texts[code] for code in (read.item, *read.history)]
        return [*read.told, *items]

    def _nearness(
        self, read: _Read, vectors: Mapping[str, NDArray[np.float32]]
    ) -> dict[str, float]:
        """Cosines to four digits: the rest is rounding. 0 where there is nothing to compare."""
        item = vectors[self._texts[read.item]]
        width = len(item)
        said = [vectors[text] for text in read.told]
        parts = np.array(said).reshape(-1, width)
        past = np.array([vectors[self._texts[code]] for code in read.history]).reshape(-1, width)
        whole = parts.sum(axis=0)
        whole = whole / max(float(np.linalg.norm(whole)), 1e-12)
        found = {
            "history_max": (parts @ past.T).max(initial=-1) if parts.size and past.size else 0,
            "history_mean": (past @ whole).mean() if past.size else 0,
            "item_max": (parts @ item).max() if parts.size else 0,
            "item_mean": whole @ item,
            "item_history": (past @ item).max() if past.size else 0,
        }
        return {name: round(float(value), 4) for name, value in found.items()}


def _read(exhibit: JudgeInput, index: TitleIndex) -> _Read | None:
    shown = recommendation_context(exhibit.request, exhibit.item, index.catalog)
    if shown.item is None:
        return None
    mentions = index.find_mentions(exhibit.rationale, {*shown.history, shown.item})
    told, bare = _informative_sentences(exhibit.rationale, mentions)
    named = index.classify_mentions(mentions, *shown)
    if bare:
        more = [mention for mention in mentions if mention not in bare]
        credited = index.classify_mentions(more, *shown)
        named = named._replace(history=credited.history, item=credited.item)
    return _Read(exhibit, shown.item, shown.history, named, mentions, told)


def _informative_sentences(
    text: str, mentions: Sequence[Mention]
) -> tuple[list[str], set[Mention]]:
    """The sentences that are more than names, and the mentions in those that are not."""
    told, bare = [], set()
    first = 0
    for sentence in split_sentences(text):
        listed = split_words(sentence)
        last = first + len(listed)
        inside = {one for one in mentions if first <= one.first and one.last <= last}
        named = {place for one in inside for place in range(one.first, one.last)}
        others = (word for place, word in enumerate(listed, first) if place not in named)
        if inside and all(word in FUNCTION_WORDS for word in others):
            bare |= inside
        else:
            told.append(sentence)
        first = last
    return told, bare


def _lexical(read: _Read, index: TitleIndex) -> dict[str, float]:
    """The features that need no encoder."""
    text, named = read.judge_input.rationale, read.named
    listed, parts = split_words(text), split_sentences(text)
    low = [code for code in named.history if _liking(read, code) < 0]
    counts = {
        "words": len(listed),
        "sentences": len(parts),
        "history_length": len(read.history),
        "history_named": len(named.history),
        "history_named_share": round(len(named.history) / max(1, len(read.history)), 4),
        "item_named": int(named.item),
        "named_candidates": len(named.candidates),
        "named_outside": len(named.outside),
        "named_others": len(named.candidates | named.outside),
        "named_disliked": len(low),
        "rating_conflicts": len(_conflicts(read, parts, index)),
        "distinct_words": round(len(set(listed)) / max(1, len(listed)), 4),
        "longest_repeat": longest_repeat(_collapse_mentions(listed, read.mentions)),
        "repeated_sentences": len(read.told)
        - len({tuple(split_words(part)) for part in read.told}),
    }
    return {name: float(value) for name, value in counts.items()}


def longest_repeat(listed: Sequence[str]) -> int:
    """Length of the longest run of words that stands in a list twice; both may overlap.

    >>> longest_repeat("it has the genre and it has the year".split())
    3
    """
    listed = listed[:_MOST_WORDS]
    code = {word: place for place, word in enumerate(dict.fromkeys(listed))}
    values = np.array([code[word] for word in listed], dtype=np.int64)
    longest = 0
    for shift in range(1, len(values)):
        if len(values) - shift <= longest:
            break
        differ = np.flatnonzero(values[shift:] != values[:-shift])
        runs = np.diff(differ, prepend=-1, append=len(values) - shift) - 1
        longest = max(longest, int(runs.max()))
    return longest


def _collapse_mentions(listed: list[str], mentions: Sequence[Mention]) -> list[str]:
    """The words of a text with each name as one."""
    names = {mention.first: mention for mention in mentions}
    found, place = [], 0
    while place < len(listed):
        mention = names.get(place)
        found.append(mention.name if mention else listed[place])
        place = mention.last if mention else place + 1
    return found


def _liking(read: _Read, code: int) -> int:
    """1 where the user liked an item of the history, -1 where not, 0 where that is not known."""
    rating = read.history[code]
    if rating is None or not 0 <= rating <= _MOST:
        return 0
    return 1 if rating >= _LIKED else -1 if rating < _DISLIKED else 0


def _conflicts(read: _Read, parts: Sequence[str], index: TitleIndex) -> set[int]:
    """Items of the history of which a sentence says the opposite of the rating.

    Sentences with words of both kinds, or with a negation, are passed over."""
    found: set[int] = set()
    if not read.named.history or not any(_liking(read, code) for code in read.named.history):
        return found
    for part in parts:
        mentions = index.find_mentions(part, read.history)
        listed = set(
            _collapse_mentions(split_words(part), mentions)
        )  # a title's words say nothing of liking
        said = bool(listed & _LIKING) - bool(listed & _DISLIKING)
        if said == 0 or listed & _NEGATING:
            continue
        for mention in mentions:
            codes = read.history.keys() & set(mention.codes)
            found |= {code for code in codes if _liking(read, code) == -said}
    return found

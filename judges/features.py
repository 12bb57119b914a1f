"""What can be counted and measured of a rationale, given its history, its item and the catalogue.

Names are found as `benchkit.judging.item_mentions` says. Nearness is the cosine of sentence vectors
(all-MiniLM-L6-v2): each sentence of a rationale is encoded by itself, as the encoder reads no more
than 256 tokens, and because the nearest of several sentences cannot come nearer by adding others
that are not near. Words of liking are English.

A sentence that is names alone, such as a title put in front, says nothing: it neither names nor is
near to history and item, though its names may be made up.
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
from benchkit.rating_scale import FIVE_STARS, LIKED_STARS, NEUTRAL_STARS
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
_MAX_WORDS = 2000  # among which repeats are looked for
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


class _ParsedInput(NamedTuple):
    """A judge's input with the codes of its items, and what its rationale names."""

    rationale: str
    item: int
    history: Mapping[int, float | None]
    """Codes, each once, with the last rating in stars (1 to 5), or None."""
    named: NamedItems
    """Of the history and the item only what informative sentences name."""
    mentions: Sequence[Mention]
    sentences: Sequence[str]
    """The sentences that are more than names."""


class FeatureReader:
    """Reads features of judge inputs; what it computes of a catalogue is cached.

    The encoder is MiniLM by default. Raises ConfigError when the encoder's packages are missing.
    """

    def __init__(self, encoder: TextEncoder | None = None) -> None:
        self._encoder = encoder
        self._index: TitleIndex | None = None
        self._texts: list[str] = []

    def read(self, inputs: Sequence[JudgeInput], run: RunContext) -> list[dict[str, float] | None]:
        """Return the values of `FEATURES` of each input.

        None where the catalogue lacks the recommended item. Items of the history that it lacks are
        passed over.
        """
        index = self._index_of(run.catalog)
        parsed = [_parse(judge_input, index) for judge_input in inputs]
        texts = {text for part in parsed if part for text in self._texts_of(part)}
        if self._encoder is None and texts:
            self._encoder = MiniLMEncoder()
        vectors = embed_texts(self._encoder, texts, run.cache) if self._encoder and texts else {}
        return [
            None if part is None else _lexical(part, index) | self._nearness(part, vectors)
            for part in parsed
        ]

    def _index_of(self, catalog: Catalog) -> TitleIndex:
        if self._index is None or self._index.catalog is not catalog:
            self._index, self._texts = title_index(catalog), item_embedding_texts(catalog)
        return self._index

    def _texts_of(self, parsed: _ParsedInput) -> list[str]:
        items = [self._texts[code] for code in (parsed.item, *parsed.history)]
        return [*parsed.sentences, *items]

    def _nearness(
        self, parsed: _ParsedInput, vectors: Mapping[str, NDArray[np.float32]]
    ) -> dict[str, float]:
        """Return cosines to four digits: the rest is rounding. 0 with nothing to compare."""
        item = vectors[self._texts[parsed.item]]
        width = len(item)
        parts = np.array([vectors[text] for text in parsed.sentences]).reshape(-1, width)
        past = np.array([vectors[self._texts[code]] for code in parsed.history]).reshape(-1, width)
        whole = parts.sum(axis=0)
        whole = whole / max(float(np.linalg.norm(whole)), 1e-12)
        cosines = {
            "history_max": (parts @ past.T).max(initial=-1) if parts.size and past.size else 0,
            "history_mean": (past @ whole).mean() if past.size else 0,
            "item_max": (parts @ item).max() if parts.size else 0,
            "item_mean": whole @ item,
            "item_history": (past @ item).max() if past.size else 0,
        }
        return {name: round(float(value), 4) for name, value in cosines.items()}


def _parse(judge_input: JudgeInput, index: TitleIndex) -> _ParsedInput | None:
    rationale = judge_input.rationale
    context = recommendation_context(judge_input.request, judge_input.item, index.catalog)
    if context.item is None:
        return None
    mentions = index.find_mentions(rationale, {*context.history, context.item})
    sentences, bare = _informative_sentences(rationale, mentions)
    named = index.classify_mentions(mentions, *context)
    if bare:
        others = [mention for mention in mentions if mention not in bare]
        credited = index.classify_mentions(others, *context)
        named = named._replace(history=credited.history, item=credited.item)
    scale = index.catalog.rating_scale
    stars = {
        code: None if rating is None or scale is None else scale.to_stars(rating)
        for code, rating in context.history.items()
    }
    return _ParsedInput(rationale, context.item, stars, named, mentions, sentences)


def _informative_sentences(
    text: str, mentions: Sequence[Mention]
) -> tuple[list[str], set[Mention]]:
    """Return the sentences that are more than names, and the mentions in those that are not."""
    informative, bare = [], set()
    first = 0
    for sentence in split_sentences(text):
        words = split_words(sentence)
        last = first + len(words)
        inside = {m for m in mentions if first <= m.first and m.last <= last}
        in_names = {position for m in inside for position in range(m.first, m.last)}
        others = (word for position, word in enumerate(words, first) if position not in in_names)
        if inside and all(word in FUNCTION_WORDS for word in others):
            bare |= inside
        else:
            informative.append(sentence)
        first = last
    return informative, bare


def _lexical(parsed: _ParsedInput, index: TitleIndex) -> dict[str, float]:
    """Return the features that need no encoder."""
    named = parsed.named
    words, sentences = split_words(parsed.rationale), split_sentences(parsed.rationale)
    disliked = [code for code in named.history if _liking(parsed, code) < 0]
    distinct_sentences = {tuple(split_words(part)) for part in parsed.sentences}
    counts = {
        "words": len(words),
        "sentences": len(sentences),
        "history_length": len(parsed.history),
        "history_named": len(named.history),
        "history_named_share": round(len(named.history) / max(1, len(parsed.history)), 4),
        "item_named": int(named.item),
        "named_candidates": len(named.candidates),
        "named_outside": len(named.outside),
        "named_others": len(named.candidates | named.outside),
        "named_disliked": len(disliked),
        "rating_conflicts": len(_conflicts(parsed, sentences, index)),
        "distinct_words": round(len(set(words)) / max(1, len(words)), 4),
        "longest_repeat": longest_repeat(_collapse_mentions(words, parsed.mentions)),
        "repeated_sentences": len(parsed.sentences) - len(distinct_sentences),
    }
    return {name: float(value) for name, value in counts.items()}


def longest_repeat(words: Sequence[str]) -> int:
    """Return the length of the longest run of words that occurs twice; both may overlap.

    >>> longest_repeat("it has the genre and it has the year".split())
    3
    """
    words = words[:_MAX_WORDS]
    codes = {word: code for code, word in enumerate(dict.fromkeys(words))}
    values = np.array([codes[word] for word in words], dtype=np.int64)
    longest = 0
    for shift in range(1, len(values)):
        if len(values) - shift <= longest:
            break
        differ = np.flatnonzero(values[shift:] != values[:-shift])
        runs = np.diff(differ, prepend=-1, append=len(values) - shift) - 1
        longest = max(longest, int(runs.max()))
    return longest


def _collapse_mentions(words: list[str], mentions: Sequence[Mention]) -> list[str]:
    """Return the words of a text with each name as one."""
    names = {mention.first: mention for mention in mentions}
    collapsed, position = [], 0
    while position < len(words):
        mention = names.get(position)
        collapsed.append(mention.name if mention else words[position])
        position = mention.last if mention else position + 1
    return collapsed


def _liking(parsed: _ParsedInput, code: int) -> int:
    """Return 1 where the user liked an item of the history, -1 where not, 0 where unknown."""
    stars = parsed.history[code]
    if stars is None or not 0 <= stars <= FIVE_STARS.high:
        return 0
    return 1 if stars >= LIKED_STARS else -1 if stars < NEUTRAL_STARS else 0


def _conflicts(parsed: _ParsedInput, sentences: Sequence[str], index: TitleIndex) -> set[int]:
    """Return the items of the history of which a sentence says the opposite of the rating.

    Sentences with words of both kinds, or with a negation, are passed over.
    """
    conflicts: set[int] = set()
    if not any(_liking(parsed, code) for code in parsed.named.history):
        return conflicts
    for sentence in sentences:
        mentions = index.find_mentions(sentence, parsed.history)
        # A title's words say nothing of liking.
        words = set(_collapse_mentions(split_words(sentence), mentions))
        stance = bool(words & _LIKING) - bool(words & _DISLIKING)
        if stance == 0 or words & _NEGATING:
            continue
        for mention in mentions:
            codes = parsed.history.keys() & set(mention.codes)
            conflicts |= {code for code in codes if _liking(parsed, code) == -stance}
    return conflicts

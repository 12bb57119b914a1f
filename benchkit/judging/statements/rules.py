"""Checks of statements by rules, offline: names, ratings, and words that texts confirm or not.

A statement that only concludes cannot be checked. Any other is contradicted where it gives a rating
or an opinion the wrong way round; not supported where it names an item that was not shown, quotes
what nobody wrote, ascribes an opinion of an item that the user has none of, or where too few of its
definite words are in the texts and reviews of the items that it speaks of; and else supported.
Rules read English, take words and not meanings, and know nothing of the world: what everybody knows
of an item ("yeast is for baking") and no text says is not supported.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from benchkit.judging.hallucination import recommendation_context
from benchkit.judging.item_mentions import Mention, TitleIndex
from benchkit.judging.statements import vocabulary
from benchkit.judging.statements.evidence import Evidence, is_known, read_evidence, stem
from benchkit.judging.statements.opinions import quoted_words, read_opinions, refute
from benchkit.judging.statements.splitter import split_statements
from benchkit.judging.statements.statement import Statement, StatementCheck
from benchkit.judging.text_segmentation import FUNCTION_WORDS, TextWords, split_words
from benchkit.judging.verdicts import JudgeInput
from benchkit.runs.record_values import StatementLabel

SUPPORTING_SHARE = 0.5  # of a statement's definite words, from which it is supported
_OF = ("of", "for", "on", "about")
_JUDGING = frozenset(map(stem, ("rated", "reviewed", "liked", "loved", "enjoyed", "disliked")))
_OPINIONS = frozenset(map(stem, ("review", "reviews", "rating", "ratings", "feedback")))


class _Context(NamedTuple):
    """What the statements of one rationale are checked against."""

    evidence: Evidence
    titles: TitleIndex
    rating_words: tuple[str, ...]
    outside: frozenset[str]
    """Names of items in the rationale that were not shown."""
    about: frozenset[int]
    """Codes of the history and of the recommended item."""


class _Parsed(NamedTuple):
    """A statement with what it names."""

    statement: Statement
    mentions: tuple[Mention, ...]
    codes: tuple[int, ...]
    """Items of history and recommendation that it names."""
    before: tuple[int, ...]
    """Where it names nothing and says "both" or "it": items named before; else ()."""
    rest: list[str]
    """Its words without names, up to where it concludes."""


def check_rationale(judge_input: JudgeInput, index: TitleIndex) -> tuple[StatementCheck, ...]:
    """Return what the rules say of each statement of a rationale, in its order."""
    catalog = index.catalog
    evidence = read_evidence(judge_input.request, judge_input.item, catalog)
    shown = recommendation_context(judge_input.request, judge_input.item, catalog)
    about = frozenset([*shown.history, *([] if shown.item is None else [shown.item])])
    mentions = index.find_mentions(judge_input.rationale, about)
    scale = catalog.rating_scale
    context = _Context(
        evidence,
        index,
        () if scale is None else scale.words,
        index.classify_mentions(mentions, *shown).outside,
        about,
    )
    checks: list[StatementCheck] = []
    before: tuple[int, ...] = ()
    for statement in split_statements(judge_input.rationale):
        parsed = _parse(statement, context, before)
        label, reason = _check(parsed, context)
        checks.append(StatementCheck(statement.start, statement.stop, label, reason))
        before = parsed.codes or parsed.before
    return tuple(checks)


def _parse(statement: Statement, context: _Context, before: tuple[int, ...]) -> _Parsed:
    text_words = TextWords(statement.text)
    words = text_words.words
    mentions = tuple(context.titles.find_mentions(statement.text, context.about))
    codes = tuple(
        dict.fromkeys(code for m in mentions for code in m.codes if code in context.about)
    )
    inside = {position for m in mentions for position in range(m.first, m.last)}
    n_premise = len(split_words(vocabulary.premise(statement.text)))
    rest = [word for position, word in enumerate(words[:n_premise]) if position not in inside]
    has_names = codes or _has_unknown_name(text_words, context.rating_words)
    refers = not has_names and vocabulary.refers_back(statement.text)
    return _Parsed(statement, mentions, codes, before if refers else (), rest)


def _has_unknown_name(text_words: TextWords, rating_words: Sequence[str]) -> bool:
    """Return whether a word within it is written with a capital, and is no word of a rating."""
    ratings = {word.casefold() for word in rating_words}
    return any(
        text_words.is_capitalized(place, place + 1) and not word.isdigit()
        for place, word in enumerate(text_words.words)
        if place and word not in ratings and word not in FUNCTION_WORDS
    )


def _check(parsed: _Parsed, context: _Context) -> tuple[StatementLabel, str]:
    text, evidence = parsed.statement.text, context.evidence
    if outside := [m.name for m in parsed.mentions if m.name in context.outside]:
        return "not_supported", f"names {outside[0]!r}, which was not shown"
    opinion = read_opinions(text, context.rating_words)
    past = [evidence.history[c] for c in parsed.codes or parsed.before if c in evidence.history]
    if opinion:
        if _reviews_the_item(parsed, context):
            return "not_supported", "an opinion of an item that the user has not reviewed"
        if reason := refute(opinion, past or list(evidence.history.values()), bool(past)):
            return "contradicted", reason
        if all(item.stars is None for item in evidence.history.values()):
            if opinion.words:
                return "not_supported", "a rating, and nothing is rated"
            return "not_checkable", "an opinion, and nothing is rated"
    for passage in quoted_words(text):
        if not _is_quoted(passage, context):
            return "not_supported", f"quotes {' '.join(passage)!r}, which is in no text"
    definite = vocabulary.definite_stems(parsed.rest)
    if not _is_checkable(parsed, bool(opinion), definite):
        return "not_checkable", "a conclusion"
    if vocabulary.speaks_of_reviews(text) and past:
        reviewed = past if parsed.codes else evidence.history.values()
        return _check_words(definite, [item.reviews | item.title for item in reviewed])
    each = evidence.of(parsed.codes or parsed.before)
    if len(each) > 1 and not opinion and vocabulary.speaks_of_each(text):
        return min((_check_words(definite, [item.stems]) for item in each), key=_support)
    # What lists purchases may name items in ways that are not recognised.
    of_item = all(code == evidence.item for code in parsed.codes)
    subjects = evidence.of(parsed.codes) if of_item or not vocabulary.is_claim(text) else []
    return _check_words(definite, [item.stems for item in subjects or evidence.everything])


def _support(check: tuple[StatementLabel, str]) -> bool:
    return check[0] == "supported"


def _reviews_the_item(parsed: _Parsed, context: _Context) -> bool:
    """Return whether it gives the user's opinion of the recommended item.

    "The review of ITEM", "rated ITEM".
    """
    item = context.evidence.item
    words = split_words(parsed.statement.text)
    for mention in parsed.mentions:
        if item in mention.codes and item not in context.evidence.history:
            lead = [word for word in words[: mention.first] if word not in ("the", "this")][-2:]
            of_it = lead[-1:] and lead[-1] in _OF and stem(lead[0]) in _OPINIONS
            if of_it or stem("".join(lead[-1:])) in _JUDGING:
                return True
    return False


def _is_checkable(parsed: _Parsed, has_opinion: bool, definite: Sequence[str]) -> bool:
    text = parsed.statement.text
    if has_opinion:
        return True
    if vocabulary.is_summary(text):
        return False
    claims = vocabulary.is_claim(text)
    if vocabulary.is_conclusion(text) and not (claims and definite and not parsed.codes):
        return False
    if not definite and not parsed.codes:
        return False
    if claims:
        return True
    subjects = parsed.codes or parsed.before
    return bool(subjects) and vocabulary.has_predicate(text) and bool(definite)


def _check_words(
    definite: Sequence[str], scope: Iterable[frozenset[str]]
) -> tuple[StatementLabel, str]:
    """Check the stems of a statement's definite words against those of texts."""
    if not definite:
        return "supported", "names what was shown"
    stems = frozenset[str]().union(*scope)
    missing = [part for part in definite if not is_known(part, stems)]
    if 1 - len(missing) / len(definite) >= SUPPORTING_SHARE:
        return "supported", f"{len(definite) - len(missing)} of {len(definite)} words confirmed"
    return "not_supported", f"no text has {', '.join(missing[:4])}"


def _is_quoted(passage: list[str], context: _Context) -> bool:
    """Return whether the definite words of a quoted passage are all in texts that were shown."""
    known = frozenset[str]().union(*(item.stems for item in context.evidence.everything))
    return all(is_known(part, known) for part in vocabulary.definite_stems(passage))

"""From a rationale to its statements, by rules: sentences, cut where a new thing is said."""

import re
from collections.abc import Iterator

from benchkit.judging.statements.statement import Statement
from benchkit.judging.text_segmentation import split_sentences, split_words

_FEWEST_WORDS = 3  # of a statement; a shorter part stays with the one before
# What follows draws a conclusion from what stands before: it is another statement.
_CUT = re.compile(
    r";\s+"
    r"|,\s+(?=(?:which|and|thus|thereby|further)?\s*"
    r"(?:(?:further|strongly|clearly|also)\s+)?"
    r"(?:suggest|indicat|reinforc|reflect|demonstrat|show|imply|mean|making\b|making it)\w*)"
    r"|,\s+(?=(?:as|while|whereas|although|because)\s+(?:it|they|the|he|she|this|these)\b)",
    re.IGNORECASE,
)


def split_statements(text: str) -> tuple[Statement, ...]:
    """Return the statements of a rationale, in its order; together they hold all its words.

    >>> text = "They rated the tea as Excellent, suggesting a taste for it. It is green; it is new."
    >>> [statement.text for statement in split_statements(text)]
    ['They rated the tea as Excellent', 'suggesting a taste for it.', 'It is green', 'it is new.']
    """
    statements, position = [], 0
    for sentence in split_sentences(text):
        first = text.index(sentence, position)
        position = first + len(sentence)
        statements += [
            Statement(sentence[start:stop], first + start, first + stop)
            for start, stop in _parts(sentence)
        ]
    return tuple(statements)


def _parts(sentence: str) -> Iterator[tuple[int, int]]:
    """Yield the first and the last character plus one of each statement of a sentence."""
    start = 0
    for cut in _CUT.finditer(sentence):
        before, after = sentence[start : cut.start()], sentence[cut.end() :]
        if min(len(split_words(before)), len(split_words(after))) >= _FEWEST_WORDS:
            yield start, cut.start()
            start = cut.end()
    yield start, len(sentence)

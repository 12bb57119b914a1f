"""Words by which a reply takes back the grade before them: "no, 2", "lowered to 3", "Final: 3"."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from judges.grade_numbers import NUMBER, OUT_OF

BRACKETS = r"[\[(\"'“‘]*"  # that may open before a grade

_CHANGED = (
    r"(?:(?:(?:down|up)grad|lower|rais|reduc|increas|chang|revis|correct|adjust|bump)(?:ed?|ing)?|knocked"
    r"|lower|correct|adjust|bump|cut|drop(?:p(?:ed|ing))?)(?:[ \t]+(?:it|this|that))?"
    r"(?:[ \t]+(?:down|up))?[ \t]+(?:to|by)"
)
_MINUS = r"(?:minus|less|deduct(?:ed|ing)?|subtract(?:ed|ing)?)"
_JOIN = (
    r"(?:(?:or|to|and|maybe|perhaps|possibly|even|almost|nearly|rather"
    rf"|{_MINUS}|{_CHANGED})\b[^\w\n]*)"
)
# Right behind a grade: a second one, what is to be subtracted, or what the sum of both is.
ANOTHER_NUMBER = re.compile(
    rf"[^\w\n.!;]{{0,8}}{_JOIN}{{0,4}}[0-9]"
    rf"|[^\w\n]{{0,8}}{_MINUS}[ \t]+(?:[0-9]|(?:one|two|three|half|an?[ \t]+(?:point|star))\b)"
    r"|[^\w\n]{0,8}plus[ \t]+[0-9]+(?=[ \t]+(?:for|because)\b|[ \t]*[.!;,)=]|[ \t]*$)"
    r"|[ \t]*\([^()\n]*\)[ \t]*(?:=|->|→|⇒)[ \t]*[0-9]",
    re.IGNORECASE | re.MULTILINE,
)
ANOTHER_LETTER = re.compile(
    rf"[^\w\n.!;]{{0,8}}(?:(?i:{_JOIN}){{1,4}}[A-Za-z]|[A-Z])(?![\w'’])"
    r"|[ \t]*(?:\([^()\n]*\)[ \t]*)?(?:=|->|→|⇒)[ \t]*[A-Z](?![\w'’])"
)

# Anywhere behind a verdict, "actually" and the like take it back, if a number ends their line.
_LOOSE = re.compile(
    r"\b(?:actually|correction|instead|make (?:it|that)|rather|lower|raise|change)\b[^\n]{0,40}?"
    rf"(?<![\w.,])(?P<grade>{NUMBER}(?:{OUT_OF})?)(?=[.!;)\s]*$)",
    re.IGNORECASE | re.MULTILINE,
)
# Second thoughts; between them and the new grade stand only certain words.
_SECOND_THOUGHT = (
    r"\b(?:no(?!\.)|nope|wait|hm+|sorry|oops|actually|correction|(?:scratch|strike)[ \t]+that"
    r"|on[ \t]+(?:second[ \t]+thoughts?|(?:further[ \t]+)?reflection|reconsideration)"
    r"|after[ \t]+(?:(?:some|further|more)[ \t]+)?(?:reflection|reconsideration|thought|all)"
    r"|in[ \t]+(?:the[ \t]+end|hindsight)|i[ \t]+mean[t]?|ultimately|let[ \t]+me[ \t]+\w+"
    r"|i[ \t]+(?:now[ \t]+)?(?:change|changed|revise|reconsider|correct)"
    r"|i[ \t]+(?:now[ \t]+)?(?:think|believe|feel|lean)|let's|reconsidered|now|then|later"
    r"|better(?=[:,])|i\.e|in[ \t]+conclusion|my[ \t]+(?:mistake|bad)|point[ \t]+off"
    r"|take[ \t]+(?:that|it)[ \t]+back|deduction[ \t]+of"
    r"|make[ \t]+(?:it|that)|but[ \t]+(?:really|rather|perhaps|maybe|i'd|in[ \t]+fact))"
)
_FILLER = (
    r"(?:\W{1,4}(?:it|its|is|i|i'd|i'll|it's|that|that's|this|would|will|should|must|be|say|give|"
    r"make|call|go|with|for|a|an|the|my|mind|rating|score|grade|verdict|answer|final|to|more|like|"
    r"rather|actually|wait|no|hm+|sorry|just|only|really|maybe|perhaps|of|now|deserves|think|better"
    r"|as|let|me|lower|raise|change|correct|revise|myself|reconsider|second|thoughts?|reflection"
    r"|on|about|down|up|set|settle|at|in|fact))"
)
_NOUN = (
    r"(?:[ \t]+(?:decision|answer|judge?ment|assessment|evaluation|mark|result|value|number|grade"
    r"|rating|score|verdict|call|word))"
)
_IS = r"[ \t]*(?:[:=]|\bis\b|->|→|⇒|[-–—](?=[ \t]))[ \t]*\n?[ \t]*"
# Behind the new grade: "3 is fairer".
_FAIRER = (
    r"[ \t]+(?:on[ \t]+(?:second|reflection)|(?:is|seems|would[ \t]+be)[ \t]+(?:more[ \t]+)?"
    r"(?:right|fair(?:er)?|better|apt|accurate|fitting|closer))\b"
)
# A verdict once more, under another label. "Overall" has to begin a clause: there are other totals.
_RESTATED = (
    rf"(?:\b(?:final|revised|updated|corrected|adjusted){_NOUN}?|\b(?:new|last){_NOUN}"
    r"|(?:(?<=[\n.;,:(|!?])|^)[ \t]*(?:(?:so|thus|hence|and|my|the)[ \t]+){0,2}"
    rf"(?:overall{_NOUN}?|total|conclusion|result|decision|edit|update|after[ \t]+reflection))"
)
_END = (
    r"(?![\w%]|[.,][0-9])(?=[ \t]*(?:$|[].!?;,)\"'”’(—–|]|-[ \t]|(?:because|since|as|for|stars?"
    r"|points?|overall|instead|then|is)\b))"
)
_OPEN_END = r"(?=[ \t]*(?:-|–|—|,|/|or|to|and)[ \t]*[0-9])"
# "It could have been raised to 5" leaves the verdict as it is.
_HYPOTHETICAL = re.compile(
    r"\b(?:would[ \t]+have|could|might|may|can|cannot|can't|not|if|unless|to)\b[^.!?;\n]*$",
    re.IGNORECASE,
)


class Revision(NamedTuple):
    """A grade that may replace the one before it."""

    start: int
    grade: str
    is_plain: bool
    """Whether it also counts when it is none of the scale."""


def find_revisions(text: str, value: str, is_only_criterion: bool) -> Iterator[Revision]:
    """Yield the grades that take back what a reply said before.

    Args:
        text: The reply, without markup.
        value: Regular expression of a grade, as the group `grade`.
        is_only_criterion: Whether the rubric has only one; of several, "Overall: 3" is none.

    >>> [revision.grade for revision in find_revisions("Rating: 4. No, a 2.", "(?P<grade>2)", True)]
    ['2']
    """
    options = re.IGNORECASE | re.MULTILINE
    for match in _LOOSE.finditer(text):
        yield Revision(match.start("grade"), match["grade"], False)
    thought = rf"{_SECOND_THOUGHT}{_FILLER}{{0,10}}\W{{1,4}}{BRACKETS}{value}(?:{_END}|{_OPEN_END})"
    for match in re.finditer(thought, text.replace("’", "'"), options):
        yield Revision(match.start("grade"), match["grade"], True)
    for match in re.finditer(rf"\b{_CHANGED}[ \t]+(?:an?[ \t]+)?{value}{_END}", text, options):
        if not _HYPOTHETICAL.search(text, max(match.start() - 200, 0), match.start()):
            yield Revision(match.start("grade"), match["grade"], False)
    fairer = rf"(?:(?<=[\n.;,:(!?])|^)[ \t]*{value}{_FAIRER}"
    for match in re.finditer(fairer, text, options):
        yield Revision(match.start("grade"), match["grade"], False)
    if is_only_criterion:
        restated = rf"{_RESTATED}{_IS}{BRACKETS}{value}(?:{_END}|{_OPEN_END})"
        for match in re.finditer(restated, text, options):
            yield Revision(match.start("grade"), match["grade"], True)

"""What probes change in the words of a rubric: other words, and its parts in another order."""

import re
from collections.abc import Mapping

from benchkit.judging.rubric import Criterion, Rubric

# Words that mean the same in a rubric, as nouns or as verbs.
SYNONYMS: Mapping[str, str] = {
    "explanation": "justification",
    "explanations": "justifications",
    "rationale": "reasoning",
    "rationales": "reasonings",
    "customer": "shopper",
    "customers": "shoppers",
    "user": "person",
    "users": "persons",
    "recommend": "suggest",
    "recommends": "suggests",
    "recommended": "suggested",
    "recommending": "suggesting",
    "bought": "purchased",
    "neutral": "impartial",
    "strict": "exacting",
    "clear": "plain",
    "vague": "unspecific",
    "reasonably": "fairly",
}
_WORDS = re.compile(rf"(?<![\w{{-])({'|'.join(SYNONYMS)})(?![\w}}-])", re.IGNORECASE)
_READ_ALL = "Read everything below before you answer."
_DATA = re.compile(r"\{(history|item|target|rationale)\}")


def reword_rubric(rubric: Rubric) -> Rubric:
    """Return the rubric in other words: synonyms in its messages and criteria.

    What is graded, by which grades and in which form the verdict is written stays. Where no word
    has a synonym, the message begins with a sentence more.
    """
    criteria = tuple(_reword_criterion(criterion) for criterion in rubric.criteria)
    changes = {"system": _reword(rubric.system), "user": _reword(rubric.user)}
    if changes["user"] == rubric.user:
        changes["user"] = f"{_READ_ALL}\n\n{rubric.user.lstrip()}"
    return rubric.model_copy(update={**changes, "criteria": criteria})


def reverse_parts(rubric: Rubric) -> Rubric | None:
    """Return the rubric with history, item, target and rationale shown in the opposite order.

    None where one of them does not have a paragraph of its own.
    """
    paragraphs = re.split(r"\n[ \t]*\n", rubric.user)
    counts = [len(_DATA.findall(paragraph)) for paragraph in paragraphs]
    places = [place for place, count in enumerate(counts) if count]
    if max(counts) > 1 or len(places) < 2:
        return None
    changed = list(paragraphs)
    for place, other in zip(places, reversed(places), strict=True):
        changed[place] = paragraphs[other].strip("\n")
    return rubric.model_copy(update={"user": "\n\n".join(changed)})


def _reword_criterion(criterion: Criterion) -> Criterion:
    levels = {grade: _reword(text) for grade, text in criterion.levels.items()}
    changes = {"description": _reword(criterion.description), "levels": levels}
    return criterion.model_copy(update=changes)


def _reword(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        word = SYNONYMS[match[0].lower()]
        return word.capitalize() if match[0][0].isupper() else word

    return _WORDS.sub(replace, text)

"""Split a model's answer into item and rationale, both texts; `grounding` finds the candidate.

Models rarely keep to a form exactly. What is accepted: code fences, markdown, quotes, entities,
text around the tags, a closing tag missing at the end, labels such as "Answer:", the tags of
TWiCE-Rec (`<item_nm>`, `<item_id>`), and an opening tag missing because the prompt had begun it.
"""

import html
import re
from typing import NamedTuple

from benchkit.lm.response_format import ResponseFormat
from benchkit.lm.retrieval.query import parse_query
from benchkit.lm.types import FinishReason
from benchkit.types import Status

_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|\w+);")
_FENCE = re.compile(r"```(?:[\w-]+(?=[ \t]*(?:\n|<)))?")
_END_MARK = re.compile(r"<\|[^|<>\s]*\|>|</s>|<eos>|<end_of_turn>")
_THINK = re.compile(r"<\s*think(?:ing)?\s*>", re.IGNORECASE)
_THINK_END = re.compile(r"<\s*/\s*think(?:ing)?\s*>", re.IGNORECASE)
_ITEM = re.compile(r"<\s*item(?:_(?:nm|name|title))?\s*>", re.IGNORECASE)
_ITEM_END = re.compile(r"<\s*/\s*item(?:_(?:nm|name|title))?\s*>", re.IGNORECASE)
_ITEM_ID = re.compile(r"<\s*item_id\s*>([^<]*)<\s*/\s*item_id\s*>", re.IGNORECASE)
_OTHER_TAG = re.compile(r"<\s*/?\s*(?:item_id|think)|<\s*/\s*\w*\s*$", re.IGNORECASE)
_LABEL = re.compile(
    r"^[ *_>#-]*(?:the\s+|my\s+)?(?:final\s+)?"
    r"(?:answer|recommendation|recommended\s+(?:item|title)|next\s+item)(?:\s+(?:title|is))?"
    r"[ *_]*:[*_]*",
    re.IGNORECASE | re.MULTILINE,
)
_TITLE_LABEL = re.compile(r"^[*_]*(?:item|title|item\s+title)[*_]*:\s*", re.IGNORECASE)
_CANNOT = (
    r"(?:can(?:no|['’])t|can not|am unable to|am not able to|['’]m unable to|['’]m not able to)"
)
_REFUSAL = re.compile(
    rf"\W*(?:(?:i['’]?m|i am|my apologies)?,?\s*(?:very |so )?(?:sorry|apologi[sz]e)[,.;:]?\s*"
    rf"(?:but\s+)?i\s*{_CANNOT}"
    rf"|(?:unfortunately,?\s*)?i\s*{_CANNOT}\s+(?:assist|help (?:with|you)|recommend|provide|comply"
    r"|fulfil|answer|complete|make|do (?:that|this))"
    r"|i (?:must|have to) decline|i (?:won['’]t|will not) (?:assist|recommend|provide|answer)"
    r"|as an ai\b)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"^[ *_#>]*\(?#?(\d{1,3})[.):][*_]* (.+)", re.MULTILINE)
_BULLET = re.compile(r"^[-*•] (.+)", re.MULTILINE)
_MARKED = re.compile(r"(\*\*|__|[\"“])(.+?)(\*\*|__|[\"”])(?=\s*$|\s*[:,(–—-])")
_YES_NO = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
_PAIRS = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "`": "`", "*": "*", "_": "_"}


class ParsedAnswer(NamedTuple):
    """What an answer says. status: `ok` if it names an item, whether or not it is a candidate.

    item: title or id; of an answer that is a query, the query.
    item_id: the id that the answer gives beside the title, or instead of it.
    """

    item: str | None
    rationale: str | None
    status: Status
    item_id: str | None = None


def parse_answer(text: str, finish: FinishReason, response: ResponseFormat) -> ParsedAnswer:
    """Return the parts of an answer.

    text: the answer, best with the prompt's prefill in front: `"".join(prompt.prefill) + text`.
    Of several items the last complete one after `</think>` counts. An item before `</think>` (in
    reasons that never end, or with nothing after them) counts only if the model stopped by itself.
    `truncated`: cut off before an item was complete; the rationale is what there is of it.
    `refused`: by the server, or in words and without an item. A bare title is complete at the end
    of its line.

    >>> text = "<think>Likes jazz.</think>\\n<item>Blue Moon"
    >>> parse_answer(text, "stop", ResponseFormat("think-item"))
    ParsedAnswer(item='Blue Moon', rationale='Likes jazz.', status='ok', item_id=None)
    """
    if finish in ("error", "refused"):
        return ParsedAnswer(None, None, "error" if finish == "error" else "refused")
    ended = finish != "length"
    reasons, answer = _split_rationale(_strip_markup(text))
    if reasons is None and response.explains:  # begun by the prompt, and never closed
        reasons, answer = answer, ""
    item: str | None = None
    item_id: str | None = None
    if response.kind == "yes-no":
        item = _yes_or_no(answer)
    elif response.tag == "answer":
        item = parse_query(answer)
    elif response.kind == "numbered-list":
        item = next(iter(parse_list(answer, finish)), None)
    elif answer.strip():
        item, item_id = _item_after_rationale(answer, ended, response)
    elif ended:
        reasons, item, item_id = _item_in_rationale(reasons or "")
    item = item or item_id
    if item is None and _REFUSAL.match(answer if answer.strip() else reasons or ""):
        return ParsedAnswer(None, _rationale(reasons) if answer.strip() else None, "refused")
    if item is None:
        return ParsedAnswer(None, _rationale(reasons), "unparsed" if ended else "truncated")
    return ParsedAnswer(item, _rationale(reasons), "ok", item_id)


def parse_list(text: str, finish: FinishReason = "stop") -> list[str]:
    """Return the entries of a numbered or else a bulleted list, in order; [] without a list.

    An entry that was cut off is left out. Where an entry starts with bold or quoted text, that is
    the entry and the rest is a remark.

    >>> parse_list("Here are two:\\n1. Blue Moon\\n2. **Black** - for the evening")
    ['Blue Moon', 'Black']
    """
    _, text = _split_rationale(_strip_markup(text))
    numbered = [match[2] for match in _NUMBERED.finditer(text)]
    entries = numbered or [match[1] for match in _BULLET.finditer(text)]
    if finish == "length" and entries and text.endswith(entries[-1]):
        entries.pop()
    marked = (_MARKED.match(entry) for entry in entries)
    titles = (_tidy(m[2] if m else entry) for m, entry in zip(marked, entries, strict=True))
    return [title for title in titles if title]


def unescape_entities(text: str) -> str:
    """Replace HTML entities by characters; only whole ones, so "R&B" and "&copy" stay."""
    return _ENTITY.sub(lambda match: html.unescape(match[0]), text)


def _strip_markup(text: str) -> str:
    """Remove code fences, entities, end marks, empty lines and more than one space in a row.

    The newline at the end stays, as it tells that the last line is complete.
    """
    text = _FENCE.sub("", unescape_entities(text))
    ended = text.rstrip()
    while ended.endswith(">") and _END_MARK.fullmatch(mark := ended[ended.rfind("<") :]):
        text = ended = ended.removesuffix(mark).rstrip()
    # Models run on in spaces and newlines; patterns need not look at them again and again.
    lines = (" ".join(line.split()) for line in text.split("\n"))
    end = "\n" if text[len(ended) :].count("\n") else ""
    return "\n".join(line for line in lines if line) + end


def _split_rationale(text: str) -> tuple[str | None, str]:
    """Return rationale (None without one) and answer; an endless rationale leaves no answer."""
    begin, end = _THINK.search(text), _THINK_END.search(text)
    if end:
        start = begin.end() if begin and begin.end() <= end.start() else 0
        return text[start : end.start()], text[end.end() :]
    return (text[begin.end() :], "") if begin else (None, text)


def _rationale(reasons: str | None) -> str | None:
    return _tidy(_THINK.sub(" ", reasons or "")) or None


def _item_after_rationale(
    answer: str, ended: bool, response: ResponseFormat
) -> tuple[str | None, str | None]:
    """Return title and id in an answer that follows the rationale."""
    item, item_id = _tagged(answer, ended)
    cut = not ended and _ITEM.search(answer)
    if item or item_id or cut or _REFUSAL.match(answer):
        return item, item_id
    prose = response.kind == "item" and len(answer.strip().splitlines()) > 1
    return (None if prose and not _LABEL.search(answer) else _untagged_title(answer, ended)), None


def _item_in_rationale(text: str) -> tuple[str, str | None, str | None]:
    """Return rationale, title and id where the item is within the rationale."""
    item, item_id = _tagged(text, ended=True)
    begins = [match.start() for match in (_ITEM.search(text), _ITEM_ID.search(text)) if match]
    closing, label = _ITEM_END.search(text), _LABEL.search(text)
    if closing and not _ITEM.search(text):
        begins.append(text.rfind("\n", 0, closing.start()) + 1)
    if item is None and item_id is None and label:
        item, begins = _untagged_title(text, ended=True), [label.start()]
    return text[: min(begins, default=None)], item, item_id


def _tagged(text: str, ended: bool) -> tuple[str | None, str | None]:
    """Return title and id in tags: the last complete ones, else one whose end is missing."""
    ids = [name for match in _ITEM_ID.finditer(text) if (name := match[1].strip())]
    item_id = ids[-1] if ids else None
    # Between two closing tags the title starts after the last opening one. Where there is none,
    # it stood in the prompt or was forgotten: then it is the text right before the closing tag.
    *closed, tail = _ITEM_END.split(text)
    whole = [_tidy(_ITEM.split(part)[-1]) for part in closed if _ITEM.search(part)]
    titles = [title for title in whole if title]
    if titles:
        return titles[-1], item_id
    if closed and _tidy(closed[0]) and not _ITEM.search(closed[0]):
        return _last_line(closed[0]), item_id
    unclosed = [part for part in _ITEM.split(tail)[1:] if part.strip()]
    if unclosed and ended:
        return _tidy(_OTHER_TAG.split(unclosed[-1])[0].strip().split("\n")[0]) or None, item_id
    return None, item_id


def _untagged_title(text: str, ended: bool) -> str | None:
    """Return a title without tags: after the last label, else the first line of content."""
    labels = list(_LABEL.finditer(text))
    text = text[labels[-1].end() :] if labels else text
    lines = _ITEM_END.sub("", _ITEM.sub("", text)).splitlines(keepends=True)
    filled = [line for line in lines if line.strip()]
    while len(filled) > 1 and filled[0].rstrip().endswith(":"):
        filled.pop(0)
    if not filled or (not ended and not filled[0].endswith("\n")):
        return None
    return _tidy(_TITLE_LABEL.sub("", filled[0].strip())) or None


def _yes_or_no(answer: str) -> str | None:
    """Return Yes or No: the first word, the one after a label, or the only one of the two."""
    labels = list(_LABEL.finditer(answer))
    labelled = answer[labels[-1].end() :] if labels else answer
    text = _tagged(answer, ended=True)[0] or labelled
    first = _YES_NO.match(text.lstrip(" \t\n*_\"'("))
    words = {match[1].capitalize() for match in _YES_NO.finditer(text)}
    if first:
        return first[1].capitalize()
    return words.pop() if len(words) == 1 else None


def _last_line(text: str) -> str:
    return _tidy(text.strip().split("\n")[-1])


def _tidy(text: str) -> str:
    """Return the text in one line, without quotes or markdown around all of it."""
    text = " ".join(text.split())
    while len(text) > 1 and _PAIRS.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    return text

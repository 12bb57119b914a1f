"""Ranked lists as text: write, generate, parse and score them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchkit.lm.grounding import Grounder
from benchkit.lm.parsing import parse_answer, parse_list
from benchkit.lm.response_format import ResponseFormat
from benchkit.lm.types import Decoding, Engine, FinishReason, Prompt
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


def list_pieces(titles: Sequence[str]) -> tuple[str, ...]:
    """Return a numbered list in pieces that are tokenised separately: numbers and titles in turn.

    >>> list_pieces(["Blue Moon", "Black"])
    ('1. ', 'Blue Moon', '\\n2. ', 'Black')
    """
    pieces: list[str] = []
    for place, title in enumerate(titles, 1):
        pieces += [_number(place), title]
    return tuple(pieces)


def generate_lists(
    engine: Engine, prompts: Sequence[Prompt], grounders: Sequence[Grounder], max_tokens: int
) -> Iterator[ListAnswer]:
    """Let a model write lists freely and greedily, with a reason after each."""
    answers = engine.generate(prompts, Decoding(max_tokens=max_tokens))
    for grounder, answer in zip(grounders, answers, strict=True):
        completion = answer.completions[0]
        parsed = parse_list_answer(completion.text, completion.finish, grounder)
        yield parsed._replace(usage=answer.usage, fault=completion.fault)


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


def decode_lists_with_reasons(
    engine: Engine,
    prompts: Sequence[Prompt],
    titles: Sequence[Sequence[str]],
    length: int,
    max_tokens: int,
) -> Iterator[ListAnswer]:
    """Decode lists entry by entry, and let the model add a reason to each.

    Args:
        engine: Asks the model.
        prompts: The questions.
        titles: Titles that may be listed, for each prompt.
        length: Entries of a list.
        max_tokens: Most tokens of a reason.
    """
    lists = decode_lists(engine, prompts, titles, length)
    with_lists = []
    for prompt, options, places in zip(prompts, titles, lists, strict=True):
        pieces = list_pieces([options[place] for place in places])
        with_lists.append(replace(prompt, prefill=(*pieces, REASON_SEPARATOR)))
    answers = engine.generate(with_lists, Decoding(max_tokens=max_tokens, stop=("\n",)))
    for places, answer in zip(lists, answers, strict=True):
        completion = answer.completions[0]
        usable = completion.finish in ("stop", "length")
        reason = " ".join(completion.text.split()) if usable else ""
        yield ListAnswer(places, reason or None, "ok", answer.usage)


def decode_lists(
    engine: Engine,
    prompts: Sequence[Prompt],
    titles: Sequence[Sequence[str]],
    length: int,
    decoding: Decoding | None = None,
) -> list[tuple[int, ...]]:
    """Decode the first `length` entries of a list for each prompt, without repeats.

    Each entry is one of the titles not yet listed, decoded after the entries before it and its
    number.

    Args:
        engine: Asks the model.
        prompts: The questions.
        titles: Titles that may be listed, for each prompt.
        length: Entries of a list.
        decoding: Temperature and seed; greedily if left out.

    Returns:
        For each prompt the indices of the listed titles.
    """
    lists: list[list[int]] = [[] for _ in prompts]
    for place in range(1, length + 1):
        rows = [row for row, row_titles in enumerate(titles) if len(row_titles) >= place]
        row_prompts, options, remaining = [], [], []
        for row in rows:
            prefill = (*list_pieces([titles[row][p] for p in lists[row]]), _number(place))
            key = f"{prompts[row].key}#{place}"
            row_prompts.append(replace(prompts[row], key=key, prefill=prefill))
            remaining.append([p for p in range(len(titles[row])) if p not in lists[row]])
            options.append([titles[row][p] for p in remaining[-1]])
        picks = engine.constrained_choice(row_prompts, options, decoding or Decoding())
        for row, indices, (pick,) in zip(rows, remaining, picks, strict=True):
            lists[row].append(indices[pick])
    return [tuple(indices) for indices in lists]


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


def _number(place: int) -> str:
    return f"{place}. " if place == 1 else f"\n{place}. "

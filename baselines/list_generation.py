"""Ranked lists as text: how one is written, drawn from a model, read back, and turned to scores."""

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

REASON_SEPARATOR = "\nReason: "  # what comes between a list and the sentence after it
_FORM = ResponseFormat("numbered-list")
_LABEL = re.compile(
    r"^\W*(?:reasons?|explanation|why)\b[ *_]*:[ *_]*", re.IGNORECASE | re.MULTILINE
)
_ENTRY = re.compile(r"^\W*\d{1,3}[.):]|^\s*[-*•] ")


class ListAnswer(NamedTuple):
    """A list as it was understood.

    places: of the candidates it names, best first, each once. reason: the text after the list.
    status: of an answer without a candidate, why there is none; of one with a candidate `ok`, or
    `truncated` where its end is missing. usage: what the answer cost.
    """

    places: tuple[int, ...]
    reason: str | None
    status: Status
    usage: Mapping[str, float] = MappingProxyType({})


def list_pieces(titles: Sequence[str]) -> tuple[str, ...]:
    """A numbered list in pieces that are tokenised apart: numbers and titles in turn.

    >>> pieces(["Blue Moon", "Black"])
    ('1. ', 'Blue Moon', '\\n2. ', 'Black')
    """
    written: list[str] = []
    for place, title in enumerate(titles, 1):
        written += [_number(place), title]
    return tuple(written)


def generate_lists(
    engine: Engine, prompts: Sequence[Prompt], grounders: Sequence[Grounder], max_tokens: int
) -> Iterator[ListAnswer]:
    """Lists that a model writes freely and greedily, with the reason that it gives after each."""
    answers = engine.generate(prompts, Decoding(max_tokens=max_tokens))
    for grounder, answer in zip(grounders, answers, strict=True):
        text, finish, _ = answer.completions[0]
        yield parse_list_answer(text, finish, grounder)._replace(usage=answer.usage)


def parse_list_answer(text: str, finish: FinishReason, grounder: Grounder) -> ListAnswer:
    """What a generated list says. Entries that name no candidate, or one again, are passed over."""
    parsed = parse_answer(text, finish, _FORM)
    if parsed.status != "ok":
        return ListAnswer((), None, parsed.status)
    found = (grounder.ground(entry) for entry in parse_list(text, finish))
    places = tuple(dict.fromkeys(place for place in found if place is not None))
    if not places:
        return ListAnswer((), None, "unparsed")
    return ListAnswer(places, extract_reason(text), "truncated" if finish == "length" else "ok")


def extract_reason(text: str) -> str | None:
    """What stands after a list: after the label "Reason:", else after the last entry.

    >>> reason("1. Blue Moon\\n2. Black\\nReason: both are jazz.")
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
    """Lists of `length` that are decoded entry by entry, and the reason a model adds to each.

    titles: those that may be listed, prompt by prompt. max_tokens: of the reason.
    """
    listed = decode_lists(engine, prompts, titles, length)
    ended = [
        replace(prompt, prefill=(*list_pieces([own[place] for place in places]), REASON_SEPARATOR))
        for prompt, own, places in zip(prompts, titles, listed, strict=True)
    ]
    answers = engine.generate(ended, Decoding(max_tokens=max_tokens, stop=("\n",)))
    for places, answer in zip(listed, answers, strict=True):
        text, finish, _ = answer.completions[0]
        told = " ".join(text.split()) if finish in ("stop", "length") else ""
        yield ListAnswer(places, told or None, "ok", answer.usage)


def decode_lists(
    engine: Engine, prompts: Sequence[Prompt], titles: Sequence[Sequence[str]], length: int
) -> list[tuple[int, ...]]:
    """The first `length` places of a list for each prompt, drawn greedily and without repeats.

    Each entry is decoded under the constraint that it is one of the titles not yet listed, after
    the number and all entries before it.
    """
    listed: list[list[int]] = [[] for _ in prompts]
    for place in range(1, length + 1):
        rows = [row for row, own in enumerate(titles) if len(own) >= place]
        asked, options, left = [], [], []
        for row in rows:
            begun = (*list_pieces([titles[row][p] for p in listed[row]]), _number(place))
            asked.append(replace(prompts[row], key=f"{prompts[row].key}#{place}", prefill=begun))
            left.append([p for p in range(len(titles[row])) if p not in listed[row]])
            options.append([titles[row][p] for p in left[-1]])
        picks = engine.constrained_choice(asked, options, Decoding())
        for row, own, (pick,) in zip(rows, left, picks, strict=True):
            listed[row].append(own[pick])
    return [tuple(own) for own in listed]


def reciprocal_rank_scores(
    places: Sequence[int], count: int, rest: NDArray[np.float64] | None = None
) -> list[float]:
    """Scores of `count` candidates: 1 / place for those that are listed, 0 for the others.

    rest: [count] scores by which the others follow the list instead; equal ones share a place.
    """
    scores = np.zeros(count)
    scores[list(places)] = 1.0 / np.arange(1, len(places) + 1)
    if rest is not None:
        others = np.setdiff1d(np.arange(count), places)
        better = (rest[others][None, :] > rest[others][:, None]).sum(axis=1)
        scores[others] = 1.0 / (len(places) + 1 + better)
    values: list[float] = scores.tolist()
    return values


def _number(place: int) -> str:
    return f"{place}. " if place == 1 else f"\n{place}. "

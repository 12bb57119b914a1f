"""Let a model write ranked lists: freely, or entry by entry among titles."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from baselines.list_answers import (
    REASON_SEPARATOR,
    ListAnswer,
    entry_mark,
    list_pieces,
    parse_list_answer,
)
from benchkit.lm.grounding import Grounder
from benchkit.lm.types import Decoding, Engine, Prompt


def generate_lists(
    engine: Engine, prompts: Sequence[Prompt], grounders: Sequence[Grounder], max_tokens: int
) -> Iterator[ListAnswer]:
    """Let a model write lists freely and greedily, with a reason after each."""
    answers = engine.generate(prompts, Decoding(max_tokens=max_tokens))
    for grounder, answer in zip(grounders, answers, strict=True):
        completion = answer.completions[0]
        parsed = parse_list_answer(completion.text, completion.finish, grounder)
        yield parsed._replace(usage=answer.usage, fault=completion.fault)


def decode_lists_with_reasons(
    engine: Engine,
    prompts: Sequence[Prompt],
    titles: Sequence[Sequence[str]],
    length: int,
    max_tokens: int,
    numbered: bool = True,
) -> Iterator[ListAnswer]:
    """Decode lists entry by entry, and let the model add a reason to each.

    Args:
        engine: Asks the model.
        prompts: The questions.
        titles: Titles that may be listed, for each prompt.
        length: Entries of a list.
        max_tokens: Most tokens of a reason.
        numbered: Whether entries have numbers.
    """
    lists = decode_lists(engine, prompts, titles, length, numbered=numbered)
    with_lists = []
    for prompt, options, places in zip(prompts, titles, lists, strict=True):
        pieces = list_pieces([options[place] for place in places], numbered)
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
    numbered: bool = True,
) -> list[tuple[int, ...]]:
    """Decode the first `length` entries of a list for each prompt, without repeats.

    Each entry is one of the titles not yet listed, decoded after the entries before it and its
    number, if entries have one.

    Args:
        engine: Asks the model.
        prompts: The questions.
        titles: Titles that may be listed, for each prompt.
        length: Entries of a list.
        decoding: Temperature and seed; greedily if left out.
        numbered: Whether each entry has its number before it.

    Returns:
        For each prompt the indices of the listed titles.
    """
    lists: list[list[int]] = [[] for _ in prompts]
    for place in range(1, length + 1):
        rows = [row for row, row_titles in enumerate(titles) if len(row_titles) >= place]
        row_prompts, options, remaining = [], [], []
        for row in rows:
            listed = list_pieces([titles[row][p] for p in lists[row]], numbered)
            prefill = (*listed, *filter(None, [entry_mark(place, numbered)]))
            key = f"{prompts[row].key}#{place}"
            row_prompts.append(replace(prompts[row], key=key, prefill=prefill))
            remaining.append([p for p in range(len(titles[row])) if p not in lists[row]])
            options.append([titles[row][p] for p in remaining[-1]])
        picks = engine.constrained_choice(row_prompts, options, decoding or Decoding())
        for row, indices, (pick,) in zip(rows, remaining, picks, strict=True):
            lists[row].append(indices[pick])
    return [tuple(indices) for indices in lists]

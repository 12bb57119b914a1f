"""Rewards of generated answers, as plain numbers: what an answer is worth, by several papers."""

import math
import re
from collections.abc import Collection, Mapping, Sequence

from benchkit.lm.response_format import ResponseFormat

RECLM_PENALTY = -1.0  # RecLM-gen: of a listed item that should not be there


def twice_rec_reward(match: bool, cf: float, weight: float = 3.0, threshold: float = 0.3) -> float:
    """TWiCE-Rec's reward of the item (section 3.3): correctness, and what collaborative filtering
    thinks of the item, between 0 and 1.

    A match gains 1, and `weight` times `cf` where `cf` reaches the threshold; another item gains
    `cf` where it does, else nothing.

    >>> round(twice(True, 0.8), 6), twice(True, 0.2), twice(False, 0.8), twice(False, 0.2)
    (3.4, 1.0, 0.8, 0.0)
    """
    agreed = cf if cf >= threshold else 0.0
    return 1.0 + weight * agreed if match else agreed


def format_tags(form: ResponseFormat) -> tuple[str, ...]:
    """Names of the tags of an answer, in order; none for a format without tags."""
    return {"think-item": ("think", "item"), "item": ("item",)}.get(form.kind, ())


def is_well_formed(text: str, names: Sequence[str]) -> bool:
    """Whether an answer is its tags, in order and each once, with nothing around them.

    >>> well_formed("<think>a</think><item>b</item>", ("think", "item"))
    True
    >>> well_formed("<think>a</think><think>b</think><item>c</item>", ("think", "item"))
    False
    """
    pattern = r"\s*".join(f"<{name}>.*</{name}>" for name in names)
    whole = re.fullmatch(rf"\s*{pattern}\s*", text, re.DOTALL) if names else True
    return whole is not None and _once(text, names) == 2 * len(names)


def format_reward(text: str, names: Sequence[str]) -> float:
    """TWiCE-Rec's reward of the form: 1 for the structure, and .25 for each tag that stands in the
    text exactly once. 2 at most for `<think>` and `<item>`; 0 for a format without tags.

    >>> format_reward("<think>a</think><item>b</item>", ("think", "item"))
    2.0
    >>> format_reward("<think>a</think>b", ("think", "item"))
    0.5
    """
    if not names:
        return 0.0
    return float(is_well_formed(text, names)) + 0.25 * _once(text, names)


def rec_r1_reward(
    rank: int | None, formatted: bool, bonus: float = 0.1, malformed: float = -2.0
) -> float:
    """Rec-R1's reward (Lin et al., 2025): NDCG of the target at its rank, from 1, and a bonus for
    the form; 0 for a target that was not found, whatever the form; `malformed` without the form.

    >>> rec_r1(1, True), rec_r1(3, True), rec_r1(None, True), rec_r1(1, False)
    (1.1, 0.6, 0.0, -2.0)
    """
    if not formatted:
        return malformed
    return 0.0 if rank is None else 1 / math.log2(rank + 1) + bonus


def reclm_items(
    listed: Sequence[str],
    target: str,
    teacher: Mapping[str, int],
    history: Collection[str],
    count: int,
) -> list[float]:
    """RecLM-gen's reward of each listed item (Lu et al., ACL 2024, section 3.3).

    -1 for an item beyond the `count` that were asked for, of no known rank, repeated, or of the
    history; 1 for the target; else 1 / log2(r + 3) of the teacher's rank r, from 0. teacher: rank
    of every item that may be listed.

    >>> [round(r, 4) for r in reclm_items(["b", "a", "a", "h", "x"], "a", {"a": 1, "b": 0}, "h", 5)]
    [0.6309, 1.0, -1.0, -1.0, -1.0]
    """
    rewards = []
    for place, item in enumerate(listed):
        wrong = place >= count or item in listed[:place] or item in history
        if wrong or (item not in teacher and item != target):
            rewards.append(RECLM_PENALTY)
        else:
            rewards.append(1.0 if item == target else 1 / math.log2(teacher[item] + 3))
    return rewards


def reclm_best(count: int) -> float:
    """The largest discounted sum of `count` item rewards: sum_i 1 / log2(i + 2)^2.

    >>> [round(reclm_best(k), 4) for k in (1, 2, 3, 4, 5, 10)]
    [1.0, 1.3981, 1.6481, 1.8336, 1.9832, 2.4949]
    """
    return sum(1 / math.log2(place + 2) ** 2 for place in range(count))


def reclm_list(items: Sequence[float], target: int | None, count: int, share: float = 0.5) -> float:
    """RecLM-gen's reward of a list, at most 10.

    items: rewards of the listed items; discounted by their place, except penalties, as in the
    official code. target: place of the target in the list, from 0, or None. count: items asked
    for. share: of the item rewards against that of the target's place.
    """
    discounted = sum(
        reward if reward == RECLM_PENALTY else reward / math.log2(place + 2)
        for place, reward in enumerate(items)
    )
    found = 0.0 if target is None else 1 / math.log2(target + 2)
    return 10 * (share * discounted / reclm_best(count) + (1 - share) * found)


def idf(frequency: int, documents: int) -> float:
    """BM25's weight of a term that `frequency` of the documents have (Robertson and Zaragoza, 2009,
    in the form that is never negative): what Rec-R1's reward by retrieval counts a match with.

    >>> [round(idf(f, 10), 5) for f in (1, 5, 10)]
    [1.99243, 0.69315, 0.04652]
    """
    return math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))


def _once(text: str, names: Sequence[str]) -> int:
    """How many of the opening and closing tags stand in the text exactly once."""
    return sum(text.count(mark) == 1 for name in names for mark in (f"<{name}>", f"</{name}>"))

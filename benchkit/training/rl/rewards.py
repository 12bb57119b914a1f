"""Rewards of generated answers, as several papers define them."""

import math
import re
from collections.abc import Callable, Mapping, Sequence

from benchkit.lm.response_format import ResponseFormat


def twice_rec_reward(match: bool, cf: float, weight: float = 3.0, threshold: float = 0.3) -> float:
    """Return TWiCE-Rec's reward of an item (eq. 2).

    Args:
        match: Whether it is the target; a match earns 1.
        cf: Score of the item by a collaborative filter, 0 to 1; counts from the threshold on.
        weight: Factor lambda of `cf` for a match; 1 for another item. 0 leaves `cf` out for both,
            which is the paper's ablation (variant D); in eq. 2 itself other items would keep `cf`.
        threshold: Threshold tau.

    >>> round(twice_rec_reward(True, 0.8), 6), twice_rec_reward(False, 0.8)
    (3.4, 0.8)
    >>> twice_rec_reward(True, 0.2), twice_rec_reward(False, 0.2)
    (1.0, 0.0)
    >>> twice_rec_reward(True, 0.8, weight=0.0), twice_rec_reward(False, 0.8, weight=0.0)
    (1.0, 0.0)
    """
    agreed = cf if weight and cf >= threshold else 0.0
    return 1.0 + weight * agreed if match else agreed


def format_tags(form: ResponseFormat) -> tuple[str, ...]:
    """Return the names of an answer's tags, in order; none for a format without tags."""
    return (*(("think",) if form.explains else ()), *((form.tag,) if form.tag else ()))


def is_well_formed(text: str, names: Sequence[str]) -> bool:
    """Return whether an answer consists of its tags, in order and each once, and nothing else.

    >>> is_well_formed("<think>a</think><item>b</item>", ("think", "item"))
    True
    >>> is_well_formed("<think>a</think><think>b</think><item>c</item>", ("think", "item"))
    False
    """
    pattern = r"\s*".join(f"<{name}>.*</{name}>" for name in names)
    whole = re.fullmatch(rf"\s*{pattern}\s*", text, re.DOTALL) if names else True
    return whole is not None and _once(text, names) == 2 * len(names)


def format_reward(text: str, names: Sequence[str]) -> float:
    """Return TWiCE-Rec's reward of the format, rho_struct + rho_tag (eqs. 3-5).

    1 if a pair of each tag encloses something, and 0.25 for each opening or closing tag that
    occurs: at most 2 for `<think>` and `<item>`. Order, repetitions and text around the tags do not
    matter; `strict_format_reward` minds them. 0 for a format without tags.

    >>> format_reward("<think>a</think><item>b</item>", ("think", "item"))
    2.0
    >>> format_reward("<item>b</item> since <think>a</think>", ("think", "item"))
    2.0
    >>> format_reward("<think>a</think>b", ("think", "item"))
    0.5
    """
    if not names:
        return 0.0
    structured = all(_encloses(text, name) for name in names)
    marks = [mark for name in names for mark in _marks(name)]
    return float(structured) + 0.25 * sum(mark in text for mark in marks)


def strict_format_reward(text: str, names: Sequence[str]) -> float:
    """Return the reward of the format for an answer of the expected tags and nothing else.

    1 if `is_well_formed` and no tag is empty, and 0.25 for each tag that occurs exactly once; never
    more than TWiCE-Rec's equations give. 0 for a format without tags.

    >>> strict_format_reward("<think>a</think><item>b</item>", ("think", "item"))
    2.0
    >>> strict_format_reward("<item>b</item> since <think>a</think>", ("think", "item"))
    1.0
    """
    if not names:
        return 0.0
    structured = is_well_formed(text, names) and all(_encloses(text, name) for name in names)
    return float(structured) + 0.25 * _once(text, names)


FORMAT_REWARDS: Mapping[str, Callable[[str, Sequence[str]], float]] = {
    "paper": format_reward,
    "strict": strict_format_reward,
}
"""By the name that settings give them."""


def rec_r1_reward(
    rank: float | None, formatted: bool, bonus: float = 0.1, malformed: float = -2.0
) -> float:
    """Return Rec-R1's reward: NDCG of the target, plus a bonus for the format (Lin et al., 2025).

    Args:
        rank: Rank of the target, from 1, between two numbers where it ties; None if it was not
            found, which earns 0.
        formatted: Whether the answer has the required format.
        bonus: For a target that was found, in the right format.
        malformed: Reward of an answer without the format.

    >>> [rec_r1_reward(rank, True) for rank in (1, 3, None)], rec_r1_reward(1, False)
    ([1.1, 0.6, 0.0], -2.0)
    """
    if not formatted:
        return malformed
    return 0.0 if rank is None else 1 / math.log2(rank + 1) + bonus


def _marks(name: str) -> tuple[str, str]:
    return f"<{name}>", f"</{name}>"


def _encloses(text: str, name: str) -> bool:
    """Return whether an opening tag and the next closing one have more than space between them."""
    begin, end = _marks(name)
    return re.search(rf"{begin}(?!\s*{end}).+?{end}", text, re.DOTALL) is not None


def _once(text: str, names: Sequence[str]) -> int:
    """Count the opening and closing tags that occur in the text exactly once."""
    return sum(text.count(mark) == 1 for name in names for mark in _marks(name))

"""RecLM-gen's rewards of ranked lists: of each item, and of the list as a whole.

Lu et al., Aligning Large Language Models for Controllable Recommendations, ACL 2024.
"""

import math
from collections.abc import Collection, Mapping, Sequence

RECLM_PENALTY = -1.0  # for a listed item that should not be in the list


def reclm_items(
    listed: Sequence[str],
    target: str,
    teacher: Mapping[str, int],
    history: Collection[str],
    count: int,
) -> list[float]:
    """Return RecLM-gen's reward of each listed item (Lu et al., ACL 2024, section 3.3).

    1 for the target, -1 for an item beyond `count`, without a rank, repeated or of the history,
    else 1 / log2(r + 3) with the teacher's rank r.

    Args:
        listed: The list, best first.
        target: The item that is right.
        teacher: Rank, from 0, of every item that may be listed.
        history: Items of the history.
        count: Number of items that were asked for.

    >>> [round(r, 4) for r in reclm_items(["b", "a", "a", "h", "x"], "a", {"a": 1, "b": 0}, "h", 5)]
    [0.6309, 1.0, -1.0, -1.0, -1.0]
    """
    rewards = []
    for position, item in enumerate(listed):
        wrong = position >= count or item in listed[:position] or item in history
        if wrong or (item not in teacher and item != target):
            rewards.append(RECLM_PENALTY)
        else:
            rewards.append(1.0 if item == target else 1 / math.log2(teacher[item] + 3))
    return rewards


def reclm_best(count: int) -> float:
    """Return the largest discounted sum of `count` item rewards, sum_i 1 / log2(i + 2)^2.

    >>> [round(reclm_best(k), 4) for k in (1, 2, 3, 4, 5, 10)]
    [1.0, 1.3981, 1.6481, 1.8336, 1.9832, 2.4949]
    """
    return sum(1 / math.log2(position + 2) ** 2 for position in range(count))


def reclm_list(items: Sequence[float], target: int | None, count: int, share: float = 0.5) -> float:
    """Return RecLM-gen's reward of a list, at most 10.

    Args:
        items: Rewards of the listed items. They are discounted by position, except penalties, as
            in the official code.
        target: Position of the target in the list, from 0; None if it is not listed.
        count: Number of items that were asked for.
        share: Share of the item rewards; the rest is for the target's position.
    """
    discounted = sum(
        reward if reward == RECLM_PENALTY else reward / math.log2(position + 2)
        for position, reward in enumerate(items)
    )
    target_reward = 0.0 if target is None else 1 / math.log2(target + 2)
    return 10 * (share * discounted / reclm_best(count) + (1 - share) * target_reward)

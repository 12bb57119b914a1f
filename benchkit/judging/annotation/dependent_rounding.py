"""Rounding a table of fractions at random, so that no margin moves by one or more."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from fractions import Fraction

Node = Hashable
Edge = tuple[Node, Node]


def round_flow(flow: Mapping[Edge, Fraction], draw: Callable[[], Fraction]) -> dict[Edge, int]:
    """Round a circulation up or down edge by edge, each with its fraction as expectation.

    flow: edge (from, to) -> amount; at every node, what comes in goes out. This stays so, so that
    an edge that sums up others is rounded up or down, too. draw: uniform numbers in [0, 1).

    As long as an edge is fractional it lies on a cycle of such edges. Along it, amounts are moved
    one way or the other until one is whole; the odds make the expected move zero (dependent
    rounding: Gandhi, Khuller, Parthasarathy and Srinivasan, 2006).
    """
    left = dict(flow)
    at: dict[Node, dict[Edge, None]] = {}  # fractional edges of a node, in order
    for edge, amount in flow.items():
        if amount.denominator > 1:
            for node in edge:
                at.setdefault(node, {})[edge] = None
    for edge in flow:
        while left[edge].denominator > 1:
            cycle = _cycle(edge[0], at)
            up = min(_room(left[e], forward) for e, forward in cycle)
            down = min(_room(left[e], not forward) for e, forward in cycle)
            step = up if draw() * (up + down) < down else -down
            for e, forward in cycle:
                left[e] += step if forward else -step
                if left[e].denominator == 1:
                    for node in e:
                        del at[node][e]
    return {edge: int(amount) for edge, amount in left.items()}


def _room(amount: Fraction, upwards: bool) -> Fraction:
    return math.ceil(amount) - amount if upwards else amount - math.floor(amount)


def _cycle(start: Node, at: Mapping[Node, Mapping[Edge, None]]) -> Sequence[tuple[Edge, bool]]:
    """A cycle of fractional edges that can be reached, each with whether it is walked forward."""
    walked: list[tuple[Edge, bool]] = []
    seen = {start: 0}
    node, before = start, None
    while True:
        edge = next(edge for edge in at[node] if edge != before)
        forward = edge[0] == node
        node, before = edge[1] if forward else edge[0], edge
        walked.append((edge, forward))
        if node in seen:
            return walked[seen[node] :]
        seen[node] = len(walked)

"""Rounding a table of fractions at random, so that no margin moves by one or more.

Reference: Gandhi, Khuller, Parthasarathy and Srinivasan (2006), dependent rounding.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from fractions import Fraction

Node = Hashable
Edge = tuple[Node, Node]


def round_flow(flow: Mapping[Edge, Fraction], draw: Callable[[], Fraction]) -> dict[Edge, int]:
    """Round a circulation up or down edge by edge, each with its fraction as expectation.

    As long as an edge is fractional it lies on a cycle of such edges. Along it, amounts are moved
    one way or the other until one is whole; the odds make the expected move zero.

    Args:
        flow: Edge (from, to) -> amount; at every node, what comes in goes out. This stays so, so
            that an edge that sums up others is rounded up or down, too.
        draw: Returns uniform numbers in [0, 1).
    """
    amounts = dict(flow)
    fractional: dict[Node, dict[Edge, None]] = {}  # fractional edges of a node, in order
    for edge, amount in flow.items():
        if amount.denominator > 1:
            for node in edge:
                fractional.setdefault(node, {})[edge] = None
    for edge in flow:
        while amounts[edge].denominator > 1:
            cycle = _find_cycle(edge[0], fractional)
            up = min(_room(amounts[e], forward) for e, forward in cycle)
            down = min(_room(amounts[e], not forward) for e, forward in cycle)
            step = up if draw() * (up + down) < down else -down
            for e, forward in cycle:
                amounts[e] += step if forward else -step
                if amounts[e].denominator == 1:
                    for node in e:
                        del fractional[node][e]
    return {edge: int(amount) for edge, amount in amounts.items()}


def _room(amount: Fraction, upwards: bool) -> Fraction:
    return math.ceil(amount) - amount if upwards else amount - math.floor(amount)


def _find_cycle(
    start: Node, fractional: Mapping[Node, Mapping[Edge, None]]
) -> Sequence[tuple[Edge, bool]]:
    """Return a reachable cycle of fractional edges, each with whether it is walked forward."""
    path: list[tuple[Edge, bool]] = []
    visits = {start: 0}
    node, previous = start, None
    while True:
        edge = next(edge for edge in fractional[node] if edge != previous)
        forward = edge[0] == node
        node, previous = edge[1] if forward else edge[0], edge
        path.append((edge, forward))
        if node in visits:
            return path[visits[node] :]
        visits[node] = len(path)

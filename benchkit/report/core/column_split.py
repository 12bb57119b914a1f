"""The columns of a wide table in blocks that there is room for, on a page or a terminal."""

from collections.abc import Sequence
from itertools import chain, pairwise


def split_columns(
    units: Sequence[Sequence[int]], widths: Sequence[float], room: float
) -> list[list[int]]:
    """Return the places of the columns of each block.

    Blocks have about as many units as each other, where that fits.

    Args:
        units: Places of columns that stay together where a block has room for them.
        widths: The width of the column at each place.
        room: How wide a block may be.

    >>> split_columns([[1], [2], [3], [4]], [0, 4, 4, 4, 4], 13)
    [[1, 2], [3, 4]]
    """
    fitting: list[Sequence[int]] = []
    for unit in units:
        fits = sum(widths[place] for place in unit) <= room
        fitting += [unit] if fits else [[place] for place in unit]
    blocks = _fill(fitting, widths, room)
    size, larger = divmod(len(fitting), max(1, len(blocks)))
    starts = [place * size + min(place, larger) for place in range(len(blocks) + 1)]
    even = [list(chain(*fitting[a:b])) for a, b in pairwise(starts)]
    fits = all(sum(widths[place] for place in block) <= room for block in even)
    return even if fits else blocks


def _fill(units: Sequence[Sequence[int]], widths: Sequence[float], room: float) -> list[list[int]]:
    """Return as few blocks as there is room for."""
    blocks: list[list[int]] = []
    left = 0.0
    for unit in units:
        width = sum(widths[place] for place in unit)
        if width > left or not blocks:
            blocks.append([])
            left = room
        blocks[-1] += unit
        left -= width
    return blocks

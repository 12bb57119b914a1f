"""Which examples share a forward pass: bins filled up to a number of tokens."""

from collections.abc import Iterator, Sequence


def fill_bins(sizes: Sequence[int], limit: int) -> list[list[int]]:
    """Fill bins of at most `limit` tokens by best fit, the longest examples first.

    Args:
        sizes: Tokens of each example.
        limit: Most tokens of a bin; an example with more has a bin of its own.

    Returns:
        Numbers of examples in each bin, ascending; bins in the order of their first example.
    """
    bins: list[list[int]] = []
    room: list[int] = []
    for example in sorted(range(len(sizes)), key=lambda e: (-sizes[e], e)):
        size = sizes[example]
        fitting = [number for number, left in enumerate(room) if size <= left]
        if fitting:
            number = min(fitting, key=lambda n: (room[n], n))
            bins[number].append(example)
            room[number] -= size
        else:
            bins.append([example])
            room.append(limit - size)
    return sorted(map(sorted, bins))


def fill_padded_bins(
    examples: Sequence[int], sizes: Sequence[int], limit: int
) -> Iterator[list[int]]:
    """Yield examples by size, in bins whose examples times their largest size keep the limit.

    Args:
        examples: Numbers of the examples.
        sizes: Tokens of each number.
        limit: Most tokens of a bin, padding included; a single example may have more.
    """
    batch: list[int] = []
    for example in sorted(examples, key=lambda e: sizes[e]):
        if batch and sizes[example] * (len(batch) + 1) > limit:
            yield batch
            batch = []
        batch.append(example)
    if batch:
        yield batch

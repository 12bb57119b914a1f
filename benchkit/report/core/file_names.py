"""Names of the files that a report writes."""

from collections.abc import Iterable, Iterator, Sequence

from benchkit.io import slug

_MAX_STEM_BYTES = 120


def unique_stems(names: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a distinct file name for each tuple of parts, short enough for any file system.

    They have no dots, because what follows one would look like an extension.

    >>> list(unique_stems([("metric", "a b"), ("metric", "a/b"), ("metric", "c")]))
    ['metric-a-b', 'metric-a-b-2', 'metric-c']
    """
    used: set[str] = set()
    for parts in names:
        whole = (
            slug("-".join(parts))
            .replace(".", "-")
            .encode()[:_MAX_STEM_BYTES]
            .decode(errors="ignore")
        )
        stem, number = whole, 1
        while stem.casefold() in used:
            number += 1
            stem = f"{whole}-{number}"
        used.add(stem.casefold())
        yield stem

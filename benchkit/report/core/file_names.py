"""Names of the files that a report writes."""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchkit.io import slug

_MAX_STEM_BYTES = 120


def label_stem(prefix: str, label: str, folder: Path) -> str:
    """Return the file name of a label in a folder, which no other label has there.

    A label ends with a hash if it is long or has characters that files do not keep, and if the
    folder has files of a label that differs from it in capitals only, which not every file system
    tells from small letters.

    >>> label_stem("pairs", "a-b", Path()), label_stem("pairs", "a b", Path())
    ('pairs-a-b', 'pairs-a-b-c8687a08aa')
    """
    stem = slug(label)
    plain = f"{prefix}-{stem}"
    digest = hashlib.sha256(label.encode()).hexdigest()[:10]
    room = _MAX_STEM_BYTES - len(digest) - 1
    hashed = f"{prefix}-{stem.encode()[:room].decode(errors='ignore')}-{digest}"
    if stem != label or len(stem.encode()) > _MAX_STEM_BYTES:
        return hashed
    present = {path.stem for path in folder.glob(f"{prefix}-*")}
    alike = any(name != plain and _fold(name) == _fold(plain) for name in present)
    return hashed if (plain not in present and alike) or hashed in present else plain


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


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

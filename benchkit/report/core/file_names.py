"""Names of the files that a report writes, and the files of one judge."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from benchkit import io
from benchkit.report.core.text_table import TextTable, csv_text, render_markdown

_MAX_STEM_BYTES = 120
_HASHED = re.compile(r"-[0-9a-f]{10}$")


def label_stem(prefix: str, label: str, folder: Path) -> str:
    """Return the file name of a label in a folder, which no other label has there.

    The name ends with a hash if the label is long, has characters that files do not keep or ends
    like a hash itself, and if the folder has files of a label that differs from it in capitals
    only, which not every file system tells from small letters.

    >>> label_stem("pairs", "a-b", Path()), label_stem("pairs", "a b", Path())
    ('pairs-a-b', 'pairs-a-b-c8687a08aa')
    """
    stem = io.slug(label)
    plain = f"{prefix}-{stem}"
    digest = hashlib.sha256(label.encode()).hexdigest()[:10]
    room = _MAX_STEM_BYTES - len(digest) - 1
    hashed = f"{prefix}-{stem.encode()[:room].decode(errors='ignore')}-{digest}"
    if stem != label or len(stem.encode()) > _MAX_STEM_BYTES or _HASHED.search(label):
        return hashed
    present = {path.stem for path in folder.glob(f"{prefix}-*")}
    alike = any(name != plain and _fold(name) == _fold(plain) for name in present)
    return hashed if (plain not in present and alike) or hashed in present else plain


def write_judge_files(
    folder: Path,
    stem: str,
    tables: Sequence[TextTable],
    rows: pl.DataFrame,
    record: Mapping[str, Any],
) -> list[Path]:
    """Write STEM.md with tables, STEM.csv with rows, STEM.json with a record; return the paths."""
    texts = {
        ".md": render_markdown(tables),
        ".csv": csv_text(rows.columns, rows.iter_rows()),
        ".json": json.dumps(record, indent=2, allow_nan=False) + "\n",
    }
    for ending, text in texts.items():
        io.write_text(folder / f"{stem}{ending}", text)
    return [folder / f"{stem}{ending}" for ending in texts]


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
            io.slug("-".join(parts))
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

"""How texts become files whose bytes depend on the texts alone: no time of writing in them."""

import gzip
import hashlib
import io as streams
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ZIP_TIME = (2015, 1, 1, 0, 0, 0)


def make_code(length: int, *key: object) -> str:
    """Return an id of capitals and digits, another one for every key.

    >>> len(make_code(10, "item", 1)), make_code(8, 1) == make_code(8, 2)
    (10, False)
    """
    digest = hashlib.blake2b(repr(key).encode()).digest()
    return "".join(_ALPHABET[byte % 32] for byte in digest[:length])


def insert_lines(lines: Sequence[str], extra: Iterable[str], rng: np.random.Generator) -> list[str]:
    """Return the lines with others in between, never first, which would settle the format."""
    result = list(lines)
    for line in extra:
        result.insert(int(rng.integers(1, len(result) + 1)), line)
    return result


def pack_lines(path: str, lines: Iterable[str]) -> dict[str, bytes]:
    """Return path -> the lines, gzipped if the name ends so."""
    text = "".join(f"{line}\n" for line in lines).encode()
    return {path: gzip.compress(text, mtime=0) if path.endswith(".gz") else text}


def pack_folder(path: str, files: Mapping[str, Iterable[str]]) -> dict[str, bytes]:
    """Return path -> content of a zip, or of the files of a folder, by the name of `path`."""
    texts = {name: "".join(f"{line}\n" for line in lines) for name, lines in files.items()}
    if not path.endswith(".zip"):
        return {f"{path}/{name}": text.encode() for name, text in texts.items()}
    buffer = streams.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in texts.items():
            entry = zipfile.ZipInfo(f"{PurePosixPath(path).stem}/{name}", _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text)
    return {path: buffer.getvalue()}

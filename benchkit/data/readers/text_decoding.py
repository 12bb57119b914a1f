"""A file of text as UTF-8: unpacked, and decoded from what it was written in."""

import bz2
import codecs
import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from benchkit.errors import ConfigError, DataError

UNPACKING_ERRORS = (EOFError, OSError, zlib.error, lzma.LZMAError, ValueError)
PACKED_SUFFIXES = (".gz", ".zst", ".bz2", ".xz")
_ZSTD = b"\x28\xb5\x2f\xfd"
_BYTE_ORDER_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_C1_BYTES = re.compile(rb"[\x80-\x9f]")
_C1_CHARACTERS = re.compile("[\x80-\x9f]")
_SAMPLE = 4096  # bytes at the beginning that show what a file is
_FEW_ZEROS = 8  # one byte in so many


def read_text(path: Path, encoding: str | None = None) -> bytes:
    """Return the text of a file, packed or not, as UTF-8 with "\\n" at the end of lines.

    Args:
        path: The file; gzip, zstandard, bzip2 and xz are known by their first bytes.
        encoding: What the text is written in. By default UTF-8, or what a byte order mark says.

    Raises:
        ConfigError: There is no such encoding.
        DataError: The archive is damaged, or the text is not of that encoding.
    """
    data = unpack(path)
    if encoding is None:
        encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    text = _from_utf8(path, data) if encoding is None else _decode(path, data, encoding)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
        if b"\n" not in text:  # as old Macs ended lines
            text = text.replace(b"\r", b"\n")
    return text


def iter_text(path: Path, encoding: str | None, size: int) -> Iterator[bytes]:
    """Yield the text of a file as `read_text` returns it, a piece of about `size` bytes at a time.

    Pieces end anywhere. Where there is no "\\n" at all, a "\\r" is left as it is.

    Raises:
        DataError: The text is not of that encoding. Other errors of unpacking it are as they come.
    """
    held = b""
    for piece in _decode_pieces(path, _unpack_pieces(path, size), encoding):
        held += piece
        cut = len(held) - held.endswith(b"\r")  # the "\n" may be in the next piece
        yield held[:cut].replace(b"\r\n", b"\n")
        held = held[cut:]
    yield held


def _decode_pieces(path: Path, pieces: Iterator[bytes], encoding: str | None) -> Iterator[bytes]:
    head = next(pieces, b"")
    if encoding is None:
        encoding = next((name for mark, name in _BYTE_ORDER_MARKS if head.startswith(mark)), None)
    try:
        decoder = codecs.getincrementaldecoder(encoding or "utf-8")("strict")
    except LookupError:
        raise _encoding_error(path, str(encoding)) from None
    is_first = True
    for piece in chain([head], pieces, [b""]):
        if encoding is None and b"\0" in piece:
            raise DataError(f"{path}: holds zero bytes")
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeError as error:
            raise DataError(f"{path}: not {encoding or 'UTF-8'}: {error}") from None
        if encoding is None:
            yield piece
            continue
        if is_first and text:
            text, is_first = text.removeprefix("\ufeff"), False
        _refuse_control_characters(path, text, encoding)
        yield text.encode("utf-8")


def _unpack_pieces(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as packed:
        mark = packed.read(6)
    if mark.startswith((_ZSTD, b"PK\x03\x04")):
        raise DataError(f"{path}: is not read in pieces")
    openers: dict[bytes, Any] = {
        b"\x1f\x8b": gzip.open,
        b"BZh": bz2.open,
        b"\xfd7zXZ\x00": lzma.open,
    }
    fits = [opener for start, opener in openers.items() if mark.startswith(start)]
    with fits[0](path) if fits else path.open("rb") as file:
        while piece := file.read(size):
            yield piece


def unpack(path: Path) -> bytes:
    """Return the content of a file, unpacked if it is packed."""
    data = path.read_bytes()
    readers: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
        (b"\x1f\x8b", gzip.decompress),
        (b"BZh", bz2.decompress),
        (b"\xfd7zXZ\x00", lzma.decompress),
        (_ZSTD, _decompress_zstd),
    )
    for mark, decompress in readers:
        if data.startswith(mark):
            try:
                return decompress(data)
            except UNPACKING_ERRORS as error:
                raise DataError(
                    f"{path}: the archive is damaged: {error}", "get the file again"
                ) from None
    if data.startswith(b"PK\x03\x04"):
        raise DataError(f"{path}: is a zip file, or a workbook of Excel", "unpack it, or save CSV")
    return data


def _decompress_zstd(data: bytes) -> bytes:
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
    except ImportError:
        raise DataError(
            "a .zst file needs pyarrow to be read", "pip install pyarrow, or unpack the file"
        ) from None
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        return bytes(stream.read())


def _from_utf8(path: Path, data: bytes) -> bytes:
    """Return `data`, which must be UTF-8."""
    head = data[:_SAMPLE]
    # Of Latin letters in UTF-16 every other byte is a zero.
    if head.count(0) > len(head) // _FEW_ZEROS:
        first_zeros = head[::2].count(0)
        name = "utf-16-be" if first_zeros > head[1::2].count(0) else "utf-16-le"
        raise DataError(
            f"{path}: holds zero bytes, as text in UTF-16 does",
            f'if it is UTF-16, set encoding = "{name}" in the options; otherwise get it again',
        )
    if (place := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, place) + 1
        raise DataError(
            f"{path}, line {line}: holds a zero byte ({data.count(0)} of them), which no text has",
            "get the file again, or remove them",
        )
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        sample = data[max(0, error.start - 10) : error.start + 10]
        raise DataError(
            f"{path}, line {line}: not UTF-8 (byte 0x{data[error.start]:02x};"
            f" as Latin-1 it reads {sample.decode('latin-1')!r})",
            f"say what it is written in: encoding = {_usual_encodings(data)}, ... in the options",
        ) from None
    return data


def _decode(path: Path, data: bytes, encoding: str) -> bytes:
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
        _refuse_control_characters(path, text, encoding)
        return text.encode("utf-8")
    except LookupError:
        raise _encoding_error(path, encoding) from None
    except UnicodeError as error:
        where = ""
        if isinstance(error, UnicodeDecodeError):
            before = data[: error.start].decode(encoding, "replace").count("\n")
            where = f", line {before + 1}"
        raise DataError(
            f"{path}{where}: not {encoding}: {getattr(error, 'reason', error)}",
            "say what it is written in: encoding = ... in the options",
        ) from None


def _encoding_error(path: Path, encoding: str) -> ConfigError:
    return ConfigError(
        f"{path}: unknown encoding {encoding!r}",
        'use a name that Python knows, such as "latin-1", "cp1252" or "utf-16"',
    )


def _usual_encodings(data: bytes) -> str:
    """Return names of encodings, the likeliest first: in Latin-1 0x80 to 0x9f are no letters."""
    names = ["latin-1", "cp1252", "utf-16", "shift_jis"]
    if _C1_BYTES.search(data):
        names[:2] = ["cp1252", "latin-1"]
    return ", ".join(f'"{name}"' for name in names)


def _refuse_control_characters(path: Path, text: str, encoding: str) -> None:
    """Refuse the characters U+0080 to U+009F, which no text has but that of a wrong encoding."""
    match = _C1_CHARACTERS.search(text)
    if match is None:
        return
    line = text.count("\n", 0, match.start()) + 1
    start = max(match.start() - 10, text.rfind("\n", 0, match.start()) + 1)
    sample = text[start : match.start() + 10].partition("\n")[0]
    raise DataError(
        f"{path}, line {line}: as {encoding} it holds the control character"
        f" U+{ord(match[0]):04X} ({sample!r}), which is no text",
        'set encoding = "cp1252" (Western European text of Windows), or what else it is written in',
    )

"""Arrays and bytes as JSON, and back without a bit lost."""

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEVEL = 1  # of compression, which is for arrays of zeros and for drawings


def encode_bytes(content: bytes) -> str:
    """Return bytes as a text."""
    return base64.b64encode(zlib.compress(content, _LEVEL)).decode()


def decode_bytes(text: str) -> bytes:
    """Return the bytes of `encode_bytes`. Raises ValueError for another text."""
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except zlib.error as error:
        raise ValueError(str(error)) from error


def encode_array(array: NDArray[Any]) -> dict[str, Any]:
    """Return an array of numbers as JSON.

    >>> decode_array(encode_array(np.array([[0.1, np.nan]])))
    array([[0.1, nan]])
    """
    content = encode_bytes(np.ascontiguousarray(array).tobytes())
    return {"dtype": array.dtype.str, "shape": list(array.shape), "content": content}


def decode_array(value: dict[str, Any]) -> NDArray[Any]:
    """Return the array of `encode_array`, which can be written to."""
    dtype = np.dtype(value["dtype"])
    if dtype.kind not in "biuf":
        raise ValueError(f"an array of {dtype} is none of numbers")
    flat = np.frombuffer(decode_bytes(value["content"]), dtype=dtype)
    return flat.reshape(value["shape"]).copy()

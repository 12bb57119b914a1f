"""Messages between the harness and the process of a recommender.

What the harness sends is pickled. What comes back is MessagePack, which has numbers, texts, bytes
and containers of them only: unpickling what a method has written would run its code where the
answers are.
"""

import pickle
from array import array
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import msgpack
import numpy as np

from benchkit.errors import MethodError
from benchkit.types import Prediction, Sample


class ChannelClosedError(Exception):
    """The other end reads and writes no more. No EOFError: methods raise those."""


_LARGEST = 2**63
Message = tuple[Any, ...]
"""The kind of a message, and what belongs to it."""


class Channel:
    """One end of a stream of messages."""

    def __init__(self, descriptor: int, *, trusted: bool) -> None:
        """Take over a descriptor.

        Args:
            descriptor: Of a socket or pipe.
            trusted: Whether what comes in may be any object.
        """
        self._connection: Connection[Any, Any] = Connection(descriptor)
        self._trusted = trusted

    def send(self, *message: Any) -> None:
        """Send a message. Raises OSError when nobody reads any more."""
        # Whoever trusts what comes in is not trusted at the other end.
        data = dump_plain(message) if self._trusted else pickle.dumps(message, protocol=5)
        self._connection.send_bytes(data)

    def has_message(self, seconds: float) -> bool:
        """Return whether there is something to receive, after waiting for it for so long."""
        return self._connection.poll(seconds)

    def receive(self) -> Message:
        """Return the next message.

        Raises:
            ChannelClosedError: The other end is closed.
            MethodError: The message holds objects, which nobody has reason to send.
        """
        try:
            data = self._connection.recv_bytes()
        except (EOFError, OSError):
            raise ChannelClosedError from None
        message = pickle.loads(data) if self._trusted else load_plain(data)  # noqa: S301
        return message if isinstance(message, tuple) and message else ("", message)

    def close(self) -> None:
        """Close this end."""
        self._connection.close()


def dump_plain(value: Any) -> bytes:
    """Return plain values as bytes; half a surrogate pair in a text becomes an escape."""
    data: bytes = msgpack.packb(value, unicode_errors="backslashreplace")
    return data


def load_plain(data: bytes) -> Any:
    """Return the plain values that were packed; lists become tuples, keys are texts.

    Raises:
        MethodError: There is something else in the data, or it is nested too deeply.
    """
    try:
        return msgpack.unpackb(data, use_list=False, strict_map_key=True)
    except Exception as error:
        raise MethodError(
            f"its process sent a message that is no plain data: {error}",
            "leave the messages to benchkit; yield predictions",
        ) from None


def pack_prediction(prediction: object) -> Any:
    """Return a prediction as plain values, copied now: what is changed later does not count."""
    if not isinstance(prediction, Prediction):
        return type(prediction).__name__
    scores = prediction.scores
    return (
        plain(prediction.case_id),
        scores if scores is None else _pack_numbers(scores),
        [_pack_sample(sample) for sample in prediction.samples],
        plain(prediction.rationale),
        plain(prediction.status),
        plain(dict(prediction.usage)),
        plain(prediction.lengths),
        plain(prediction.fault),
        bool(prediction.partial),
    )


def unpack_prediction(packed: Any) -> Any:
    """Return what `pack_prediction` was given; the name of its class, if that is another."""
    if not isinstance(packed, tuple) or len(packed) != 9:
        return packed
    case_id, scores, samples, rationale, status, usage, lengths, fault, partial = packed
    if isinstance(scores, bytes):
        scores = np.frombuffer(scores, dtype=np.float64)
    return Prediction(
        case_id,
        scores,
        tuple(Sample(*s) if isinstance(s, tuple) and len(s) == 4 else s for s in samples),
        rationale,
        status,
        usage,
        lengths,
        fault,
        partial,
    )


def _pack_numbers(values: Any) -> Any:
    """Return numbers as the bytes of doubles; anything else as plain values, to be refused."""
    if isinstance(values, np.ndarray):
        if values.ndim == 1 and values.dtype.kind in "fiub":
            return np.ascontiguousarray(values, dtype=np.float64).tobytes()
        return plain(values.tolist())
    if isinstance(values, str | bytes | bytearray):  # bytes would be taken as machine numbers
        return f"a {type(values).__name__}"
    try:
        return array("d", values).tobytes()
    except (TypeError, ValueError, OverflowError):
        return plain(values)


def _pack_sample(sample: object) -> Any:
    if not isinstance(sample, Sample):
        return type(sample).__name__
    return plain(sample.text), plain(sample.item), plain(sample.rationale), plain(sample.status)


def plain(value: Any) -> Any:
    """Return a copy of a value that consists of plain types; the class's name for other objects."""
    if value is None or type(value) in (bool, float, str, bytes):
        return value
    if isinstance(value, int):
        number = int(value)
        return number if abs(number) < _LARGEST else f"an integer of {number.bit_length()} bits"
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Mapping):
        return {_plain_key(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(value)
    return f"a {type(value).__name__}"


def _plain_key(key: Any) -> str:
    return str.__str__(key) if isinstance(key, str) else f"a {type(key).__name__}"

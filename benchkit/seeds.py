"""Seed derivation: every random number comes from a generator keyed by what it is drawn for.

Seeds (`derive`, `generator`) are public: whoever knows the code can draw the same again. What must
not be drawn again by others has a secret of 32 bytes in its key (`digest_texts`, `derive_secret`,
`secret_streams`), and comes out of a cryptographic hash, since 64 bits and a fast generator can be
solved for their state from a few outputs.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def derive(*key: object) -> int:
    """Return a 64-bit seed that depends on every part of `key` and on nothing else.

    >>> derive("candidates", 0) == derive("candidates", 0)
    True
    >>> derive("ab", "c") == derive("a", "bc")
    False
    """
    return int.from_bytes(hashlib.blake2b(_encode(key), digest_size=8).digest(), "little")


def derive_each(names: Sequence[str], *key: object) -> NDArray[np.uint64]:
    """Return `derive(*key, name)` of each name, [len(names)], in a tenth of the time.

    >>> int(derive_each(["ann", "bo"], "keys", 1)[1]) == derive("keys", 1, "bo")
    True
    """
    start = "".join(f"{type(part).__name__}:{part}\x1f" for part in key) + "str:"
    digests = (hashlib.blake2b((start + name).encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def digest_texts(*columns: Sequence[str]) -> bytes:
    """Return 32 bytes, SHA-256 of every text, its place and its column.

    >>> digest_texts(["ab"], ["c"]) == digest_texts(["a"], ["bc"])
    False
    """
    digest = hashlib.sha256()
    for column in columns:
        texts = [text.encode() for text in column]
        lengths = np.array([len(texts), *map(len, texts)], dtype="<i8")
        digest.update(lengths.tobytes())
        digest.update(b"".join(texts))
    return digest.digest()


def derive_secret(secret: bytes, *key: object) -> bytes:
    """Return 32 bytes that depend on `secret` and `key`, and from which neither can be computed."""
    return hashlib.blake2b(_encode(key), key=secret, digest_size=32).digest()


def secret_streams(secret: bytes, names: Sequence[str], width: int) -> NDArray[np.uint64]:
    """Return [len(names), width] random numbers, a stream for each name.

    A longer stream begins with the shorter one. Without the 32 bytes of `secret` no number can be
    told from the others, of the same stream or of any other (SHAKE-128).
    """
    hash_function, n_bytes = hashlib.shake_128, 8 * width
    digests = [hash_function(secret + name.encode()).digest(n_bytes) for name in names]
    numbers = np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64, copy=False)
    return numbers.reshape(len(names), width)


def splitmix(keys: NDArray[np.uint64], counters: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Return splitmix64 of (key, counter): a fast generator by counters, and no secret one.

    Args:
        keys: [n]
        counters: [width], or [n, width] where each key has its own.

    Returns:
        [n, width]

    Reference: Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014.
    """
    with np.errstate(over="ignore"):
        z = keys[:, None] + counters.astype(np.uint64) * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
        return mixed


def to_unit_interval(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return numbers that are uniform in [0, 1), from the upper 53 bits."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def generator(*key: object) -> np.random.Generator:
    """Return a NumPy generator seeded by `derive(*key)`."""
    return np.random.default_rng(derive(*key))


def _encode(key: Sequence[object]) -> bytes:
    return "\x1f".join(f"{type(part).__name__}:{part}" for part in key).encode()

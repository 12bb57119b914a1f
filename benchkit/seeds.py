"""Seed derivation: every random number comes from a generator keyed by what it is drawn for."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def derive(*key: object) -> int:
    """Return a 64-bit seed that depends on every part of `key` and on nothing else.

    >>> derive("candidates", 0) == derive("candidates", 0)
    True
    >>> derive("ab", "c") == derive("a", "bc")
    False
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in key)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def derive_each(names: Sequence[str], *key: object) -> NDArray[np.uint64]:
    """Return `derive(*key, name)` of each name, [len(names)], in a tenth of the time.

    >>> int(derive_each(["ann", "bo"], "keys", 1)[1]) == derive("keys", 1, "bo")
    True
    """
    start = "".join(f"{type(part).__name__}:{part}\x1f" for part in key) + "str:"
    digests = (hashlib.blake2b((start + name).encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def generator(*key: object) -> np.random.Generator:
    """Return a NumPy generator seeded by `derive(*key)`."""
    return np.random.default_rng(derive(*key))

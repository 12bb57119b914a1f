"""What engines share that hand requests to a serving program: seeds, and checked scores."""

import math
from collections.abc import Sequence

from benchkit import seeds
from benchkit.lm.types import Decoding

_TOLERANCE = 1e-5  # rounding may put the logarithm of a probability of 1 this far above 0


class UnusableReplyError(Exception):
    """The server answered, but not with what was asked for; asked again, it may."""


class RejectedRequestError(Exception):
    """The server does not take this request, though it may take others: a prompt too long."""


def request_seed(decoding: Decoding, key: str, n_drawn: int = 0) -> int | None:
    """Return the seed of a request for the samples after the first `n_drawn` of a prompt.

    It has 31 bits, since not all servers take more; None for greedy decoding, which draws nothing.
    """
    if decoding.temperature == 0:
        return None
    return seeds.derive("completion", decoding.seed, key, n_drawn) % 2**31


def sum_logprobs(values: Sequence[object]) -> float:
    """Return the sum of log-probabilities.

    Raises:
        UnusableReplyError: One is missing, not finite or positive.
    """
    logprobs: list[float] = []
    for value in values:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not -math.inf < float(value) <= _TOLERANCE:  # type: ignore[arg-type]
            raise UnusableReplyError(f"it gave {value!r} as a log-probability")
        logprobs.append(min(0.0, float(value)))  # type: ignore[arg-type]
    return math.fsum(logprobs)

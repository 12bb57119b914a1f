"""Orders of growth: what the seconds and the memory of a method grow with, as its card says.

An order is a product of measures, each with an exponent: "interactions", "items^2",
"cases * candidates". Only ratios of it are used, so it has neither factors nor units.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, field_validator

MEASURES = {
    "users": "users of the training data",
    "items": "items of the training data",
    "interactions": "interactions of the training data",
    "length": "interactions of a mean user",
    "cases": "cases that are asked",
    "candidates": "options of a case: its candidates, under `full` all items, under `sampled` the"
    " answers that are drawn",
    "parameters": "parameters of the language model",
}
_FACTOR = re.compile(r"\s*([a-z]+)\s*(?:\^\s*(\d+(?:\.\d+)?)\s*)?")
_LARGEST_EXPONENT = 4


@lru_cache
def parse_order(text: str) -> Mapping[str, float]:
    """Return the exponent of each measure of an order of growth.

    Raises:
        ValueError: It is no product of known measures.

    >>> parse_order("items^2 * cases")
    {'items': 2.0, 'cases': 1.0}
    >>> parse_order("1")
    {}
    """
    exponents: dict[str, float] = {}
    if text.strip() == "1":  # the same for any data
        return exponents
    for factor in text.split("*"):
        match = _FACTOR.fullmatch(factor)
        if match is None or match[1] not in MEASURES:
            raise ValueError(
                f"{factor.strip()!r} is no measure with an exponent; there are"
                f" {', '.join(MEASURES)}, as in 'items^2 * cases', and 1"
            )
        exponents[match[1]] = exponents.get(match[1], 0.0) + float(match[2] or 1)
        if exponents[match[1]] > _LARGEST_EXPONENT:
            raise ValueError(f"{text!r}: an exponent is at most {_LARGEST_EXPONENT}")
    return exponents


def growth_ratio(
    order: str, size: Mapping[str, float], other: Mapping[str, float], same_data: bool = False
) -> float | None:
    """Return how many times as much something of `size` takes as something of another size.

    Args:
        order: The order of growth.
        size: Measures by name.
        other: The same of what it is compared with.
        same_data: Whether both are about the same data, whose measures then need not be known.

    Returns:
        The ratio; None where a measure is unknown.

    >>> growth_ratio("items^2", {"items": 300}, {"items": 100})
    9.0
    """
    ratio = 1.0
    for name, exponent in parse_order(order).items():
        values = _measure(size, name), _measure(other, name)
        if values[0] and values[1]:
            ratio *= (values[0] / values[1]) ** exponent
        elif name == "parameters":
            if values != (None, None):  # a language model beside something else
                return None
        elif not same_data and name != "candidates":  # which older records do not have
            return None
    return ratio


def _measure(size: Mapping[str, float], name: str) -> float | None:
    if name == "length" and size.get("users") and "interactions" in size:
        return size["interactions"] / size["users"]
    return size.get(name)


class GrowthOrders(BaseModel):
    """What a method's costs grow with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fit: str = "interactions * parameters"
    """Seconds of training, its stages included."""
    answers: str = "cases * candidates * parameters"
    """Seconds and tokens of the answers under a protocol."""
    memory: str = ""
    """Memory beyond what any run takes; by default that of a language model grows with its
    parameters, and any other with the interactions."""

    @field_validator("fit", "answers", "memory")
    @classmethod
    def _check_order(cls, text: str) -> str:
        if text:
            parse_order(text)
        return text

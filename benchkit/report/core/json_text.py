"""Reports as JSON, which has no NaN."""

import json
import math
from typing import Any


def json_text(value: Any) -> str:
    """Return indented JSON of `value`; numbers that are not finite are null."""
    return json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def finite(value: Any) -> Any:
    """Return `value` with None in place of every number in it that is not finite.

    >>> finite({"p": float("nan"), "interval": (0.5, float("inf"))})
    {'p': None, 'interval': [0.5, None]}
    """
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

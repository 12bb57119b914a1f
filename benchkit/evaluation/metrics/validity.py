"""How usable sampled answers are: valid, distinct, cut off, refused."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FAILURE_STATUSES = ("truncated", "refused")  # statuses whose share is reported


def validity(
    drawn: Sequence[Sequence[str | None]], statuses: Sequence[Sequence[str]]
) -> dict[str, NDArray[np.float64]]:
    """[n] per case: `valid`, share of the answers that name a candidate; `unique`, how many
    candidates they name; `truncated` and `refused`, shares of the answers.

    drawn: [n] of k items each, None for an invalid answer. statuses: [n] of k each.

    >>> values = validity([["A", "A", None, None]], [["ok", "ok", "truncated", "unparsed"]])
    >>> {name: value.tolist() for name, value in values.items()}
    {'valid': [0.5], 'unique': [1.0], 'truncated': [0.25], 'refused': [0.0]}
    """
    values = {
        "valid": [sum(item is not None for item in items) / len(items) for items in drawn],
        "unique": [float(len(set(items) - {None})) for items in drawn],
    }
    own = {name: np.array(column, dtype=np.float64) for name, column in values.items()}
    return own | failure_rates(statuses)


def failure_rates(statuses: Sequence[Sequence[str]]) -> dict[str, NDArray[np.float64]]:
    """[n] per case: the share of its answers that has each status of `SHARES`.

    >>> failures([["ok", "truncated"]])["truncated"].tolist()
    [0.5]
    """
    return {
        name: np.array([case.count(name) / len(case) for case in statuses], dtype=np.float64)
        for name in FAILURE_STATUSES
    }

"""Which vectors of users and items stand in RecExplainer's prompts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from baselines.cf.scoring import history_codes
from benchkit.lm.injection.soft_prompts import UNKNOWN
from benchkit.types import Request


@dataclass
class UserVectors:
    """Numbers the users whose vectors stand in prompts; their rows follow those of the items."""

    index: Mapping[str, int]
    """Code of each item that the expert knows."""
    n_items: int
    """Rows of items."""
    codes: dict[str, int] = field(default_factory=dict)
    """Code of each case's user."""
    histories: list[NDArray[np.int64]] = field(default_factory=list)
    """Item codes of each user, oldest first, in the order of the codes."""

    def code(self, request: Request) -> int:
        """Return the code of a request's user; UNKNOWN where the expert knows no choice."""
        if request.case_id not in self.codes:
            history = history_codes(request, self.index)
            if not len(history):
                return UNKNOWN
            self.codes[request.case_id] = self.n_items + len(self.histories)
            self.histories.append(history)
        return self.codes[request.case_id]

    def item_code(self, item: str) -> int:
        """Return the code of an item, or UNKNOWN."""
        return self.index.get(item, UNKNOWN)

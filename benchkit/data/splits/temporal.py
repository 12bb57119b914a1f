"""Temporal split: the latest interactions of the whole dataset are the test."""

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from benchkit.data.splits.base import TEST, TRAIN, VALID, CaseRows, Split, Splitter, require_column
from benchkit.types import Interactions


class TemporalSplitter(Splitter):
    """Cut all interactions in the order of time, by default 8:1:1.

    Every interaction of the last part is a test case, and every one of the part before it a
    validation case, if its user has an earlier interaction. Equal times stay on one side of a cut.

    Reference: EAPO, section 4.1.
    """

    train_percent: int = Field(default=80, gt=0, lt=100)
    """Share of the interactions that train."""
    valid_percent: int = Field(default=10, ge=0, lt=100)
    """Share of the interactions that are targets of the validation; the rest is the test."""

    @model_validator(mode="after")
    def _leave_a_test(self) -> Self:
        if self.train_percent + self.valid_percent >= 100:
            raise ValueError("train_percent and valid_percent leave nothing to test")
        return self

    def split(self, data: Interactions) -> Split:
        """Split interactions, which are sorted by user, then by time."""
        time = require_column(data, "timestamp")
        n = len(time)
        ordered = np.sort(time)
        # In whole percent, so that no cut depends on how a fraction is rounded.
        valid_start = ordered[min(n - 1, n * self.train_percent // 100)]
        test_start = ordered[min(n - 1, n * (self.train_percent + self.valid_percent) // 100)]
        part = np.where(time < valid_start, TRAIN, np.where(time < test_start, VALID, TEST))
        has_history = np.ones(n, dtype=np.bool_)
        has_history[data.offsets[:-1]] = False
        return Split(
            part=part.astype(np.uint8),
            valid=CaseRows.before_targets(np.flatnonzero((part == VALID) & has_history)),
            test=CaseRows.before_targets(np.flatnonzero((part == TEST) & has_history)),
            funnel={"held_out_without_history": int(((part != TRAIN) & ~has_history).sum())},
        )

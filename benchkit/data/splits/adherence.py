"""Adherence: what a user likes next against what the user likes later."""

import numpy as np
from pydantic import Field

from benchkit.data.splits.base import TEST, TRAIN, VALID, CaseRows, Split, Splitter, require_column
from benchkit.rating_scale import LIKED_STARS
from benchkit.types import Interactions


class AdherenceSplitter(Splitter):
    """Does a method prefer what the user likes next to what the user likes later?

    The last interactions are held out. The target is the first liked one among them, and the next
    liked one is among the candidates; users with fewer than two liked ones have no case. The
    interaction before the held-out ones is the validation.

    Reference: RecPO, appendix D.4.
    """

    held_out: int = Field(default=5, ge=2)
    """Interactions at the end of a history, among which liked items are looked for."""
    min_liked_rating: float | None = None
    """The lowest rating of an item that the user liked; None: four stars of five, or as far up
    another scale."""

    def split(self, data: Interactions) -> Split:
        """Split interactions, which are sorted by user, then by time."""
        rating, threshold = require_column(data, "rating"), self.min_liked_rating
        if threshold is None:
            threshold = data.rating_scale.from_stars(LIKED_STARS)
        counts = np.diff(data.offsets)
        part = np.full(int(data.offsets[-1]), TRAIN, dtype=np.uint8)
        targets, stops, later = [], [], []
        long = np.flatnonzero(counts >= self.held_out + 2)
        for user in long:
            end = data.offsets[user + 1]
            stop = end - self.held_out
            part[stop:end] = TEST
            liked = stop + np.flatnonzero(rating[stop:end] >= threshold)
            if len(liked) >= 2:
                targets.append(liked[0])
                stops.append(stop)
                later.append(liked[1:2])
        valid = data.offsets[long + 1] - self.held_out - 1
        part[valid] = VALID
        test = CaseRows(
            np.array(targets, dtype=np.int64),
            np.array(stops, dtype=np.int64),
            np.array(later, dtype=np.int64).reshape(len(targets), 1),
        )
        funnel = {
            "users_too_short_to_ask": int((counts < self.held_out + 2).sum()),
            "users_with_fewer_than_2_liked": len(long) - len(targets),
        }
        return Split(part, CaseRows.before_targets(valid), test, funnel)

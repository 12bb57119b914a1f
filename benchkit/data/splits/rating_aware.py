"""Leave-one-out with targets that the user liked, or disliked."""

from benchkit.data.splits.base import Split, Splitter, require_column
from benchkit.data.splits.leave_one_out import LeaveOneOutSplitter
from benchkit.rating_scale import DISLIKED_STARS, LIKED_STARS
from benchkit.types import Interactions


class RatingAwareSplitter(Splitter):
    """Leave-one-out with liked targets only.

    Low ratings stay in the histories. A user whose held-out item is not liked has no case.

    Reference: RecPO, appendix D.1.
    """

    min_liked_rating: float | None = None
    """The lowest rating of an item that the user liked; None: four stars of five, or as far up
    another scale. An item without a rating is not known to be liked."""

    def split(self, data: Interactions) -> Split:
        """Split interactions, which are sorted by user, then by time."""
        threshold = self.min_liked_rating
        if threshold is None:
            threshold = data.rating_scale.from_stars(LIKED_STARS)
        liked = require_column(data, "rating") >= threshold
        base = LeaveOneOutSplitter().split(data)
        valid = base.valid.select(liked[base.valid.target])
        test = base.test.select(liked[base.test.target])
        funnel = {"users_whose_last_item_is_not_liked": len(base.test.target) - len(test.target)}
        return Split(base.part, valid, test, base.funnel | funnel)


class AvoidanceSplitter(RatingAwareSplitter):
    """Does a method keep away from what the user is going to dislike?

    The target is the last interaction of users who disliked it; what counts is that it is not
    ranked first (metric `avoidance`). Validation cases are those of `RatingAwareSplitter`.

    Reference: RecPO, appendix D.4.
    """

    max_disliked_rating: float | None = None
    """The highest rating of an item that the user disliked; None: two stars of five, or as far up
    another scale."""

    def split(self, data: Interactions) -> Split:
        """Split interactions, which are sorted by user, then by time."""
        threshold = self.max_disliked_rating
        if threshold is None:
            threshold = data.rating_scale.from_stars(DISLIKED_STARS)
        disliked = require_column(data, "rating") <= threshold
        base = LeaveOneOutSplitter().split(data)
        test = base.test.select(disliked[base.test.target])
        n_left_out = len(base.test.target) - len(test.target)
        funnel = base.funnel | {"users_whose_last_item_is_not_disliked": n_left_out}
        return Split(base.part, super().split(data).valid, test, funnel)

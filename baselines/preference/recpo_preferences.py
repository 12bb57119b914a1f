"""RecPO's utility of a choice, from its rating and latency, and preferences built from it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from benchkit import seeds
from benchkit.errors import ConfigError, DataError
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.teachers.questions import build_training_questions, events_before
from benchkit.rating_scale import FIVE_STARS
from benchkit.training.preference.examples import Preference
from benchkit.types import Event, TrainView


class LaterChoice(NamedTuple):
    """A choice of a user after the history."""

    item: str
    rating: float | None
    """In stars, 1 to 5, whatever the scale of the data."""
    step: int
    """Latency: 0 for the first choice after the history."""


@dataclass(frozen=True)
class UtilityDefaults:
    """Ratings (in stars) and steps of items for which they are unknown."""

    missing: float = 5.0
    """Rating of a choice that has none."""
    rating: float = 3.0
    """Rating of an item that the user never chose."""
    step: int = 10
    """Step of such an item."""

    def rating_of(self, choice: LaterChoice) -> float:
        """Return the rating of a choice, or the one that stands in for it."""
        return self.missing if choice.rating is None else choice.rating

    def utility_of(self, choice: LaterChoice) -> float:
        """Return phi of a choice."""
        return choice_utility(self.rating_of(choice), choice.step)

    @property
    def unchosen_utility(self) -> float:
        """phi of an item that the user never chose."""
        return choice_utility(self.rating, self.step)


def choice_utility(rating: float, step: int) -> float:
    """Return phi(s, delta) = s / sqrt(delta), with delta = step + 1 (RecPO, section 5.2).

    >>> round(choice_utility(3, 10), 4)
    0.9045
    """
    return rating / math.sqrt(step + 1)


def preference_utilities(
    preference: Preference, known: Mapping[str, LaterChoice], defaults: UtilityDefaults
) -> tuple[float, ...]:
    """Return phi of each choice of a preference, given the user's later choices by item."""
    utilities = []
    for choice in preference.choices:
        later = known.get(choice.item)
        utilities.append(defaults.unchosen_utility if later is None else defaults.utility_of(later))
    return tuple(utilities)


def median_rating(view: TrainView) -> float:
    """Return the median of the training ratings in stars, or 5 without any."""
    ratings = view.interactions.rating
    present = ratings[~np.isnan(ratings)] if ratings is not None else ()
    if not len(present):
        return FIVE_STARS.high
    return view.interactions.rating_scale.to_stars(float(np.median(present)))


def later_choices(
    view: TrainView, user: int, steps: int, repeated: bool = False
) -> list[LaterChoice]:
    """Return the last `steps` training interactions of a user, oldest first.

    At least one interaction is left for the history.

    Args:
        view: Training interactions.
        user: Code of the user.
        steps: Number of interactions.
        repeated: Include items that were chosen before.

    Raises:
        DataError: A rating is not positive; margins are ratios of ratings.
    """
    codes, ratings = view.interactions.sequence(user), view.interactions.rating
    scale = view.interactions.rating_scale
    first = max(1, len(codes) - steps)
    start = int(view.interactions.offsets[user])
    seen, result = set(codes[:first].tolist()), []
    for step, code in enumerate(codes[first:].tolist()):
        if code in seen and not repeated:
            continue
        seen.add(code)
        value = math.nan if ratings is None else float(ratings[start + first + step])
        stars = scale.to_stars(value)
        if stars <= 0:
            raise DataError(
                f"user {view.users[user]!r} has the rating {value:g}",
                "use positive ratings: RecPO compares them by their ratio; if 0 stands for no"
                " rating, set unrated = 0 in the dataset",
            )
        rating = None if math.isnan(stars) else stars
        result.append(LaterChoice(view.catalog.ids[code], rating, step))
    return result


def best_liked_choice(
    later: Sequence[LaterChoice], liked: float, defaults: UtilityDefaults
) -> LaterChoice | None:
    """Return the choice of highest utility with `liked` stars or more; of equal ones the first."""
    suitable = [choice for choice in later if defaults.rating_of(choice) >= liked]
    return max(suitable, key=defaults.utility_of, default=None)


def later_choice_questions(
    view: TrainView,
    *,
    steps: int,
    liked: float,
    defaults: UtilityDefaults,
    negatives: int,
    candidates: int,
    seed: int,
    limit: int | None = None,
) -> list[TeacherQuestion]:
    """Return for each user in a row the best liked later choice, then `negatives` other items.

    Candidates are the first later choices, and uniform draws from the items without a training
    interaction of the user; negatives are drawn uniformly from the candidates (RecPO, section
    6.1). Users who liked none of their later choices are left out.

    Raises:
        DataError: The catalogue is too small.
        ConfigError: There are fewer candidates than negatives.
    """
    if negatives > candidates - 1:
        raise ConfigError(
            f"{negatives} negatives cannot be drawn from {candidates} candidates",
            "lower negatives or raise candidates",
        )
    users = build_training_questions(view, candidates=2, seed=seed, limit=limit)
    codes = {name: code for code, name in enumerate(view.users)}
    result = []
    for key in (question.key for question in users):
        later = later_choices(view, codes[key], steps)
        best = best_liked_choice(later, liked, defaults)
        if best is None:
            continue
        rng = seeds.generator("later choices", seed, key)
        others = [choice.item for choice in later if choice is not best]
        row = _fill_candidates(
            view, [best.item, *others[: candidates - 1]], codes[key], candidates, rng
        )
        first = TeacherQuestion(key, earlier_history(view, codes[key], steps), row, best.item)
        order = rng.permutation([item for item in row if item != best.item])
        result += [first, *(replace(first, item=str(item)) for item in order[:negatives])]
    return result


def earlier_history(view: TrainView, user: int, steps: int) -> tuple[Event, ...]:
    """Return all but the last `steps` training interactions of a user, but at least one."""
    start, stop = (int(offset) for offset in view.interactions.offsets[user : user + 2])
    return events_before(view, user, max(start + 1, stop - steps))


def _fill_candidates(
    view: TrainView, first: Sequence[str], user: int, count: int, rng: np.random.Generator
) -> tuple[str, ...]:
    """Add random items that the user never chose to `first`, up to `count`, and shuffle."""
    taken, missing = np.unique(view.interactions.sequence(user)), count - len(first)
    enough = missing + len(taken)  # any so many items include `missing` that are not the user's
    if enough > len(view.catalog):
        raise DataError(
            f"user {view.users[user]!r} has only {len(view.catalog) - len(taken)} items left to"
            f" draw {missing} candidates from",
            f"lower the method's own setting candidates ({count}), as in config = {{ candidates"
            " = 5 }",
        )
    draws = rng.choice(len(view.catalog), size=enough, replace=False)
    free = draws[~np.isin(draws, taken)][:missing]
    items = [*first, *(view.catalog.ids[code] for code in free.tolist())]
    return tuple(items[index] for index in rng.permutation(len(items)).tolist())

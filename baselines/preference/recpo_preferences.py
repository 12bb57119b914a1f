"""What RecPO says a choice is worth to a user: high where it was rated well and made soon."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from benchkit import seeds
from benchkit.errors import ConfigError, DataError
from benchkit.lm.teachers import build_training_questions
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.teachers.questions import events_before
from benchkit.types import Event, TrainView


class LaterChoice(NamedTuple):
    """A later choice of a user. rating: as given, None where there is none. step: 0 for the first
    choice after the history."""

    item: str
    rating: float | None
    step: int


@dataclass(frozen=True)
class UtilityDefaults:
    """What stands for what is not known: missing, the rating of a choice that has none; rating
    and step, those of an item that the user never chose."""

    missing: float = 5.0
    rating: float = 3.0
    step: int = 10

    def utility_of(self, own: LaterChoice) -> float:
        """phi of a choice."""
        return choice_utility(self.missing if own.rating is None else own.rating, own.step)

    @property
    def unchosen_utility(self) -> float:
        """phi of an item that the user never chose."""
        return choice_utility(self.rating, self.step)


def choice_utility(rating: float, step: int) -> float:
    """phi(s, delta) = s / sqrt(delta), with the latency delta = step + 1 (RecPO, section 5.2).

    >>> round(utility(3, 10), 4)
    0.9045
    """
    return rating / math.sqrt(step + 1)


def median_rating(view: TrainView) -> float:
    """The median of the training ratings; 5 where there are none."""
    ratings = view.interactions.rating
    given = ratings[~np.isnan(ratings)] if ratings is not None else ()
    return float(np.median(given)) if len(given) else 5.0


def later_choices(
    view: TrainView, user: int, steps: int, repeated: bool = False
) -> list[LaterChoice]:
    """The last `steps` training interactions of a user, oldest first; one at least goes before.

    Unless `repeated`, items that were chosen before, or earlier among them, are left out.
    Raises DataError for a rating that is not positive: a margin is a ratio of them.
    """
    codes, ratings = view.interactions.sequence(user), view.interactions.rating
    first = max(1, len(codes) - steps)
    start = int(view.interactions.offsets[user])
    seen, result = set(codes[:first].tolist()), []
    for step, code in enumerate(codes[first:].tolist()):
        if code in seen and not repeated:
            continue
        seen.add(code)
        value = math.nan if ratings is None else float(ratings[start + first + step])
        if value <= 0:
            raise DataError(
                f"user {view.users[user]!r} has the rating {value:g}",
                "RecPO compares ratings by their ratio: they must be positive",
            )
        rating = None if math.isnan(value) else value
        result.append(LaterChoice(view.catalog.ids[code], rating, step))
    return result


def best_liked_choice(
    later: Sequence[LaterChoice], liked: float, defaults: UtilityDefaults
) -> LaterChoice | None:
    """Of the choices rated at least `liked` the one worth most, the earliest of equal ones."""
    fit = [c for c in later if (defaults.missing if c.rating is None else c.rating) >= liked]
    return max(fit, key=defaults.utility_of, default=None)


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
    """Of each user in a row: the best liked of the later choices, then `negatives` others.

    The candidates are later choices, the first ones where there are too many, and uniform draws
    from the items without a training interaction of the user; negatives are a uniform draw from
    them (RecPO, section 6.1). Users who liked none of their later choices are left out.
    Raises DataError when the catalogue is too small, ConfigError when `negatives` is too large.
    """
    if negatives > candidates - 1:
        raise ConfigError(
            f"{negatives} negatives cannot be drawn from {candidates} candidates",
            "lower the negatives or raise the candidates",
        )
    keys = [own.key for own in build_training_questions(view, candidates=2, seed=seed, limit=limit)]
    codes = {name: code for code, name in enumerate(view.users)}
    result = []
    for key in keys:
        later = later_choices(view, codes[key], steps)
        best = best_liked_choice(later, liked, defaults)
        if best is None:
            continue
        rng = seeds.generator("later choices", seed, key)
        others = [own.item for own in later if own is not best]
        row = _listed(view, [best.item, *others[: candidates - 1]], codes[key], candidates, rng)
        first = TeacherQuestion(key, earlier_history(view, codes[key], steps), row, best.item)
        order = rng.permutation([item for item in row if item != best.item])
        result += [first, *(replace(first, item=str(item)) for item in order[:negatives])]
    return result


def earlier_history(view: TrainView, user: int, steps: int) -> tuple[Event, ...]:
    """All but the last `steps` training interactions of a user, but one at least."""
    start, stop = (int(place) for place in view.interactions.offsets[user : user + 2])
    return events_before(view, user, max(start + 1, stop - steps))


def _listed(
    view: TrainView, given: Sequence[str], user: int, count: int, rng: np.random.Generator
) -> tuple[str, ...]:
    """`count` candidates: those given and random ones that the user never chose, shuffled."""
    own, wanted = np.unique(view.interactions.sequence(user)), count - len(given)
    enough = wanted + len(own)  # so many different items hold `wanted` that are not the user's
    if enough > len(view.catalog):
        raise DataError(
            f"user {view.users[user]!r} has only {len(view.catalog) - len(own)} items left to draw"
            f" {wanted} candidates from",
            "lower candidates",
        )
    drawn = rng.choice(len(view.catalog), size=enough, replace=False)
    free = drawn[~np.isin(drawn, own)][:wanted]
    items = [*given, *(view.catalog.ids[code] for code in free.tolist())]
    return tuple(items[place] for place in rng.permutation(len(items)).tolist())

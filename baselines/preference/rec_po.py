"""RecPO (Wen et al.): S-DPO with a margin for each pair, from ratings and from how soon they came.

L = softplus(log sum_k exp(beta (d_k - d_c) + gamma_k)), gamma_k = lambda phi_c / phi_k, and
phi(s, delta) = s / sqrt(delta) of a rating s that came delta steps after the history. The margin
is added for each pair: so the official code and eq. 6; eq. 8 prints a minus, with which the pairs
that differ most would teach nothing, and eq. 15 sums the margins (METHODS: 3.8).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from baselines.preference.recpo_preferences import (
    LaterChoice,
    UtilityDefaults,
    later_choice_questions,
    later_choices,
    median_rating,
)
from benchkit import io
from benchkit.errors import DataError
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.training.preference.examples import Preference
from benchkit.training.preference.loss_spec import PairTerms, PreferenceLoss
from benchkit.training.preference.recommender import PreferenceConfig, PreferenceRecommender
from benchkit.types import RunContext, TrainView

if TYPE_CHECKING:
    from torch import Tensor

_SMALLEST = 1e-6  # what stands for phi where there is no response


class RecPO(PreferenceRecommender):
    """The softmax over all rejected items, each with the lead that the ratings demand.

    Where a preference has the next item alone, the rejected items are all unrated: they have the
    same phi, and the margin is a number that grows with the chosen item's rating. `future_steps`
    brings the user's other later choices, with ratings and latencies of their own.
    """

    class Config(PreferenceConfig):
        """beta: strength of the pull towards the reference. margin: lambda; 0 gives S-DPO.
        form: the margin is a ratio of utilities, or log(1 + their difference) with differences
        below 0 taken as 0. future_steps: preferences are built from each user's last so many
        training interactions, chosen the best one rated at least `liked`, and the history is what
        came before; 0 takes the last interaction alone, whatever its rating. missing_rating: of a
        choice without a rating; None for the median of the training ratings, and 5 where there are
        none. default_rating, default_step: of an item that the user never
        chose, where steps count from 0."""

        templates: ClassVar[tuple[str, str]] = ("recpo", "compact")
        beta: PositiveFloat = 1.0
        margin: NonNegativeFloat = 2.0
        form: Literal["ratio", "difference"] = "ratio"
        future_steps: NonNegativeInt = 0
        liked: PositiveFloat = 4.0
        missing_rating: PositiveFloat | None = None
        default_rating: PositiveFloat = 3.0
        default_step: PositiveInt = 10

    config: Config

    def defaults(self, data: TrainView) -> UtilityDefaults:
        """What stands for what is not known."""
        config = self.config
        missing = config.missing_rating or median_rating(data)
        return UtilityDefaults(missing, config.default_rating, config.default_step)

    def questions(self, data: TrainView, run: RunContext) -> list[TeacherQuestion]:
        config = self.config
        if not config.future_steps:
            return super().questions(data, run)
        found = later_choice_questions(
            data,
            steps=config.future_steps,
            liked=config.liked,
            defaults=self.defaults(data),
            negatives=config.negatives,
            candidates=config.candidates,
            seed=run.seed,
            limit=config.limit_users,
        )
        if not found:
            raise DataError(
                f"no user rated one of the last {config.future_steps} training interactions"
                f" {config.liked:g} or higher",
                "lower liked, or raise future_steps",
            )
        return found

    def fields(
        self, found: Sequence[Preference], data: TrainView, run: RunContext
    ) -> Sequence[Mapping[str, tuple[Any, ...]]]:
        codes = {name: code for code, name in enumerate(data.users)}
        steps, missing, rated = max(1, self.config.future_steps), 0, 0
        defaults = self.defaults(data)
        rows: list[Mapping[str, tuple[Any, ...]]] = []
        for own in found:
            # A file of preferences may name users and chosen items that are not in these data.
            known = {own.chosen.item: LaterChoice(own.chosen.item, None, 0)}
            if own.key in codes:
                later = later_choices(data, codes[own.key], steps, repeated=True)
                known |= {choice.item: choice for choice in reversed(later)}
            missing += known[own.chosen.item].rating is None
            rated += sum(choice.item in known for choice in own.rejected)
            rows.append({"phi": preference_utilities(own, known, defaults)})
        counts = {
            "preferences": len(found),
            "chosen_without_rating": missing,
            "rejected_later_choices": rated,
        }
        io.write_json(run.scratch / "ratings.json", counts)
        run.progress.start("margins", len(found))
        run.progress.advance(
            len(found),
            note=f"{missing} of {len(found)} chosen items have no rating and count as"
            f" {defaults.missing:g}; {rated} rejected items are later choices",
        )
        return rows

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        config = self.config

        def pairs(fields: "Mapping[str, Tensor]", *_: Any) -> PairTerms:
            gamma = pair_margins(fields["phi"], config.form)
            return PairTerms(beta=config.beta, margin=config.margin * gamma)

        return PreferenceLoss("softmax", pairs, **self.loss_options)


def preference_utilities(
    own: Preference, known: Mapping[str, LaterChoice], defaults: UtilityDefaults
) -> tuple[float, ...]:
    """phi of each choice of a preference. known: the user's later choices by item."""
    return tuple(
        defaults.utility_of(known[choice.item])
        if choice.item in known
        else defaults.unchosen_utility
        for choice in own.choices
    )


def pair_margins(phi: "Tensor", form: Literal["ratio", "difference"] = "ratio") -> "Tensor":
    """[b, k] margin of each pair, without lambda, from the utilities phi [b, 1 + k]."""
    chosen, rejected = phi[:, :1], phi[:, 1:]
    if form == "difference":
        return (chosen - rejected).clamp(min=0).log1p()
    return chosen / rejected.clamp(min=_SMALLEST)

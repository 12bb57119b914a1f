"""RecPO (Wen et al.): S-DPO with a margin for each pair, from ratings and their latencies.

L = softplus(log sum_k exp(beta (d_k - d_c) + gamma_k)), gamma_k = lambda phi_c / phi_k, and
phi(s, delta) = s / sqrt(delta) of a rating s that came delta steps after the history. The margin
is added for each pair, as in the official code and eq. 6; eq. 8 prints a minus, with which the
pairs that differ most would teach nothing, and eq. 15 sums the margins (METHODS: 3.8).
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
    preference_utilities,
)
from benchkit import io
from benchkit.errors import ConfigError, DataError
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.rating_scale import LIKED_STARS, NEUTRAL_STARS
from benchkit.training.preference.config import PreferenceConfig
from benchkit.training.preference.examples import Preference
from benchkit.training.preference.loss_spec import PairTerms, PreferenceLoss
from benchkit.training.preference.recommender import PreferenceRecommender
from benchkit.types import RunContext, TrainView

if TYPE_CHECKING:
    from torch import Tensor

MarginForm = Literal["ratio", "log-ratio", "difference"]
_MIN_PHI = 1e-6  # lower bound of phi, which is 0 where there is no response


class RecPO(PreferenceRecommender):
    """The softmax over all rejected items, each with the lead that the ratings demand.

    If preferences are about the next item alone, rejected items are unrated: they have the same
    phi, and the margin grows with the chosen item's rating. `future_steps` adds the user's other
    later choices, with their own ratings and latencies.
    """

    class Config(PreferenceConfig):
        """Settings of RecPO."""

        templates: ClassVar[tuple[str, str]] = ("recpo", "compact")
        beta: PositiveFloat = 1.0
        """Strength beta of the pull towards the reference."""
        margin: NonNegativeFloat = 2.0
        """Factor lambda of the margin; 0 gives S-DPO."""
        form: MarginForm = "ratio"
        """Margin: the ratio of utilities, its logarithm, or log(1 + difference), at least 0."""
        future_steps: NonNegativeInt = 0
        """Last training interactions of a user from which a preference is built; the history is
        what came before. 0: the last interaction is chosen, whatever its rating."""
        liked: float | None = None
        """Lowest rating of a chosen item, on the data's scale; the best one is chosen. None: four
        stars of five, or as far up another scale."""
        missing_rating: float | None = None
        """Rating of a choice without one; None: the median training rating, or 5 stars without
        any."""
        default_rating: float | None = None
        """Rating of an item that the user never chose; None: three stars."""
        default_step: PositiveInt = 10
        """Step of such an item; steps count from 0."""

    config: Config

    def defaults(self, data: TrainView) -> UtilityDefaults:
        """Return the ratings (in stars) and steps of items for which they are unknown."""
        config = self.config
        missing = _stars(config.missing_rating, median_rating(data), data)
        default = _stars(config.default_rating, NEUTRAL_STARS, data)
        if min(missing, default) <= 0:
            raise ConfigError(
                f"missing_rating or default_rating is {min(missing, default):g} stars",
                "set positive ones: margins are ratios of ratings",
            )
        return UtilityDefaults(missing, default, config.default_step)

    def questions(self, data: TrainView, run: RunContext) -> list[TeacherQuestion]:
        config = self.config
        if not config.future_steps:
            return super().questions(data, run)
        questions = later_choice_questions(
            data,
            steps=config.future_steps,
            liked=_stars(config.liked, LIKED_STARS, data),
            defaults=self.defaults(data),
            negatives=config.negatives,
            candidates=config.candidates,
            seed=run.seed,
            limit=config.limit_users,
        )
        if not questions:
            scale = data.interactions.rating_scale
            lowest = config.liked if config.liked is not None else scale.from_stars(LIKED_STARS)
            raise DataError(
                f"no user rated one of the last {config.future_steps} training interactions"
                f" {lowest:g} or higher",
                "lower liked, or raise future_steps",
            )
        return questions

    def fields(
        self, preferences: Sequence[Preference], data: TrainView, run: RunContext
    ) -> Sequence[Mapping[str, tuple[Any, ...]]]:
        codes = {name: code for code, name in enumerate(data.users)}
        steps, missing, rated = max(1, self.config.future_steps), 0, 0
        defaults = self.defaults(data)
        rows: list[Mapping[str, tuple[Any, ...]]] = []
        for preference in preferences:
            # A file of preferences may name users and chosen items that are not in these data.
            chosen = preference.chosen.item
            known = {chosen: LaterChoice(chosen, None, 0)}
            if preference.key in codes:
                later = later_choices(data, codes[preference.key], steps, repeated=True)
                known |= {choice.item: choice for choice in reversed(later)}
            missing += known[chosen].rating is None
            rated += sum(choice.item in known for choice in preference.rejected)
            rows.append({"phi": preference_utilities(preference, known, defaults)})
        total = len(preferences)
        counts = {
            "preferences": total,
            "chosen_without_rating": missing,
            "rejected_later_choices": rated,
        }
        io.write_json(run.scratch / "ratings.json", counts)
        run.progress.start("margins", total)
        run.progress.advance(
            total,
            note=f"{missing} of {total} chosen items have no rating and count as"
            f" {defaults.missing:g} stars; {rated} rejected items are later choices",
        )
        return rows

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        config = self.config

        def pairs(fields: "Mapping[str, Tensor]", *_: Any) -> PairTerms:
            gamma = pair_margins(fields["phi"], config.form)
            return PairTerms(beta=config.beta, margin=config.margin * gamma)

        return PreferenceLoss("softmax", pairs, **self.loss_options)


def pair_margins(phi: "Tensor", form: MarginForm = "ratio") -> "Tensor":
    """Compute the margin of each pair without lambda, [b, k], from phi [b, 1 + k].

    The official code's difference is log(1 + phi_p - phi_k); the paper's lacks the 1, and is not
    defined where utilities are equal.
    """
    chosen, rejected = phi[:, :1], phi[:, 1:]
    if form == "difference":
        return (chosen - rejected).clamp(min=0).log1p()
    ratio = chosen / rejected.clamp(min=_MIN_PHI)
    return ratio.log() if form == "log-ratio" else ratio


def _stars(rating: float | None, default: float, data: TrainView) -> float:
    """Return a rating of the settings in stars, or the default, which is in stars."""
    return default if rating is None else data.interactions.rating_scale.to_stars(rating)

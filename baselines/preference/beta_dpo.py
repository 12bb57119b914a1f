"""beta-DPO (Wu et al., NeurIPS 2024): DPO whose beta follows how clear the batch's pairs are.

With M the lead of the chosen response (its log-ratio minus the rejected one's, without beta), and
running averages M0 and sigma of its mean and standard deviation over batches,
    beta = beta0 (1 + alpha (mean of the selected M - M0)), at least 1e-3.
Of n examples floor(n (1 - rho)) are selected without replacement with the weights
exp(-(M - M0)^2 / (2 sigma^2)), so that examples far from the usual lead rarely count.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from benchkit.training.preference.config import PreferenceConfig
from benchkit.training.preference.examples import Preference
from benchkit.training.preference.loss_spec import PreferenceLoss
from benchkit.training.preference.recommender import PreferenceRecommender
from benchkit.types import RunContext, TrainView

if TYPE_CHECKING:
    from numpy.random import Generator


class BetaDPO(PreferenceRecommender):
    """DPO with a beta for each batch, and without the examples whose lead is unusual.

    A batch is the micro-batch in memory: examples of one step that are computed separately have
    their own statistics, beta and filter. Larger micro-batches give steadier ones; a single
    example has no deviation, and 1 is used instead. Outside training, the averages do not change
    and all examples count.
    """

    class Config(PreferenceConfig):
        """Settings of beta-DPO."""

        negatives: PositiveInt = 1
        beta: PositiveFloat = 0.1
        """beta0."""
        alpha: NonNegativeFloat = 0.6
        """How much beta follows the lead, alpha; 0 for a constant beta."""
        rho: float = Field(default=0.2, ge=0, lt=1)
        """Share rho of a micro-batch that is left out."""
        momentum: float = Field(default=0.9, ge=0, lt=1)
        """Momentum of the running averages, which start at 0; 0 for the batch's own values."""

    config: Config

    def fields(
        self, preferences: Sequence[Preference], data: TrainView, run: RunContext
    ) -> Sequence[Mapping[str, tuple[Any, ...]]]:
        return [{"here": (1.0,) * len(preference.choices)} for preference in preferences]

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        from baselines.preference.adaptive_beta import AdaptiveBeta

        config = self.config

        def generator(step: int) -> "Generator":
            return run.generator("beta-dpo", "filter", step)

        module = AdaptiveBeta(config.beta, config.alpha, config.rho, config.momentum, generator)
        return PreferenceLoss(
            "logistic",
            module.pairs,
            module=module,
            effective_size=module.effective_size,
            **self.loss_options,
        )

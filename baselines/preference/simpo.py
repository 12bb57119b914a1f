"""SimPO (Meng et al., NeurIPS 2024): average log-probability and a target margin, no reference."""

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from benchkit.training.preference.config import PreferenceConfig
from benchkit.training.preference.loss_spec import PairTerms, PreferenceLoss
from benchkit.training.preference.recommender import PreferenceRecommender
from benchkit.types import RunContext, TrainView


class SimPO(PreferenceRecommender):
    """-log sigmoid(beta (p_c / |c| - p_k / |k|) - gamma)."""

    class Config(PreferenceConfig):
        """Settings of SimPO."""

        negatives: PositiveInt = 1
        beta: PositiveFloat = 2.0
        """Scale beta of the average log-probability."""
        gamma: NonNegativeFloat = 0.5
        """Target margin gamma; gamma / beta of 0.25 to 0.5 is usual."""
        length_normalised: bool = True

    config: Config

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        pairs = PairTerms(beta=self.config.beta, margin=self.config.gamma)
        return PreferenceLoss("logistic", lambda *_: pairs, reference=False, **self.loss_options)

"""SimPO (Meng et al., NeurIPS 2024): average log-probability and a target margin, no reference."""

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from benchkit.training.preference.loss_spec import PairTerms, PreferenceLoss
from benchkit.training.preference.recommender import PreferenceConfig, PreferenceRecommender
from benchkit.types import RunContext, TrainView


class SimPO(PreferenceRecommender):
    """-log sigmoid(beta (p_c / |c| - p_k / |k|) - gamma)."""

    class Config(PreferenceConfig):
        """beta: scale of the average log-probability. gamma: target margin; gamma / beta of .25 to
        .5 is usual."""

        negatives: PositiveInt = 1
        beta: PositiveFloat = 2.0
        gamma: NonNegativeFloat = 0.5
        length_normalised: bool = True

    config: Config

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        pairs = PairTerms(beta=self.config.beta, margin=self.config.gamma)
        return PreferenceLoss("logistic", lambda *_: pairs, reference=False, **self.loss_options)

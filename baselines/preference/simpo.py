"""SimPO (Meng et al., NeurIPS 2024): average log-probability and a target margin, no reference."""

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from benchkit.protocols import RunContext, TrainView
from benchkit.tuning.family import Family, Pairs
from benchkit.tuning.preferring import PreferenceConfig, PreferenceRecommender


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

    def family(self, data: TrainView, run: RunContext) -> Family:
        pairs = Pairs(beta=self.config.beta, margin=self.config.gamma)
        return Family("logistic", lambda *_: pairs, reference=False, **self.shared)

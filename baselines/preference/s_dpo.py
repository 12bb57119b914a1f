"""S-DPO (Chen et al., NeurIPS 2024): -log sigmoid(-log sum_k exp(beta (d_k - d_c)))."""

from pydantic import PositiveFloat

from benchkit.protocols import RunContext, TrainView
from benchkit.tuning.family import Family, plain_pairs
from benchkit.tuning.preferring import PreferenceConfig, PreferenceRecommender


class SDPO(PreferenceRecommender):
    """The chosen response against the softmax over all rejected ones; DPO for one of them."""

    class Config(PreferenceConfig):
        """beta: strength of the pull towards the reference."""

        beta: PositiveFloat = 1.0

    config: Config

    def family(self, data: TrainView, run: RunContext) -> Family:
        return Family("softmax", plain_pairs(self.config.beta), **self.shared)

"""S-DPO (Chen et al., NeurIPS 2024): -log sigmoid(-log sum_k exp(beta (d_k - d_c)))."""

from pydantic import PositiveFloat

from benchkit.training.preference.config import PreferenceConfig
from benchkit.training.preference.loss_spec import PreferenceLoss, constant_beta
from benchkit.training.preference.recommender import PreferenceRecommender
from benchkit.types import RunContext, TrainView


class SDPO(PreferenceRecommender):
    """The chosen response against the softmax over all rejected ones; DPO for one of them."""

    class Config(PreferenceConfig):
        """Settings of S-DPO."""

        beta: PositiveFloat = 1.0
        """Strength beta of the pull towards the reference."""

    config: Config

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        return PreferenceLoss("softmax", constant_beta(self.config.beta), **self.loss_options)

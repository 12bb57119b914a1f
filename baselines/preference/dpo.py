"""DPO (Rafailov et al., NeurIPS 2023): -log sigmoid(beta (d_c - d_k)), averaged over k."""

from pydantic import PositiveFloat

from benchkit.training.preference.config import PreferenceConfig
from benchkit.training.preference.loss_spec import PreferenceLoss, constant_beta
from benchkit.training.preference.recommender import PreferenceRecommender
from benchkit.types import RunContext, TrainView


class DPO(PreferenceRecommender):
    """One pair for each rejected response (`pairing = "each"`), or for one drawn of them.

    d is the log-ratio of policy and reference. Averaging over the pairs of a prompt keeps the size
    of a step the same for any number of negatives.
    """

    class Config(PreferenceConfig):
        """Settings of DPO."""

        beta: PositiveFloat = 0.1
        """Strength beta of the pull towards the reference."""

    config: Config

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        return PreferenceLoss("logistic", constant_beta(self.config.beta), **self.loss_options)

"""The Plackett-Luce loss over chosen, hard and easy responses: C-APO without calibration."""

from pydantic import PositiveFloat, PositiveInt

from benchkit.training.preference.config import PreferenceConfig
from benchkit.training.preference.loss_spec import PreferenceLoss, constant_beta
from benchkit.training.preference.recommender import PreferenceRecommender
from benchkit.types import RunContext, TrainView


class PlackettLuce(PreferenceRecommender):
    """sum_j softplus(logsumexp_{k > j} beta (d_k - d_j)), rejected ones by the teacher's scores."""

    class Config(PreferenceConfig):
        """Settings of the Plackett-Luce loss."""

        negatives: PositiveInt = 2
        rationale: bool = True
        beta: PositiveFloat = 1.0
        """Strength beta of the pull towards the reference."""

    config: Config
    ranks_rejected = True
    min_rejected = 2

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        return PreferenceLoss("plackett-luce", constant_beta(self.config.beta), **self.loss_options)

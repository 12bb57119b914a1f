"""CPO (Xu et al., ICML 2024): DPO without a reference, plus the chosen response's likelihood."""

from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from benchkit.training.preference.config import PreferenceConfig
from benchkit.training.preference.loss_spec import PreferenceLoss, constant_beta
from benchkit.training.preference.recommender import PreferenceRecommender
from benchkit.types import RunContext, TrainView


class CPO(PreferenceRecommender):
    """-log sigmoid(beta (p_c - p_k)) + alpha NLL(c)."""

    class Config(PreferenceConfig):
        """Settings of CPO."""

        negatives: PositiveInt = 1
        beta: PositiveFloat = 0.1
        """Scale beta of the log-probabilities."""
        alpha: NonNegativeFloat = 1.0
        """Weight alpha of the chosen response's negative log-likelihood."""
        nll_reduction: Literal["token_mean", "sequence_sum"] = "token_mean"
        """Mean over tokens, as in TRL, or their sum, as in the paper."""

    config: Config

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        config = self.config
        return PreferenceLoss(
            "logistic",
            constant_beta(config.beta),
            reference=False,
            nll=config.alpha,
            nll_reduction=config.nll_reduction,
            **self.loss_options,
        )

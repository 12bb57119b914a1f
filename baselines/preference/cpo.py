"""CPO (Xu et al., ICML 2024): DPO without a reference, plus the chosen response's likelihood."""

from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from benchkit.training.preference.loss_spec import PreferenceLoss, constant_beta
from benchkit.training.preference.recommender import PreferenceConfig, PreferenceRecommender
from benchkit.types import RunContext, TrainView


class CPO(PreferenceRecommender):
    """-log sigmoid(beta (p_c - p_k)) + alpha NLL(c)."""

    class Config(PreferenceConfig):
        """alpha: weight of the likelihood. nll_reduction: the mean over tokens, as TRL has it, or
        the sum, as the paper writes."""

        negatives: PositiveInt = 1
        beta: PositiveFloat = 0.1
        alpha: NonNegativeFloat = 1.0
        nll_reduction: Literal["token_mean", "sequence_sum"] = "token_mean"

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

"""CPO (Xu et al., ICML 2024): DPO without a reference, plus the chosen response's likelihood."""

from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from benchkit.protocols import RunContext, TrainView
from benchkit.tuning.family import Family, plain_pairs
from benchkit.tuning.preferring import PreferenceConfig, PreferenceRecommender


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

    def family(self, data: TrainView, run: RunContext) -> Family:
        config = self.config
        return Family(
            "logistic",
            plain_pairs(config.beta),
            reference=False,
            nll=config.alpha,
            nll_reduction=config.nll_reduction,
            **self.shared,
        )

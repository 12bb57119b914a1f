"""EAPO: each pair has a beta of its own, from what an expert recommender thinks of the two items.

w_k = S(u, c) - S(u, k) of a frozen expert; beta_k = minmax_k(w) (U - z / gamma) + z / gamma, with z
the solution of e^z (z - 1) = 1. The floor z / gamma is where a pair's gradient is largest once its
lead has reached gamma, which the paper does not give. At smaller leads larger betas pull harder (at
0 the gradient is beta / 2), so that at first the pairs count most that the expert finds easy, the
reverse of what the paper says (METHODS: 3.9).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat, model_validator

from baselines.experts import ExpertConfig, expert_scores
from baselines.preference.ipo import is_length_normalised
from benchkit.training.preference.examples import Preference
from benchkit.training.preference.loss_spec import (
    Aggregate,
    PairTerms,
    PairTermsFunction,
    PreferenceLoss,
)
from benchkit.training.preference.recommender import (
    PREFERENCE_DEFAULTS,
    PreferenceConfig,
    PreferenceRecommender,
)
from benchkit.types import RunContext, TrainView

if TYPE_CHECKING:
    from torch import Tensor

Z = 1.2784645427610738  # 1 + W(1 / e), the solution of e^z (z - 1) = 1
BASE_LOSSES: Mapping[str, Aggregate] = {
    "dpo": "logistic", "s-dpo": "softmax", "ipo": "squared", "cpo": "logistic",
}  # fmt: skip


def expert_betas(score: "Tensor", present: "Tensor", gamma: float, upper: float) -> "Tensor":
    """[b, k] beta of each pair, from [b, 1 + k] expert scores and which responses there are.

    Between z / gamma and `upper`; all at the floor where the rejected items do not differ.
    """
    import torch

    here = present[:, 1:].bool()
    w = score[:, :1] - score[:, 1:]
    low = w.masked_fill(~here, torch.inf).amin(dim=1, keepdim=True)
    high = w.masked_fill(~here, -torch.inf).amax(dim=1, keepdim=True)
    spread = high - low
    share = torch.where(spread > 0, (w - low) / spread.clamp(min=1e-12), torch.zeros_like(w))
    floor = Z / gamma
    return (share * (upper - floor) + floor).masked_fill(~here, floor)


class EAPO(PreferenceRecommender):
    """DPO, S-DPO, IPO or CPO with the expert's betas.

    Of what the paper's sections say of training, which contradict each other, other backbones than
    nano get: 2 epochs, 128 examples a step, learning rate 1e-5, cosine schedule.
    """

    class Config(PreferenceConfig):
        """base: the loss whose beta is replaced. gamma: lead at which a pair counts as learnt.
        upper: largest beta. tau: of IPO. alpha: of CPO's likelihood. expert: a recommender that
        scores, by its name in a catalog or as FILE.py:Class, trained on the same interactions."""

        base: Literal["dpo", "s-dpo", "ipo", "cpo"] = "dpo"
        gamma: PositiveFloat = 3.0
        upper: PositiveFloat = 0.75
        tau: PositiveFloat = 0.1
        alpha: NonNegativeFloat = 1.0
        expert: ExpertConfig = ExpertConfig()

        @model_validator(mode="after")
        def _floor_below_upper(self) -> "EAPO.Config":
            least = Z / self.upper
            if self.gamma <= least:
                raise ValueError(
                    f"gamma {self.gamma:g} puts the smallest beta at or above the largest:"
                    f" it must be above {least:.4f} (= {Z:.4f} / upper)"
                )
            return self

    config: Config
    min_rejected = 2
    default_training: ClassVar[Mapping[str, Any]] = {
        **PREFERENCE_DEFAULTS, "epochs": 2, "batch_size": 128, "learning_rate": 1e-5, "schedule": "cosine",
    }  # fmt: skip

    def fields(
        self, found: Sequence[Preference], data: TrainView, run: RunContext
    ) -> Sequence[Mapping[str, tuple[Any, ...]]]:
        expert = self.config.expert.fit_expert(data, run)
        asked = [
            replace(own.request, candidates=tuple(choice.item for choice in own.choices))
            for own in found
        ]
        return [
            {"expert": tuple(row.tolist()), "here": (1.0,) * len(row)}
            for row in expert_scores(expert, asked, run)
        ]

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        config = self.config
        cpo, shared = config.base == "cpo", self.loss_options
        if config.base == "ipo":
            shared["length_normalised"] = is_length_normalised(config)
        return PreferenceLoss(
            BASE_LOSSES[config.base],
            self._pairs(),
            reference=not cpo,
            nll=config.alpha if cpo else 0.0,
            **shared,
        )

    def _pairs(self) -> PairTermsFunction:
        config = self.config

        def pairs(fields: "Mapping[str, Tensor]", *_: Any) -> PairTerms:
            beta = expert_betas(fields["expert"], fields["here"], config.gamma, config.upper)
            return PairTerms(beta=beta, tau=config.tau)

        return pairs

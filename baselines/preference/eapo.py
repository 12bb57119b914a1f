"""EAPO: each pair has its own beta, from an expert recommender's scores of the two items.

w_k = S(u, c) - S(u, k) of a frozen expert; beta_k = minmax_k(w) (U - z / gamma) + z / gamma, with z
the solution of e^z (z - 1) = 1. The floor z / gamma, which the paper does not give, is where a
pair's gradient is largest once its lead has reached gamma. At smaller leads larger betas pull
harder (at 0 the gradient is beta / 2), so at first the pairs that the expert finds easy count most,
the reverse of what the paper says (METHODS: 3.9).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat, model_validator

from baselines.experts import ExpertConfig, expert_scores
from baselines.preference.ipo import is_length_normalised
from benchkit.training.preference.config import PREFERENCE_DEFAULTS, PreferenceConfig
from benchkit.training.preference.examples import Preference
from benchkit.training.preference.loss_spec import Aggregate, PairTerms, PreferenceLoss
from benchkit.training.preference.recommender import PreferenceRecommender
from benchkit.types import RunContext, TrainView

if TYPE_CHECKING:
    from torch import Tensor

Z = 1.2784645427610738  # 1 + W(1 / e), the solution of e^z (z - 1) = 1
BASE_LOSSES: Mapping[str, Aggregate] = {
    "dpo": "logistic", "s-dpo": "softmax", "ipo": "squared", "cpo": "logistic",
}  # fmt: skip


def expert_betas(score: "Tensor", present: "Tensor", gamma: float, upper: float) -> "Tensor":
    """Compute beta of each pair, [b, k], between z / gamma and `upper`.

    Where the rejected items do not differ, all are at the floor.

    Args:
        score: [b, 1 + k] expert scores of the items, the chosen one first.
        present: [b, 1 + k] whether there is a response.
        gamma: Lead at which a pair counts as learnt.
        upper: Largest beta, U.
    """
    import torch

    has_rejected = present[:, 1:].bool()
    w = score[:, :1] - score[:, 1:]
    low = w.masked_fill(~has_rejected, torch.inf).amin(dim=1, keepdim=True)
    high = w.masked_fill(~has_rejected, -torch.inf).amax(dim=1, keepdim=True)
    spread = high - low
    share = torch.where(spread > 0, (w - low) / spread.clamp(min=1e-12), torch.zeros_like(w))
    floor = Z / gamma
    return (share * (upper - floor) + floor).masked_fill(~has_rejected, floor)


class EAPO(PreferenceRecommender):
    """DPO, S-DPO, IPO or CPO with the expert's betas.

    The paper's sections contradict each other on training; backbones other than nano get 2 epochs,
    128 examples per step, learning rate 1e-5 and a cosine schedule.
    """

    class Config(PreferenceConfig):
        """Settings of EAPO."""

        base: Literal["dpo", "s-dpo", "ipo", "cpo"] = "dpo"
        """The loss whose beta is replaced."""
        gamma: PositiveFloat = 3.0
        """Lead gamma at which a pair counts as learnt."""
        upper: PositiveFloat = 0.75
        """Largest beta, U."""
        tau: PositiveFloat = 0.1
        """Regularisation tau of IPO."""
        alpha: NonNegativeFloat = 1.0
        """Weight alpha of CPO's negative log-likelihood."""
        expert: ExpertConfig = ExpertConfig()
        """A recommender that gives scores, trained on the same interactions."""

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
        **PREFERENCE_DEFAULTS,
        "epochs": 2, "batch_size": 128, "learning_rate": 1e-5, "schedule": "cosine",
    }  # fmt: skip

    def fields(
        self, preferences: Sequence[Preference], data: TrainView, run: RunContext
    ) -> Sequence[Mapping[str, tuple[Any, ...]]]:
        expert = self.config.expert.fit_expert(data, run)
        requests = [
            replace(p.request, candidates=tuple(choice.item for choice in p.choices))
            for p in preferences
        ]
        return [
            {"expert": tuple(row.tolist()), "here": (1.0,) * len(row)}
            for row in expert_scores(expert, requests, run)
        ]

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        config = self.config
        cpo, options = config.base == "cpo", self.loss_options
        if config.base == "ipo":
            options["length_normalised"] = is_length_normalised(config)

        def pairs(fields: "Mapping[str, Tensor]", *_: Any) -> PairTerms:
            beta = expert_betas(fields["expert"], fields["here"], config.gamma, config.upper)
            return PairTerms(beta=beta, tau=config.tau)

        return PreferenceLoss(
            BASE_LOSSES[config.base],
            pairs,
            reference=not cpo,
            nll=config.alpha if cpo else 0.0,
            **options,
        )

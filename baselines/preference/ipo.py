"""IPO (Azar et al., AISTATS 2024): the lead of the chosen response is to be 1 / (2 tau)."""

from pydantic import PositiveFloat, PositiveInt

from benchkit.training.preference.loss_spec import PairTerms, PreferenceLoss
from benchkit.training.preference.recommender import PreferenceConfig, PreferenceRecommender
from benchkit.types import RunContext, TrainView


def is_length_normalised(config: PreferenceConfig) -> bool:
    """Whether the squared loss takes log-ratios a token: as it is set, else where responses have a
    rationale, as TRL does; over bare titles they are summed, as the paper writes."""
    own = config.length_normalised
    return config.rationale if own is None else own


class IPO(PreferenceRecommender):
    """(d_c - d_k - 1 / (2 tau))^2; a lead beyond the target costs as much as one short of it."""

    class Config(PreferenceConfig):
        """tau: the target lead is 1 / (2 tau). length_normalised: None for responses with a
        rationale only."""

        negatives: PositiveInt = 1
        tau: PositiveFloat = 0.1

    config: Config

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        pairs = PairTerms(tau=self.config.tau)
        shared = {**self.loss_options, "length_normalised": is_length_normalised(self.config)}
        return PreferenceLoss("squared", lambda *_: pairs, **shared)

"""IPO (Azar et al., AISTATS 2024): the lead of the chosen response is regressed on 1 / (2 tau)."""

from pydantic import PositiveFloat, PositiveInt

from benchkit.training.preference.config import PreferenceConfig
from benchkit.training.preference.loss_spec import PairTerms, PreferenceLoss
from benchkit.training.preference.recommender import PreferenceRecommender
from benchkit.types import RunContext, TrainView


def is_length_normalised(config: PreferenceConfig) -> bool:
    """Return whether the squared loss uses log-ratios per token.

    By default they are per token if responses have a rationale, as in TRL, and summed for titles
    alone, as in the paper.
    """
    setting = config.length_normalised
    return config.rationale if setting is None else setting


class IPO(PreferenceRecommender):
    """(d_c - d_k - 1 / (2 tau))^2; a lead beyond the target costs as much as one short of it.

    `length_normalised` is by default true for responses with a rationale only.
    """

    class Config(PreferenceConfig):
        """Settings of IPO."""

        negatives: PositiveInt = 1
        tau: PositiveFloat = 0.1
        """Regularisation tau; the target lead is 1 / (2 tau)."""

    config: Config

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        pairs = PairTerms(tau=self.config.tau)
        options = {**self.loss_options, "length_normalised": is_length_normalised(self.config)}
        return PreferenceLoss("squared", lambda *_: pairs, **options)

"""DPO (Rafailov et al., NeurIPS 2023): -log sigmoid(beta (d_c - d_k)), averaged over k."""

from pydantic import PositiveFloat

from benchkit.protocols import RunContext, TrainView
from benchkit.tuning.family import Family, plain_pairs
from benchkit.tuning.preferring import PreferenceConfig, PreferenceRecommender


class DPO(PreferenceRecommender):
    """One pair for each rejected response (`pairing = "each"`), or one drawn of them.

    d is the log-ratio of policy and reference. Averaging over the pairs of a prompt keeps the size
    of a step the same for any number of negatives.
    """

    class Config(PreferenceConfig):
        """beta: strength of the pull towards the reference."""

        beta: PositiveFloat = 0.1

    config: Config

    def family(self, data: TrainView, run: RunContext) -> Family:
        return Family("logistic", plain_pairs(self.config.beta), **self.shared)

"""The Plackett-Luce loss over chosen, hard and easy responses: C-APO without calibration."""

from pydantic import PositiveFloat, PositiveInt

from benchkit.protocols import RunContext, TrainView
from benchkit.tuning.family import Family, plain_pairs
from benchkit.tuning.preferring import PreferenceConfig, PreferenceRecommender


class PlackettLuce(PreferenceRecommender):
    """sum_j softplus(logsumexp_{k > j} beta (d_k - d_j)), rejected ones by teacher's scores."""

    class Config(PreferenceConfig):
        """beta: strength of the pull towards the reference."""

        negatives: PositiveInt = 2
        rationale: bool = True
        beta: PositiveFloat = 1.0

    config: Config
    ranks = True
    fewest = 2

    def family(self, data: TrainView, run: RunContext) -> Family:
        return Family("plackett-luce", plain_pairs(self.config.beta), **self.shared)

"""IPO (Azar et al., AISTATS 2024): the lead of the chosen response is to be 1 / (2 tau)."""

from pydantic import PositiveFloat, PositiveInt

from benchkit.protocols import RunContext, TrainView
from benchkit.tuning.family import Family, Pairs
from benchkit.tuning.preferring import PreferenceConfig, PreferenceRecommender


class IPO(PreferenceRecommender):
    """(d_c - d_k - 1 / (2 tau))^2; a lead beyond the target costs as much as one short of it."""

    class Config(PreferenceConfig):
        """tau: the target lead is 1 / (2 tau). length_normalised: log-ratios a token, as TRL has
        it; None for responses with a rationale only."""

        negatives: PositiveInt = 1
        tau: PositiveFloat = 0.1
        length_normalised: bool | None = None  # type: ignore[assignment]

    config: Config

    def family(self, data: TrainView, run: RunContext) -> Family:
        own = self.config.length_normalised
        normalised = self.config.rationale if own is None else own
        pairs = Pairs(tau=self.config.tau)
        shared = {**self.shared, "length_normalised": normalised}
        return Family("squared", lambda *_: pairs, **shared)

"""A language model without training: the control of all methods that train one."""

from pydantic import ConfigDict

from benchkit.lm.config import ShownHistoryConfig
from benchkit.lm.recommender import LMRecommender


class ZeroShot(LMRecommender):
    """Scores are log-probabilities of the candidates' titles after the prompt.

    Without candidates in the prompt (`compact`), a score does not depend on their order; with
    them it does, and an order probe measures how much.
    """

    class Config(ShownHistoryConfig):
        """Settings of zero-shot prompting."""

        model_config = ConfigDict(use_attribute_docstrings=True)

        rationale: bool = False
        """Let the model give its reasons before it names an item."""

    config: Config

    @property
    def explains(self) -> bool:
        return self.config.rationale

"""A language model asked as it is: the control of all methods that train one."""

from benchkit.lm.config import LMConfig
from benchkit.lm.recommender import LMRecommender


class ZeroShot(LMRecommender):
    """Scores are log-probabilities of the candidates' titles after the prompt.

    Without candidates in the prompt (`compact`), a score does not depend on the order of the list;
    with them it does, and an order probe tells how much.
    """

    class Config(LMConfig):
        """rationale: the model gives its reasons before it names an item."""

        rationale: bool = False

    config: Config

    @property
    def explains(self) -> bool:
        return self.config.rationale

"""How the answers of the sampled protocol are drawn."""

from pydantic import Field, NonNegativeInt, PositiveInt

from benchkit.config.suite_model import SuiteModel


class DecodingSpec(SuiteModel):
    """How the answers of the sampled protocol are drawn: table `[decoding]` of a suite.

    n: answers a case. top_k: only so many tokens, 0 for all. max_tokens: of one answer.
    constrained: answers can only be candidates.
    """

    n: PositiveInt = 5
    temperature: float = Field(default=0.7, ge=0, le=100)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: NonNegativeInt = Field(default=0, exclude_if=lambda value: not value)
    max_tokens: PositiveInt = 512
    constrained: bool = False

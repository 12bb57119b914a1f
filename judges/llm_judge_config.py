"""Settings of a language model as a judge."""

from typing import Any, Self

from pydantic import Field, PositiveInt, computed_field, model_validator

from benchkit.errors import ConfigError
from benchkit.judging.rubric import load_rubric
from benchkit.lm.backbones import parse_engine_settings
from benchkit.lm.cached_generator import semantic_settings
from benchkit.lm.config import NANO
from benchkit.lm.types import Decoding
from judges.prompts import PromptOptions


class LLMJudgeConfig(PromptOptions):
    """A judge that is a language model; see `PromptOptions` for what it is shown."""

    engine: dict[str, Any] = Field(
        exclude=True,
        description="The configuration of an engine; its `price_prompt` and `price_completion` (a"
        " million tokens) give the estimated cost, its `max_cost` or `max_tokens_total` stop before"
        " more is spent by this judge in one call of the command: each judge of a suite and each"
        " member of a panel has a budget of its own. One in this process (`hf`) names its"
        " `backbone`, too.",
    )
    rubric: str = Field(default="rationale-0-3", description="A name, or the path of a TOML file.")
    decoding: Decoding = Decoding(temperature=0, top_p=1, max_tokens=1024)
    """How its replies are drawn; `n` must be 1."""
    statements: str = Field(
        default="",
        description="Whether it also checks the statements of each rationale, one by one, against"
        " history, reviews and texts of items: a rubric for that, `statement-support` or a file of"
        " your own. It asks once for each statement of the rationale and of a control; no grade"
        " changes.",
    )
    retries: int = Field(
        default=1, ge=0, le=5,
        description="How often to ask again after a whole reply without a readable verdict, each"
        " time with another seed and for the verdict alone. At temperature 0 more than one would"
        " only repeat itself. Cut off and refused replies are not asked for again.",
    )  # fmt: skip
    batch: PositiveInt = Field(default=256, exclude=True, description="Inputs asked at once.")

    @model_validator(mode="after")
    def _check_engine(self) -> Self:
        parse_engine_settings(self.engine, "judge")
        if self.engine.get("backbone") == NANO:
            raise ConfigError("nano cannot judge: it knows one dataset only", "name another model")
        if self.decoding.n != 1:
            raise ConfigError(
                f"a judge gives one verdict an input, not {self.decoding.n}",
                "put several judges on a panel",
            )
        if self.retries > 1 and not self.decoding.temperature:
            raise ConfigError(
                "at temperature 0 a judge repeats itself", "retries = 1, or a higher temperature"
            )
        return self

    @property
    def engine_scores(self) -> bool:
        """Whether the engine gives log-probabilities of texts; a server may not."""
        engine = parse_engine_settings(self.engine, "judge").engine
        return getattr(engine, "scores_by", "") != "off"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def engine_semantics(self) -> dict[str, Any]:
        """What of the engine a verdict can depend on, for the identity of a judgement.

        No grade depends on how fast and at what price a model answers.
        """
        return semantic_settings(self.engine)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def statement_rubric(self) -> str:
        """Hash of the rubric for statements, for the identity of a judgement."""
        return load_rubric(self.statements).hash if self.statements else ""

"""What all language-model methods share: loading, prompting, and their capabilities."""

from abc import ABC
from collections.abc import Iterator, Sequence

from benchkit.errors import ConfigError
from benchkit.lm.backbones import Backbone, load_backbone
from benchkit.lm.config import LMConfig
from benchkit.lm.engines import connect_progress, make_engine
from benchkit.lm.predictor import LMPredictor
from benchkit.lm.tokens.tokenizer_check import check_engine_titles
from benchkit.lm.types import Engine
from benchkit.types import Capability, Prediction, Request, RunContext, TrainView

_ROOM_FOR_A_TITLE = 64  # tokens kept free in the model's context beside prompt and rationale


class LMRecommender(ABC):
    """A language model used as it is. Methods that train it override `fit`."""

    Config: type[LMConfig] = LMConfig
    predictor: LMPredictor

    def __init__(self, config: LMConfig | None = None) -> None:
        self.config = config or self.Config()
        # A wrong name stops here.
        self.config.prompt_template.response_format(self.explains)
        if self.config.scored_rationales > 1 and not self.averages_rationales:
            raise ConfigError(
                f"scored_rationales = {self.config.scored_rationales}, but this method does not"
                " score candidates after rationales of its own",
                "leave it out",
            )

    @property
    def explains(self) -> bool:
        """Return whether answers begin with a rationale."""
        return False

    @property
    def averages_rationales(self) -> bool:
        """Return whether candidates may be scored after several rationales of a case."""
        return self.explains

    @property
    def capabilities(self) -> frozenset[Capability]:
        capabilities: set[Capability] = {
            "samples", "candidates_only", "cold_users", "cold_items", "zero_shot",
        }  # fmt: skip
        if getattr(self.config.engine, "scores_by", "") != "off":
            capabilities.add("scores")
        if self.explains:
            capabilities.add("explains")
        return frozenset(capabilities)

    @property
    def caveats(self) -> tuple[str, ...]:
        return self.config.caveats

    def fit(self, data: TrainView, run: RunContext) -> None:
        engine = make_engine(self.config.engine, lambda: self.load_backbone(data, run), run.cache)
        connect_progress(engine, run.progress)
        check_engine_titles(engine, data.catalog, run)
        self.predictor = self.make_predictor(engine)

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        return self.predictor.predict(requests, run)

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        return self.predictor.sample(requests, run)

    def load_backbone(self, data: TrainView, run: RunContext) -> Backbone:
        """Load the backbone as the engine in this process needs it."""
        return load_backbone(self.config, data, run, self.dtype)

    @property
    def dtype(self) -> str:
        """Return the data type of the backbone's weights; see `load_backbone`."""
        return str(getattr(self.config.engine, "dtype", "auto"))

    def make_predictor(self, engine: Engine) -> LMPredictor:
        """Build what asks `engine` in the way of this method."""
        return LMPredictor(
            engine=engine,
            template=self.config.prompt_template,
            rationale=self.explains,
            prompt_tokens=self.prompt_budget(getattr(engine, "context", None)),
            rationale_tokens=self.config.max_rationale_tokens,
            rationales=self.config.scored_rationales,
            strict_substring=self.config.strict_substring,
        )

    def prompt_budget(self, context: int | None) -> int:
        """Return the tokens that a prompt may have for a model that can read `context`."""
        reserved = _ROOM_FOR_A_TITLE + (self.config.max_rationale_tokens if self.explains else 0)
        limit = self.config.prompt_tokens
        if self.config.is_nano:  # what it was trained to read
            limit = min(limit, self.config.nano.context)
        return limit if context is None else min(limit, max(1, context - reserved))

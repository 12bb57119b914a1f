"""SumRec with DPO (Tajiri and Inaba, 2025): texts that help to recommend are preferred.

`native` follows the paper: a score predictor f(history, text, item) ranks, and DPO moves the model
towards texts by which f scores liked items higher and others lower. `capo_adaptation` is the
baseline of C-APO: DPO of rationale and target against rationale and a random item.
"""

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from baselines.preference.rationale_preferences import (
    fit_on_rationales,
    rationale_preferences,
    without_items,
)
from baselines.preference.score_predictor import ScorePredictor
from baselines.preference.text_ranker import RationaleRanker
from benchkit import io, seeds
from benchkit.errors import ConfigError, DataError
from benchkit.files.checksums import discard_damaged, find_file_damage, seal_file
from benchkit.lm.backbones import Backbone
from benchkit.lm.predictor import LMPredictor
from benchkit.lm.types import Decoding, Engine
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.preference.config import PreferenceConfig
from benchkit.training.preference.examples import Preference
from benchkit.training.preference.loss_spec import PreferenceExample, PreferenceLoss, constant_beta
from benchkit.training.preference.preference_io import write_preferences
from benchkit.training.preference.recommender import PreferenceRecommender
from benchkit.types import RunContext, TrainView


class SumRecDPO(PreferenceRecommender):
    """SFT on the teacher's rationale and the chosen item, then DPO.

    In mode `native` the fine-tuned model writes several rationales for each user. The predictor,
    trained on the first of them, scores every item of a preference after each. The rationale with
    the best score of the chosen item is preferred to that with the worst; for rejected items it is
    the other way round.
    """

    class Config(PreferenceConfig):
        """Settings of SumRec-DPO."""

        mode: Literal["capo_adaptation", "native"] = "capo_adaptation"
        """DPO between items with their rationales, or between rationales as in the paper."""
        negatives: PositiveInt = 1
        rationale: bool = True
        beta: PositiveFloat = 0.1
        """Strength beta of the pull towards the reference."""
        samples: int = Field(default=5, ge=2)
        """Rationales per user (`native`)."""
        temperature: PositiveFloat = 0.7
        """Sampling temperature of the rationales (`native`)."""
        predictor_epochs: PositiveInt = 20
        """Epochs of the score predictor (`native`)."""

    config: Config
    score_predictor: ScorePredictor | None = None

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        if not self.config.rationale:
            raise ConfigError("SumRec-DPO needs rationales", "set rationale = true")
        if self.is_native and self.config.scope == "item":
            raise ConfigError(
                "the preferences of mode 'native' are between rationales alone",
                'set scope = "full"',
            )

    @property
    def is_native(self) -> bool:
        """Whether the score predictor ranks, as in the paper."""
        return self.config.mode == "native"

    @property
    def caveats(self) -> tuple[str, ...]:
        note = "ranks by a small score predictor over hashed words, after a rationale for each user"
        return (*super().caveats, note) if self.is_native else super().caveats

    @property
    def averages_rationales(self) -> bool:
        return self.explains and not self.is_native

    def fit(self, data: TrainView, run: RunContext) -> None:
        self.score_predictor = None
        super().fit(data, run)

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        return PreferenceLoss("logistic", constant_beta(self.config.beta), **self.loss_options)

    def make_predictor(self, engine: Engine) -> LMPredictor:
        predictor = super().make_predictor(engine)
        if not self.is_native:
            return predictor
        return RationaleRanker(**vars(predictor), score_predictor=self.score_predictor)

    def rewrite_preferences(
        self,
        preferences: list[Preference],
        model: Any,
        backbone: Backbone,
        data: TrainView,
        run: RunContext,
    ) -> list[Preference]:
        if not self.is_native:
            return preferences
        texts = self._sample_rationales(preferences, model, backbone, run)
        rows = [
            (p, rationales) for p, rationales in zip(preferences, texts, strict=True) if rationales
        ]
        if not rows:
            raise DataError("the fine-tuned model wrote no rationale", "train it for longer")
        self.score_predictor = fit_on_rationales(
            rows, data.catalog, run.generator("predictor"), self.config.predictor_epochs
        )
        pairs: list[Preference] = []
        for preference, rationales in rows:
            pairs += rationale_preferences(preference, rationales, self.score_predictor)
        if not pairs:
            raise DataError(
                "no user has two rationales that differ in the predictor's scores",
                "raise samples or temperature",
            )
        write_preferences(run.scratch / "pairs.jsonl", pairs)
        return pairs

    def examples(
        self,
        preferences: Sequence[Preference],
        builder: ExampleBuilder,
        data: TrainView,
        run: RunContext,
    ) -> list[PreferenceExample]:
        examples = super().examples(preferences, builder, data, run)
        if not self.is_native:
            return examples
        return [without_items(example) for example in examples]

    def _sample_rationales(
        self, preferences: Sequence[Preference], model: Any, backbone: Backbone, run: RunContext
    ) -> list[list[str]]:
        """Sample distinct rationales for each preference; they are stored for a resumed run."""
        from benchkit.training.core.weights import weights_hash

        config = self.config
        decoding = Decoding(n=config.samples, temperature=config.temperature, seed=run.seed)
        requests = [preference.request for preference in preferences]
        settings = (decoding.model_dump_json(), config.template_hash, config.rationale_tokens)
        key = seeds.derive(weights_hash(model), *settings, repr(requests))
        path = run.scratch / f"samples-{key:016x}.json"
        if path.exists():
            if not (damage := find_file_damage(path)):
                stored: list[list[str]] = json.loads(path.read_text(encoding="utf-8"))
                return stored
            discard_damaged(path, damage, run.progress)
        ranker = self.make_predictor(self.engine(model, backbone))
        if not isinstance(ranker, RationaleRanker):
            raise TypeError("only mode 'native' samples rationales")
        texts = ranker.sample_distinct(requests, run, decoding)
        io.write_json(path, texts)
        seal_file(path)
        return texts

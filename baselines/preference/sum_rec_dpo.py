"""SumRec with DPO (Tajiri and Inaba, 2025): texts that help to recommend are preferred.

`native` follows the paper: a score predictor f(history, text, item) ranks, and DPO moves the
model to texts under which f scores liked items higher and others lower. `capo_adaptation` is how
C-APO has it among its baselines: DPO of rationale and target against rationale and a random item.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from baselines.preference.score_predictor import ScorePredictor, best_and_worst, fit_score_predictor
from baselines.preference.text_ranker import RationaleRanker
from benchkit import io, seeds
from benchkit.errors import ConfigError, DataError
from benchkit.lm.backbones import Backbone
from benchkit.lm.predictor import LMPredictor
from benchkit.lm.types import Decoding, Engine
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.preference.examples import Choice, Preference
from benchkit.training.preference.loss_spec import PreferenceExample, PreferenceLoss, constant_beta
from benchkit.training.preference.preference_io import write_preferences
from benchkit.training.preference.recommender import PreferenceConfig, PreferenceRecommender
from benchkit.types import RunContext, TrainView


class SumRecDPO(PreferenceRecommender):
    """SFT on the teacher's rationale and the chosen item, then DPO."""

    class Config(PreferenceConfig):
        """mode: `capo_adaptation`, one random rejected item, each with its rationale; or `native`:
        the fine-tuned model writes `samples` rationales for each user at `temperature`; the
        predictor, trained on the first of them (`predictor_epochs`), scores every item of a
        preference after each; the rationale with the best score for the chosen item is preferred
        to the one with the worst, and for rejected items the other way round. beta: strength of
        the pull towards the reference."""

        mode: Literal["capo_adaptation", "native"] = "capo_adaptation"
        negatives: PositiveInt = 1
        rationale: bool = True
        beta: PositiveFloat = 0.1
        samples: int = Field(default=5, ge=2)
        temperature: PositiveFloat = 0.7
        predictor_epochs: PositiveInt = 20

    config: Config
    score_predictor: ScorePredictor | None = None

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        if not self.config.rationale:
            raise ConfigError("SumRec-DPO prefers rationales", "rationale = true")
        if self.is_native and self.config.scope == "item":
            raise ConfigError(
                "the preferences of mode 'native' are between rationales alone", 'scope = "full"'
            )

    @property
    def is_native(self) -> bool:
        """Whether the predictor ranks."""
        return self.config.mode == "native"

    @property
    def caveats(self) -> tuple[str, ...]:
        told = "ranks by a small score predictor over hashed words, after a rationale for each user"
        return (*super().caveats, told) if self.is_native else super().caveats

    def fit(self, data: TrainView, run: RunContext) -> None:
        self.score_predictor = None
        super().fit(data, run)

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        return PreferenceLoss("logistic", constant_beta(self.config.beta), **self.loss_options)

    def make_predictor(self, engine: Engine) -> LMPredictor:
        own = super().make_predictor(engine)
        return (
            RationaleRanker(**vars(own), score_predictor=self.score_predictor)
            if self.is_native
            else own
        )

    def rewrite_preferences(
        self,
        found: list[Preference],
        model: Any,
        backbone: Backbone,
        data: TrainView,
        run: RunContext,
    ) -> list[Preference]:
        if not self.is_native:
            return found
        texts = self._sampled(found, model, backbone, run)
        told = [(own, text) for own, text in zip(found, texts, strict=True) if text]
        if not told:
            raise DataError("the fine-tuned model wrote no rationale", "train it for longer")
        width = min(len(own.candidates) for own, _ in told)
        self.score_predictor = fit_score_predictor(
            data.catalog,
            [own.history for own, _ in told],
            [text[0] for _, text in told],
            [_with_chosen(own, width) for own, _ in told],
            [own.chosen.item for own, _ in told],
            run.generator("predictor"),
            self.config.predictor_epochs,
        )
        pairs = [
            made
            for own, text in told
            for made in rationale_preferences(own, text, self.score_predictor)
        ]
        if not pairs:
            raise DataError(
                "no user has two rationales between which the predictor tells a difference",
                "raise samples or temperature",
            )
        write_preferences(run.scratch / "pairs.jsonl", pairs)
        return pairs

    def examples(
        self, found: Sequence[Preference], builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> list[PreferenceExample]:
        made = super().examples(found, builder, data, run)
        if not self.is_native:
            return made
        # The item is not what is preferred: both responses of a pair end before it.
        return [
            replace(
                own,
                responses=tuple(
                    response[:-last]
                    for response, last in zip(own.responses, own.item_tokens, strict=True)
                ),
            )
            for own in made
        ]

    def _sampled(
        self, found: Sequence[Preference], model: Any, backbone: Backbone, run: RunContext
    ) -> list[list[str]]:
        """What the model writes for each preference, each text once; kept for a resumed run."""
        from benchkit.training.core.cached_stages import weights_hash

        config = self.config
        decoding = Decoding(n=config.samples, temperature=config.temperature, seed=run.seed)
        requests = [own.request for own in found]
        settings = (decoding.model_dump_json(), config.template_hash, config.rationale_tokens)
        key = seeds.derive(weights_hash(model), *settings, repr(requests))
        path = run.scratch / f"samples-{key:016x}.json"
        if path.is_file():
            kept: list[list[str]] = json.loads(path.read_text(encoding="utf-8"))
            return kept
        ranker = self.make_predictor(self.engine(model, backbone))
        if not isinstance(ranker, RationaleRanker):
            raise TypeError("only mode 'native' samples rationales")
        run.progress.start("sampling rationales", len(found))
        texts = []
        for reasons in ranker.sample_rationales(requests, run.catalog, decoding):
            usable = (r.text.strip() for r in reasons if r.finish in ("stop", "length"))
            texts.append(list(dict.fromkeys(text for text in usable if text)))
            run.progress.advance()
        io.write_json(path, texts)
        return texts


def rationale_preferences(
    own: Preference, texts: Sequence[str], predictor: ScorePredictor
) -> list[Preference]:
    """Preferences between texts: one for the chosen item, and one for each rejected item.

    A pair has the same item on both sides. Items after which all texts score alike have none.
    """
    items = [choice.item for choice in own.choices]
    scored = [predictor.scores(own.history, text, items).tolist() for text in texts]
    pairs = []
    for place, item in enumerate(items):
        found = best_and_worst([row[place] for row in scored], liked=place == 0)
        if found is not None:
            best, worst = (Choice(item, texts[at]) for at in found)
            key = f"{own.key}#{place}"
            pairs.append(replace(own, key=key, chosen=best, rejected=(worst,)))
    return pairs


def _with_chosen(own: Preference, width: int) -> tuple[str, ...]:
    """`width` of the candidates, the chosen item among them."""
    others = [item for item in own.candidates if item != own.chosen.item]
    return (own.chosen.item, *others[: width - 1])

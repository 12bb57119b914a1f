"""TALLRec: a language model tuned on yes-or-no questions about items (Bao et al., RecSys 2023)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import PositiveInt

from baselines.sft.yes_no import LONG_QUESTION, SHORT_QUESTION, YesNoScorer, YesNoWriter, auc
from benchkit.lm.backbones import Backbone
from benchkit.lm.prompts import load_template
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.training.core.config import LoRAConfig
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.recommender import FineTunedConfig, FineTunedRecommender
from benchkit.training.sft import train_sft
from benchkit.types import Capability, Prediction, Request, RunContext, TrainView, ValidationCase

# From the authors' code, as far as it does not depend on the size of the training set.
_LARGE = {
    "learning_rate": 1e-4, "batch_size": 128, "schedule": "linear",
    "lora": LoRAConfig(r=8, alpha=16, dropout=0.05, targets=("q_proj", "v_proj")),
}  # fmt: skip
# For few samples; validated less often than after each epoch, which is then a single step.
_FEW = {"epochs": 200, "evaluate_every": 10}


class TALLRec(FineTunedRecommender):
    """Learn to answer whether a user likes an item; rank candidates by the probability of Yes.

    A history is written as preferred and unpreferred items. Each user gives one question with the
    answer "Yes.", about the last training item, and some with "No.", about items not interacted
    with. The loss is on the whole text, as in the authors' code; `train = { train_on_prompt =
    false }` restricts it to the answer. Weights are selected by AUC on validation questions. The
    template only decides how titles are shortened.
    """

    class Config(FineTunedConfig):
        """Settings of TALLRec."""

        samples: PositiveInt | None = None
        """Questions to train on, of users chosen by a hash (16 to 256 in the paper); None: all."""
        negatives: PositiveInt = 1
        """Questions per user with the answer No."""
        threshold: float | None = None
        """Highest rating of an unpreferred item; None: three stars of five, or as far up another
        scale."""

        templates: ClassVar[tuple[str, str]] = ("titles", "compact")

    config: Config
    scorer: YesNoScorer

    @property
    def capabilities(self) -> frozenset[Capability]:
        """All but sampling: the model answers Yes or No, never with an item."""
        return frozenset({"scores", "candidates_only", "cold_users", "cold_items"})

    def fit(self, data: TrainView, run: RunContext) -> None:
        backbone = self.load_backbone(data, run)
        model = self.train_backbone(backbone, data, run)
        self.scorer = YesNoScorer(self.engine(model, backbone), self.make_writer(backbone))

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        return self.scorer.predict(requests, run.catalog)

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        config = self.config
        method: dict[str, Any] = {"train_on_prompt": True}
        if not config.is_nano:
            method |= _LARGE
        if config.samples is not None:
            method |= _FEW
        writer = self.make_writer(backbone)
        cases = data.validation[: config.validation_cases]
        return train_sft(
            backbone.model,
            self.examples(writer, data, run),
            self.training_config(run, **method),
            run,
            self.validation(writer, backbone, cases, data, run) if cases else None,
        )

    def make_writer(self, backbone: Backbone) -> YesNoWriter:
        """Return a writer of prompts that fit the backbone."""
        config = self.config
        return YesNoWriter(
            backbone.tokenizer,
            SHORT_QUESTION if config.is_nano else LONG_QUESTION,
            load_template(config.template_name),
            config.threshold,
            self.prompt_budget(backbone.context),
        )

    def examples(self, writer: YesNoWriter, data: TrainView, run: RunContext) -> list[Any]:
        """Return for each user the last item with Yes, then the negatives with No."""
        config, each = self.config, 1 + self.config.negatives
        limits = [config.limit_users, config.samples and -(-config.samples // each)]
        questions = build_training_questions(
            data,
            negatives=config.negatives,
            candidates=max(config.candidates, each),
            seed=run.seed,
            limit=min((limit for limit in limits if limit is not None), default=None),
        )
        examples = []
        for number, question in enumerate(questions):
            request = Request(question.key, question.key, question.history, ())
            liked = number % each == 0
            examples.append(writer.example(request, question.item, liked, data.catalog))
        return examples[: config.samples]

    def validation(
        self,
        writer: YesNoWriter,
        backbone: Backbone,
        cases: Sequence[ValidationCase],
        data: TrainView,
        run: RunContext,
    ) -> Callable[[Any], float]:
        """Return the AUC on validation targets against as many negatives per case as in training.

        The result is a function of the model.
        """
        requests = []
        for case in cases:
            request = case.request
            others = [item for item in request.candidates if item != case.target]
            order = run.generator("validation negatives", request.case_id).permutation(len(others))
            negatives = [others[index] for index in order[: self.config.negatives]]
            requests.append(replace(request, candidates=(case.target, *negatives)))

        def validate(model: Any) -> float:
            scorer = YesNoScorer(self.engine(model, backbone), writer)
            scores = [p.scores for p in scorer.predict(requests, data.catalog) if p.scores]
            return auc([s[0] for s in scores], [x for s in scores for x in s[1:]])

        return validate

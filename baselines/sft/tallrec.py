"""TALLRec: a language model tuned on yes-or-no questions about items (Bao et al., RecSys 2023)."""

from collections.abc import Iterator, Sequence
from typing import Any

from baselines.sft import catalog_instructions, rated_questions
from baselines.sft.rated_questions import QuestionSource, RatedQuestion
from baselines.sft.tallrec_settings import WARMUP_STEPS, TALLRecConfig
from baselines.sft.yes_no import LONG_QUESTION, SHORT_QUESTION, YesNoWriter
from baselines.sft.yes_probability import YesNoScorer, question_auc
from benchkit.lm.backbones import Backbone
from benchkit.training.core.batch_sampler import with_warmup_steps
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.lora import has_adapter
from benchkit.training.core.recommender import FineTunedRecommender
from benchkit.training.sft import train_sft
from benchkit.types import Capability, Prediction, Request, RunContext, TrainView


class TALLRec(FineTunedRecommender):
    """Learn to follow instructions, then to answer whether a user likes an item.

    A history is written as preferred and unpreferred items. The last interactions of each user are
    asked about, with the answer "Yes." where the rating is good, and "No." where it is not; so are
    items not interacted with. Candidates are ranked by the probability of Yes. The loss is on the
    whole text, as in the authors' code, but for nano on the answer alone; `train = {
    train_on_prompt = false }` chooses that. Weights are selected by AUC. The template only decides
    how titles are shortened; neither candidates nor the teacher are used.
    """

    Config = TALLRecConfig
    config: TALLRecConfig
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
        config, writer = self.config, self.make_writer(backbone)
        questions, held_back = self.questions(writer, data, run)
        examples = [writer.example(q.request, q.item, q.liked, data.catalog) for q in questions]
        settings = self.second_stage(len(examples), run)
        model = backbone.model
        if config.first_stage != "none":
            model = self.follow_instructions(model, builder, run)
            if has_adapter(model):  # the second stage goes on with it
                settings = settings.model_copy(update={"lora": None})

        def make_scorer(trained: Any) -> YesNoScorer:
            return YesNoScorer(self.engine(trained, backbone), writer)

        return train_sft(
            model, examples, settings, run, question_auc(held_back, make_scorer, data.catalog)
        )

    def questions(
        self, writer: YesNoWriter, data: TrainView, run: RunContext
    ) -> tuple[list[RatedQuestion], list[RatedQuestion]]:
        """Return what to train on, and what weights are selected by.

        The latter are questions about the validation cases; if all answers are to come from
        ratings, which the cases lack, they are the questions of a tenth of the users.
        """
        config = self.config
        source = QuestionSource(
            data,
            lambda rating: writer.is_disliked(rating, data.catalog),
            config.events,
            config.history,
        )
        by_user = rated_questions.training_questions(source, config.no_from, config.negatives, run)
        users = rated_questions.select_users(by_user, config.limit_users)
        if config.no_from == "ratings":
            users, others = rated_questions.hold_back(users)
            held_back = [question for user in others for question in by_user[user]]
        else:
            cases = data.validation[: config.validation_cases]
            held_back = rated_questions.case_questions(cases, config.negatives, run)
        return [q for user in users for q in by_user[user]][: config.samples], held_back

    def second_stage(self, n_examples: int, run: RunContext) -> TrainConfig:
        """Return the settings of the tuning on questions."""
        settings = self.training_config(run, **self.config.second_defaults)
        if "warmup" in self.config.train.model_fields_set:
            return settings
        return with_warmup_steps(settings, WARMUP_STEPS, n_examples)

    def follow_instructions(self, model: Any, builder: ExampleBuilder, run: RunContext) -> Any:
        """Train the first stage, and return the model, with an adapter if it is to have one."""
        config = self.config
        settings = self.resolve_training_config(config.first, run, **config.first_defaults)
        tasks = catalog_instructions.load_instructions(config.first_stage, builder, run)
        examples = catalog_instructions.instruction_examples(tasks, builder, settings.max_length)
        return train_sft(model, examples, settings, run) if examples else model

    def make_writer(self, backbone: Backbone) -> YesNoWriter:
        """Return a writer of prompts that fit the backbone."""
        config = self.config
        return YesNoWriter(
            backbone.tokenizer,
            SHORT_QUESTION if config.is_nano else LONG_QUESTION,
            config.prompt_template,
            config.threshold,
            self.prompt_budget(backbone.context),
            config.history,
        )

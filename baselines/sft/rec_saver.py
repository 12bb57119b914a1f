"""Rec-SAVER: train on rationales from which the model itself can infer the item.

Tsai et al., Findings of ACL 2024; as a baseline of C-APO: chooses an item instead of a rating.
"""

from collections.abc import Sequence
from typing import Any

from baselines.sft.rec_saver_settings import RecSaverConfig
from baselines.sft.self_teacher import (
    SelfTeacher,
    earlier_questions,
    rationale_examples,
    warm_up_examples,
)
from baselines.sft.verification import VerificationCounts, select_verified, teacher_texts
from benchkit.errors import DataError
from benchkit.lm.backbones import Backbone
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.training.core.example_builder import ExampleBuilder, to_request, validation_questions
from benchkit.training.core.examples import Example
from benchkit.training.core.lora import has_adapter
from benchkit.training.core.recommender import FineTunedRecommender
from benchkit.training.sft import train_sft
from benchkit.types import RunContext, TrainView


class RecSaver(FineTunedRecommender):
    """Cross-entropy on rationale and item, for rationales that pass self-verification.

    The model writes several rationales for each user's last training item, which it is told. It
    then chooses among the candidates from the history and a rationale without the item's title.
    Rationales after which it chooses the item are verified; a user's verified rationales together
    have weight 1. A model that cannot do either from a prompt (nano) first learns both from a
    teacher's rationales about the items before the last ones.
    """

    Config = RecSaverConfig
    config: RecSaverConfig
    verification: VerificationCounts
    """Set by `fit`."""

    @property
    def explains(self) -> bool:
        return True

    @property
    def teacher_caveats(self) -> tuple[str, ...]:
        caveats = super().teacher_caveats if self.config.needs_teacher else ()
        return (*caveats, self.config.author_caveat)

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        config = self.config
        questions = self.training_questions(data, run)
        model = backbone.model
        settings = self.training_config(run)
        if config.is_warmed_up:
            model = self.warm_up(model, questions, builder, data, run)
            settings = self.training_config(run, **config.second_defaults)
            if has_adapter(model):  # training goes on with it
                settings = settings.model_copy(update={"lora": None})
        texts = self.write(questions, model, backbone, data, run)
        verified = self.verify(questions, texts, model, backbone, data, run)
        cases = validation_questions(data.validation, config.validation_cases)
        first = [row[:1] for row in self.write(cases, model, backbone, data, run)]
        examples = self.examples(questions, verified, builder)
        validation = rationale_examples(cases, first, builder, config.item_weight)
        return train_sft(model, examples, settings, run, validation=validation or None)

    def warm_up(
        self,
        model: Any,
        questions: Sequence[TeacherQuestion],
        builder: ExampleBuilder,
        data: TrainView,
        run: RunContext,
    ) -> Any:
        """Teach the model to write and to use rationales, about items not to be verified."""
        earlier = list(earlier_questions(questions))
        rationales = self.write_rationales(earlier, data, run)
        examples = list(warm_up_examples(earlier, rationales, builder))
        settings = self.resolve_training_config(
            self.config.first, run, **self.config.first_defaults
        )
        return train_sft(model, examples, settings, run)

    def write(
        self,
        questions: Sequence[TeacherQuestion],
        model: Any,
        backbone: Backbone,
        data: TrainView,
        run: RunContext,
    ) -> list[list[str]]:
        """Return for each question its distinct rationales, by the model or the teacher."""
        config = self.config
        if config.author == "teacher":
            return teacher_texts(
                questions, config.per_user, lambda copies: self.write_rationales(copies, data, run)
            )
        teacher = SelfTeacher(
            self.make_predictor(self.engine(model, backbone)),
            config.per_user,
            config.temperature,
            run.seed,
            short=config.is_warmed_up,
        )
        run.progress.start("the model's rationales", len(questions))
        texts = teacher.write(questions, data.catalog)
        run.progress.advance(len(questions))
        return texts

    def verify(
        self,
        questions: Sequence[TeacherQuestion],
        texts: Sequence[Sequence[str]],
        model: Any,
        backbone: Backbone,
        data: TrainView,
        run: RunContext,
    ) -> list[list[str]]:
        """Return the verified ones of each question's rationales, and count them."""
        predictor = self.make_predictor(self.engine(model, backbone))
        run.progress.start("verifying rationales", sum(map(len, texts)))
        verified = select_verified(predictor, questions, texts, data.catalog)
        self.verification = counts = VerificationCounts.from_texts(texts, verified)
        run.progress.advance(counts.n_written, note=str(counts))
        return verified

    def examples(
        self,
        questions: Sequence[TeacherQuestion],
        rationales: Sequence[Sequence[str]],
        builder: ExampleBuilder,
    ) -> list[Example]:
        """Return one example per verified rationale; raise DataError if there is none at all."""
        config = self.config
        examples = rationale_examples(questions, rationales, builder, config.item_weight)
        if config.unverified == "item-only":
            pairs = zip(questions, rationales, strict=True)
            examples += [builder.example(to_request(q), q.item) for q, texts in pairs if not texts]
        if not examples:
            raise DataError(
                f"the backbone infers no item from any of {self.verification.n_written} rationales",
                'set unverified = "item-only", or use a stronger backbone or another teacher',
            )
        return examples

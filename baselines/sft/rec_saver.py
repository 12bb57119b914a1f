"""Rec-SAVER: train on rationales from which the model itself can infer the item.

Tsai et al., Leveraging LLM Reasoning Enhances Personalized Recommender Systems, Findings of ACL
2024; as a baseline of C-APO, for the choice of an item instead of a rating.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import PositiveFloat, PositiveInt

from baselines.sft.verification import VerificationCounts, verify_rationales
from benchkit.errors import DataError
from benchkit.lm.backbones import Backbone
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.training.core.example_builder import ExampleBuilder, to_request, validation_questions
from benchkit.training.core.examples import Example
from benchkit.training.core.recommender import FineTunedConfig, FineTunedRecommender
from benchkit.training.sft import train_sft
from benchkit.types import RunContext, TrainView


class RecSaver(FineTunedRecommender):
    """Cross-entropy on rationale and item, for rationales that pass self-verification.

    The teacher writes several rationales for each user's last training item. The backbone, not yet
    trained, then chooses among the candidates from the history and a rationale without the item's
    title. Rationales after which it chooses the item are verified; a user's verified rationales
    together have weight 1.
    """

    class Config(FineTunedConfig):
        """Settings of Rec-SAVER."""

        per_user: PositiveInt = 3
        """Rationales per user, with the keys `user#0`, `user#1`, ...; a language model as the
        teacher writes different ones only above temperature 0 (0.7)."""
        unverified: Literal["drop", "item-only"] = "drop"
        """Leave out users without a verified rationale, or train on their item alone."""
        item_weight: PositiveFloat = 1.0
        """Weight of the item's tokens in the loss, which a rationale's would outnumber."""

    config: Config
    verification: VerificationCounts
    """Set by `fit`."""

    @property
    def explains(self) -> bool:
        return True

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        config = self.config
        questions = self.training_questions(data, run)
        rationales = self.verify(questions, backbone, data, run)
        cases = validation_questions(data.validation, config.validation_cases)
        return train_sft(
            backbone.model,
            self.examples(questions, rationales, builder),
            self.training_config(run),
            run,
            validation=self.first_rationale_examples(cases, builder, data, run) if cases else None,
        )

    def verify(
        self,
        questions: Sequence[TeacherQuestion],
        backbone: Backbone,
        data: TrainView,
        run: RunContext,
    ) -> list[list[str]]:
        """Let the teacher explain each question several times, and return what is verified.

        Returns:
            For each question its distinct verified rationales.
        """
        indices, copies = [], []
        for index, question in enumerate(questions):
            for number in range(self.config.per_user):
                indices.append(index)
                copies.append(replace(question, key=f"{question.key}#{number}"))
        rationales = self.write_rationales(copies, data, run)
        distinct = dict.fromkeys(
            (index, rationale.text)
            for index, rationale in zip(indices, rationales, strict=True)
            if rationale.text is not None
        )
        predictor = self.make_predictor(self.engine(backbone.model, backbone))
        run.progress.start("verifying rationales", len(distinct))
        results = verify_rationales(
            predictor,
            [questions[index] for index, _ in distinct],
            [text for _, text in distinct],
            data.catalog,
        )
        verified: list[list[str]] = [[] for _ in questions]
        for (index, text), correct in zip(distinct, results, strict=True):
            run.progress.advance()
            if correct:
                verified[index].append(text)
        self.verification = counts = VerificationCounts(
            len(distinct), sum(map(len, verified)), len(questions), sum(map(bool, verified))
        )
        run.progress.advance(
            0,
            note=f"{counts.n_kept} of {counts.n_written} rationales kept"
            f" ({counts.kept_share:.0%}), {counts.n_users_kept} of {counts.n_users} users",
        )
        return verified

    def examples(
        self,
        questions: Sequence[TeacherQuestion],
        rationales: Sequence[Sequence[str]],
        builder: ExampleBuilder,
    ) -> list[Example]:
        """Return one example per verified rationale; raise DataError if there is none at all."""
        examples = []
        for question, texts in zip(questions, rationales, strict=True):
            request, item = to_request(question), question.item
            for text in texts:
                weight = 1 / len(texts)
                examples.append(
                    builder.example(request, item, text, weight, self.config.item_weight)
                )
            if not texts and self.config.unverified == "item-only":
                examples.append(builder.example(request, item))
        if not examples:
            raise DataError(
                f"the backbone infers no item from any of {self.verification.n_written} rationales",
                'set unverified = "item-only", or use a stronger backbone or another teacher',
            )
        return examples

    def first_rationale_examples(
        self,
        questions: Sequence[TeacherQuestion],
        builder: ExampleBuilder,
        data: TrainView,
        run: RunContext,
    ) -> list[Example] | None:
        """Return validation examples with the first, unverified rationales; None without any."""
        copies = [replace(question, key=f"{question.key}#0") for question in questions]
        rationales = self.write_rationales(copies, data, run)
        return [
            builder.example(to_request(q), q.item, r.text, item_weight=self.config.item_weight)
            for q, r in zip(questions, rationales, strict=True)
            if r.text is not None
        ] or None

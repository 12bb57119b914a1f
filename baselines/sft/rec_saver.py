"""Rec-SAVER: train on rationales from which the model itself finds the item again.

Tsai et al., Leveraging LLM Reasoning Enhances Personalized Recommender Systems, Findings of ACL
2024; as C-APO has it among its baselines, for the choice of an item instead of a rating.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import PositiveFloat, PositiveInt

from baselines.sft.verification import VerificationCounts, verify_rationales
from benchkit.errors import DataError
from benchkit.lm.backbones import Backbone
from benchkit.lm.teachers import build_training_questions
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.training.core.example_builder import ExampleBuilder, to_request, validation_questions
from benchkit.training.core.examples import Example
from benchkit.training.core.recommender import FineTunedConfig, FineTunedRecommender
from benchkit.training.core.sft import train_sft
from benchkit.types import RunContext, TrainView


class RecSaver(FineTunedRecommender):
    """Cross-entropy on rationale and item, for rationales that pass self-verification.

    The teacher writes several rationales for each user's last training item. The backbone, not yet
    trained, then chooses among the candidates from the history and a rationale without the item's
    title; rationales after which it chooses the item are kept, and a user's kept ones have the
    weight of one together.

    verification: what was kept, known once it is fitted.
    """

    class Config(FineTunedConfig):
        """Hyper-parameters, besides those of every trained language model.

        per_user: rationales asked for each user, under the keys `user#0`, `user#1`, ...; a language
        model as the teacher writes different ones only above temperature 0 (0.7). unverified:
        users of whom no rationale is kept are left out (`drop`), or trained with the item alone.
        item_weight: of the item's tokens in the loss, where the rationale's would outnumber them.
        """

        per_user: PositiveInt = 3
        unverified: Literal["drop", "item-only"] = "drop"
        item_weight: PositiveFloat = 1.0

    config: Config
    verification: VerificationCounts

    @property
    def explains(self) -> bool:
        return True

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        config = self.config
        questions = build_training_questions(
            data, candidates=config.candidates, seed=run.seed, limit=config.limit_users
        )
        kept = self.verify(questions, backbone, data, run)
        cases = validation_questions(data.validation, config.validation_cases)
        return train_sft(
            backbone.model,
            self.examples(questions, kept, builder),
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
        """The verified rationales of each question; equal ones count once."""
        places = [place for place in range(len(questions)) for _ in range(self.config.per_user)]
        asked = [
            replace(questions[place], key=f"{questions[place].key}#{number % self.config.per_user}")
            for number, place in enumerate(places)
        ]
        told = self.write_rationales(asked, data, run)
        distinct = dict.fromkeys(
            (place, rationale.text)
            for place, rationale in zip(places, told, strict=True)
            if rationale.text is not None
        )
        answerer = self.make_predictor(self.engine(backbone.model, backbone))
        run.progress.start("verifying rationales", len(distinct))
        checked = verify_rationales(
            answerer,
            [questions[place] for place, _ in distinct],
            [text for _, text in distinct],
            data.catalog,
        )
        kept: list[list[str]] = [[] for _ in questions]
        for (place, text), found in zip(distinct, checked, strict=True):
            run.progress.advance()
            if found:
                kept[place].append(text)
        self.verification = VerificationCounts(
            len(distinct), sum(map(len, kept)), len(questions), sum(map(bool, kept))
        )
        of = self.verification
        run.progress.advance(
            0,
            note=f"{of.n_kept} of {of.n_written} rationales kept ({of.kept_share:.0%}),"
            f" {of.n_users_kept} of {of.n_users} users",
        )
        return kept

    def examples(
        self,
        questions: Sequence[TeacherQuestion],
        kept: Sequence[Sequence[str]],
        builder: ExampleBuilder,
    ) -> list[Example]:
        """One a kept rationale. Raises DataError when there is none at all."""
        examples = []
        for question, own in zip(questions, kept, strict=True):
            request, item = to_request(question), question.item
            examples += [
                builder.example(request, item, text, 1 / len(own), self.config.item_weight)
                for text in own
            ]
            if not own and self.config.unverified == "item-only":
                examples.append(builder.example(request, item))
        if not examples:
            raise DataError(
                f"the backbone finds no item again from any of {self.verification.n_written} rationales",
                'set unverified = "item-only", or take a stronger backbone or another teacher',
            )
        return examples

    def first_rationale_examples(
        self,
        questions: Sequence[TeacherQuestion],
        builder: ExampleBuilder,
        data: TrainView,
        run: RunContext,
    ) -> list[Example] | None:
        """Validation examples: the first rationale of each, unverified; None without any."""
        asked = [replace(question, key=f"{question.key}#0") for question in questions]
        told = self.write_rationales(asked, data, run)
        return [
            builder.example(to_request(q), q.item, r.text, item_weight=self.config.item_weight)
            for q, r in zip(questions, told, strict=True)
            if r.text is not None
        ] or None

"""The base class of preference methods: preferences, fine-tuned start, reference, training.

A method is its `Config` and `make_loss`. The stages of training, each of which it may override:

1. `load_preferences`: from a file, or by `questions` and `build_preferences`;
2. `filter_preferences`: drop and order them as the settings and the loss require;
3. `sft_examples`: fine-tune on the chosen responses; the result is the reference model;
4. `rewrite_preferences`: change preferences with the help of the fine-tuned model;
5. `fields` and `examples`: what the loss needs of each response, and token ids;
6. train on the loss.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

from benchkit import io
from benchkit.errors import ConfigError, DataError
from benchkit.lm.backbones import Backbone
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.timing import record_stage_cost
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.examples import Example
from benchkit.training.core.recommender import FineTunedRecommender
from benchkit.training.preference.config import (
    NANO_PREFERENCE_DEFAULTS,
    PREFERENCE_DEFAULTS,
    PreferenceConfig,
)
from benchkit.training.preference.examples import (
    Preference,
    check_rejected_counts,
    group_preferences,
    rank_rejected,
)
from benchkit.training.preference.loss_spec import PreferenceExample, PreferenceLoss
from benchkit.training.preference.preference_io import (
    check_imported_preferences,
    read_caveats,
    read_preferences,
    write_preferences,
)
from benchkit.types import RunContext, TrainView


class PreferenceRecommender(FineTunedRecommender):
    """A method that fine-tunes its backbone and then trains it on preferences."""

    Config: type[PreferenceConfig] = PreferenceConfig
    config: PreferenceConfig
    ranks_rejected = False
    """Whether rejected responses are ordered by the teacher's scores."""
    min_rejected = 1
    """Fewest rejected items of a preference that the loss can use."""
    max_rejected: int | None = None
    """Most rejected items of a preference that the loss can use; None for any number."""
    default_training: ClassVar[Mapping[str, Any]] = PREFERENCE_DEFAULTS
    """Settings of `train` that apply where a suite sets none; nano has its own."""

    def __init__(self, config: PreferenceConfig | None = None) -> None:
        super().__init__(config)
        settings, name = self.config, type(self).__name__
        if self.ranks_rejected and not settings.rationale:
            raise ConfigError(
                f"{name} ranks responses by the scores of their rationales", "set rationale = true"
            )
        single = settings.preferences is None and settings.negatives == 1
        if self.min_rejected > 1 and (single or settings.pairing == "one_random"):
            raise ConfigError(
                f"{name} compares the rejected items of a preference with each other",
                "set negatives = 2 or more, and pairing = 'each'",
            )
        if settings.ties is not None and (single or not settings.rationale):
            raise ConfigError(
                "ties are equal scores of rejected items, but "
                + ("there is only one of them" if settings.rationale else "nothing is scored"),
                "leave out ties, or set rationale = true and negatives = 2 or more",
            )

    @property
    def explains(self) -> bool:
        return self.config.rationale

    @property
    def teacher_caveats(self) -> tuple[str, ...]:
        path = self.config.preferences
        if path is None:
            return super().teacher_caveats
        return (": ".join([f"preferences from the file {path.name}", *read_caveats(path)]),)

    @property
    def loss_options(self) -> dict[str, Any]:
        """Arguments of PreferenceLoss that the settings decide, whatever the method."""
        config = self.config
        return {"scope": config.scope, "length_normalised": bool(config.length_normalised)}

    @abstractmethod
    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        """Describe the loss; see `preference.loss_spec` for an example.

        Args:
            data: Training interactions, users and catalogue.
            run: Source of random numbers; device and folders.
        """

    def fields(
        self,
        preferences: Sequence[Preference],
        data: TrainView,  # noqa: ARG002
        run: RunContext,  # noqa: ARG002
    ) -> Sequence[Mapping[str, tuple[Any, ...]]]:
        """Return what the loss needs of each response, for each preference.

        Returns:
            For each preference a mapping from a name to one value per response, the chosen one
            first. The loss gets them as tensors [b, 1 + k], or [b, 1 + k, size] for vectors.
        """
        return [{} for _ in preferences]

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        from benchkit.lm.packing.kernels import force_kernel
        from benchkit.training.core.lora import check_adapters, merge_adapter
        from benchkit.training.core.training_context import training_context
        from benchkit.training.preference.objective import PreferenceObjective
        from benchkit.training.preference.reference import add_reference_logprobs
        from benchkit.training.sft import load_or_train_sft
        from benchkit.training.train import train_on_objective

        loss = self.make_loss(data, run)
        defaults = NANO_PREFERENCE_DEFAULTS if self.config.is_nano else self.default_training
        settings = self.training_config(run, **defaults)
        sft_settings = self.resolve_training_config(self.config.sft, run, data, purpose="sft")
        check_adapters(backbone.model, sft_settings, settings)
        loaded = self.load_preferences(data, run)
        preferences = self.filter_preferences(loaded, run)
        examples = self.examples(preferences, builder, data, run)
        _check_lengths(examples, settings.max_length)
        model = load_or_train_sft(
            backbone.model,
            self.sft_examples(loaded, builder) + self.earlier_examples(builder, data, run),
            sft_settings,
            run,
            validation=self.validation_examples(builder, data, run),
        )
        model = merge_adapter(model)
        rewritten = self.rewrite_preferences(preferences, model, backbone, data, run)
        if rewritten is not preferences:
            examples = self.examples(rewritten, builder, data, run)
            _check_lengths(examples, settings.max_length)
        objective = PreferenceObjective(loss, log=artifact_dir(run) / "steps.jsonl")
        if loss.reference:
            with force_kernel(settings.prefix_attention):
                examples = add_reference_logprobs(
                    model, examples, objective, settings.precision, run
                )
        with training_context(run.device), record_stage_cost(run, "preference"):
            validate = self.make_validation_metric(backbone, data, run)
            identity = (type(self).__qualname__, self.config)
            return train_on_objective(
                model, examples, objective, settings, run, validate, identity=identity
            )

    def questions(self, data: TrainView, run: RunContext) -> list[TeacherQuestion]:
        """Return one question per response: for each user the chosen item, then rejected ones."""
        return self.training_questions(data, run, self.config.negatives)

    def rewrite_preferences(
        self,
        preferences: list[Preference],
        model: Any,  # noqa: ARG002
        backbone: Backbone,  # noqa: ARG002
        data: TrainView,  # noqa: ARG002
        run: RunContext,  # noqa: ARG002
    ) -> list[Preference]:
        """Return other preferences once `model` is fine-tuned, or `preferences` itself."""
        return preferences

    def load_preferences(self, data: TrainView, run: RunContext) -> list[Preference]:
        """Return all preferences, from the file of the settings or built from `questions`."""
        path = self.config.preferences
        if path is None:
            return self.build_preferences(self.questions(data, run), data, run)
        preferences = read_preferences(path)
        unknown = check_imported_preferences(preferences, data, path)
        total = len(preferences)
        run.progress.start("preferences", total)
        note = f"{unknown} of {total} are of users who are not in these data: not checked"
        run.progress.advance(total, note=note if unknown else "")
        return preferences

    def build_preferences(
        self, questions: Sequence[TeacherQuestion], data: TrainView, run: RunContext
    ) -> list[Preference]:
        """Group questions into preferences, with the teacher's rationales if they are trained."""
        rationales = self.write_rationales(questions, data, run) if self.config.rationale else None
        return group_preferences(questions, rationales)

    def filter_preferences(
        self, preferences: Sequence[Preference], run: RunContext
    ) -> list[Preference]:
        """Return the preferences that can be trained on; report on them in the run's folder."""
        config, usable = self.config, list(preferences)
        if config.rationale:
            ties = config.ties or ("drop" if self.ranks_rejected else "random")
            scored = self.ranks_rejected or ties == "drop"
            usable, counts = rank_rejected(preferences, ties, run.seed, scored)
            io.write_json(artifact_dir(run) / "preferences.json", asdict(counts))
            if not usable:
                raise DataError(
                    f"none of {counts.asked} preferences has what {type(self).__name__} needs:"
                    f" {counts.incomplete} lack a rationale or a score, {counts.tied} have tied"
                    " scores",
                    "use a teacher that gives scores, or set ties = 'random'",
                )
        if config.pairing == "one_random":
            usable = [_draw_rejected(preference, run) for preference in usable]
        check_rejected_counts(usable, type(self).__name__, self.min_rejected, self.max_rejected)
        write_preferences(artifact_dir(run) / "preferences.jsonl", usable)
        return usable

    def sft_examples(
        self, preferences: Sequence[Preference], builder: ExampleBuilder
    ) -> list[Example]:
        """Return the examples of fine-tuning: chosen responses, also of dropped preferences.

        So fine-tuning is the same for all methods with the same teacher (C-APO, appendix C).
        """
        if not self.config.rationale:
            return [builder.example(p.request, p.chosen.item) for p in preferences]
        return [
            builder.example(p.request, p.chosen.item, p.chosen.rationale)
            for p in preferences
            if p.chosen.rationale is not None
        ]

    def earlier_examples(
        self, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> list[Example]:
        """Return fine-tuning's examples of what users chose before their last item."""
        questions = self.earlier_questions(data, run)
        return self.supervised_examples(questions, builder, data, run) if questions else []

    @property
    def targets_per_user(self) -> int:
        imported = self.config.preferences is not None
        return 1 if imported and self.config.targets is None else super().targets_per_user

    def validation_examples(
        self, builder: ExampleBuilder, data: TrainView, run: RunContext, item_weight: float = 1.0
    ) -> list[Example] | None:
        config = self.config
        imported = config.preferences is not None and "teacher" not in config.model_fields_set
        if config.rationale and imported:
            note = "no teacher for validation cases: fine-tuning keeps its last weights"
            run.progress.advance(0, note=note)
            return None
        return super().validation_examples(builder, data, run, item_weight)

    def examples(
        self,
        preferences: Sequence[Preference],
        builder: ExampleBuilder,
        data: TrainView,
        run: RunContext,
    ) -> list[PreferenceExample]:
        """Return the token ids of prompts and responses."""
        rationale, examples = self.config.rationale, []
        rows = zip(preferences, self.fields(preferences, data, run), strict=True)
        for preference, fields in rows:
            responses = [
                builder.response(choice.item, choice.rationale if rationale else None)
                for choice in preference.choices
            ]
            examples.append(
                PreferenceExample(
                    key=preference.key,
                    prompt=builder.prompt(preference.request, rationale),
                    responses=tuple(tokens for tokens, _ in responses),
                    item_tokens=tuple(count for _, count in responses),
                    fields=fields,
                )
            )
        return examples


def artifact_dir(run: RunContext) -> Path:
    """Return the folder of files that show how a method was trained."""
    return run.artifacts or run.scratch


def _draw_rejected(preference: Preference, run: RunContext) -> Preference:
    rejected = preference.rejected
    index = int(run.generator("pairing", preference.key).integers(len(rejected)))
    return replace(preference, rejected=(rejected[index],))


def _check_lengths(examples: Sequence[PreferenceExample], limit: int) -> None:
    for example in examples:
        longest = len(example.prompt) + max(map(len, example.responses))
        if longest > limit:
            raise ConfigError(
                f"preference {example.key!r} has {longest} tokens with its longest response, but"
                f" max_length is {limit}",
                "raise train.max_length, or lower prompt_tokens",
            )

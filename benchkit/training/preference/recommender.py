"""What all preference methods share: preferences, the fine-tuned start, the reference, training."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import PositiveInt

from benchkit import io
from benchkit.errors import ConfigError, DataError
from benchkit.lm.backbones import Backbone
from benchkit.lm.teachers import build_training_questions
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.timing import record_stage_cost
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.examples import Example
from benchkit.training.core.recommender import FineTunedConfig, FineTunedRecommender
from benchkit.training.preference.examples import (
    Preference,
    TiePolicy,
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

# What preference training starts from: it goes on from the fine-tuned model in small steps.
NANO_PREFERENCE_DEFAULTS: Mapping[str, Any] = {
    "purpose": "preference", "epochs": 2, "learning_rate": 1e-4, "evaluate_every": 0.5,
}  # fmt: skip
PREFERENCE_DEFAULTS: Mapping[str, Any] = {"purpose": "preference", "epochs": 3}


class PreferenceConfig(FineTunedConfig):
    """Settings of a preference method.

    sft: the training on chosen responses that comes first, those of dropped preferences, too; its
    result is the reference. train: of the preference training. negatives: rejected items of a
    preference, drawn from the prompt's candidates. pairing: all of them are used, or one that is
    drawn. rationale: responses are rationale and item, and so are answers; else the item. scope:
    tokens whose log-probability counts. length_normalised: utilities are divided by length; None
    as the method has it. ties: preferences in which the teacher gives rejected items equal scores
    are dropped, or kept in a random order; None drops them where the method ranks them.
    preferences: a JSON-lines file (`benchkit teach --triplets`) that is trained on instead of drawn
    items; its rationales are used, and a `teacher` that is set explains the validation cases only.
    """

    sft: TrainConfig = TrainConfig()
    negatives: PositiveInt = 3
    rationale: bool = False
    pairing: Literal["each", "one_random"] = "each"
    scope: Literal["full", "item"] = "full"
    length_normalised: bool | None = None
    ties: TiePolicy | None = None
    preferences: Path | None = None


class PreferenceRecommender(FineTunedRecommender):
    """A method is its Config and what `family` says of it; the rest is here.

    ranks_rejected: whether the rejected responses are ordered by the teacher's scores. fewest, most: how
    many rejected items of a preference the loss can use. preferring: what is taken where a suite
    leaves it open in `train`, for other backbones than nano.
    """

    Config: type[PreferenceConfig] = PreferenceConfig
    config: PreferenceConfig
    ranks_rejected = False
    min_rejected = 1
    max_rejected: int | None = None
    default_training: ClassVar[Mapping[str, Any]] = PREFERENCE_DEFAULTS

    def __init__(self, config: PreferenceConfig | None = None) -> None:
        super().__init__(config)
        own, name = self.config, type(self).__name__
        if self.ranks_rejected and not own.rationale:
            raise ConfigError(
                f"{name} ranks responses by the scores of their rationales", "rationale = true"
            )
        single = own.preferences is None and own.negatives == 1
        if self.min_rejected > 1 and (single or own.pairing == "one_random"):
            raise ConfigError(
                f"{name} compares the rejected items of a preference with each other",
                "negatives = 2 or more, and pairing = 'each'",
            )
        if own.ties is not None and (single or not own.rationale):
            raise ConfigError(
                "ties are equal scores of rejected items, and here "
                + ("is only one of them" if own.rationale else "nothing is scored"),
                "leave ties out, or set rationale = true and negatives = 2 or more",
            )

    @property
    def explains(self) -> bool:
        return self.config.rationale

    @property
    def teacher_caveats(self) -> tuple[str, ...]:
        given = self.config.preferences
        if given is None:
            return super().teacher_caveats
        return (": ".join([f"preferences from the file {given.name}", *read_caveats(given)]),)

    @property
    def loss_options(self) -> dict[str, Any]:
        """What the settings say of any loss of the family."""
        config = self.config
        return {"scope": config.scope, "length_normalised": bool(config.length_normalised)}

    @abstractmethod
    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        """The loss."""

    def fields(
        self,
        found: Sequence[Preference],
        data: TrainView,  # noqa: ARG002
        run: RunContext,  # noqa: ARG002
    ) -> Sequence[Mapping[str, tuple[Any, ...]]]:
        """What the loss needs of each response, for each preference."""
        return [{} for _ in found]

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        from benchkit.training.core.cached_stages import add_reference_logprobs, load_or_train_sft
        from benchkit.training.core.lora import check_adapters, merge_adapter
        from benchkit.training.core.training_context import training_context
        from benchkit.training.core.training_run import train_on_objective
        from benchkit.training.preference.objective import PreferenceObjective

        family = self.make_loss(data, run)
        start = NANO_PREFERENCE_DEFAULTS if self.config.is_nano else self.default_training
        settings = self.training_config(run, **start)
        supervised = self.resolve_training_config(self.config.sft, run, purpose="sft")
        check_adapters(backbone.model, supervised, settings)
        asked = self.load_preferences(data, run)
        found = self.filter_preferences(asked, run)
        examples = self.examples(found, builder, data, run)
        _check_lengths(examples, settings.max_length)
        model = load_or_train_sft(
            backbone.model,
            self.sft_examples(asked, builder),
            supervised,
            run,
            validation=self.validation_examples(builder, data, run),
        )
        model = merge_adapter(model)
        revised = self.rewrite_preferences(found, model, backbone, data, run)
        if revised is not found:
            examples = self.examples(revised, builder, data, run)
            _check_lengths(examples, settings.max_length)
        objective = PreferenceObjective(family, log=artifact_dir(run) / "steps.jsonl")
        if family.reference:
            examples = add_reference_logprobs(model, examples, objective, settings.precision, run)
        with training_context(run.device), record_stage_cost(run, "preference"):
            validate = self.make_validation_metric(backbone, data, run)
            about = (type(self).__qualname__, self.config)
            return train_on_objective(
                model, examples, objective, settings, run, validate, about=about
            )

    def questions(self, data: TrainView, run: RunContext) -> list[TeacherQuestion]:
        """Of each user in a row: the chosen item, then the rejected ones."""
        config = self.config
        return build_training_questions(
            data,
            negatives=config.negatives,
            candidates=config.candidates,
            seed=run.seed,
            limit=config.limit_users,
        )

    def rewrite_preferences(
        self,
        found: list[Preference],
        model: Any,  # noqa: ARG002
        backbone: Backbone,  # noqa: ARG002
        data: TrainView,  # noqa: ARG002
        run: RunContext,  # noqa: ARG002
    ) -> list[Preference]:
        """Other preferences than `found`, once `model` is fine-tuned; else `found` itself."""
        return found

    def load_preferences(self, data: TrainView, run: RunContext) -> list[Preference]:
        """All preferences, of the file or of `questions`."""
        given = self.config.preferences
        if given is None:
            return self.build_preferences(self.questions(data, run), data, run)
        found = read_preferences(given)
        strangers = check_imported_preferences(found, data, given)
        run.progress.start("preferences", len(found))
        note = f"{strangers} of {len(found)} are of users who are not in these data: not checked"
        run.progress.advance(len(found), note=note if strangers else "")
        return found

    def build_preferences(
        self, questions: Sequence[TeacherQuestion], data: TrainView, run: RunContext
    ) -> list[Preference]:
        """Preferences of `questions`, with what the teacher says where rationales are trained."""
        said = self.write_rationales(questions, data, run) if self.config.rationale else None
        return group_preferences(questions, said)

    def filter_preferences(self, found: Sequence[Preference], run: RunContext) -> list[Preference]:
        """Those that can be trained on, as the settings want them; how they were made goes to the
        run's folder."""
        config, kept = self.config, list(found)
        if config.rationale:
            ties = config.ties or ("drop" if self.ranks_rejected else "random")
            kept, counts = rank_rejected(
                found, ties, run.seed, self.ranks_rejected or ties == "drop"
            )
            io.write_json(artifact_dir(run) / "preferences.json", asdict(counts))
            if not kept:
                raise DataError(
                    f"none of {counts.asked} preferences has what {type(self).__name__} needs:"
                    f" {counts.incomplete} lack a rationale or a score, {counts.tied} have tied"
                    " scores",
                    "take a teacher that gives scores, or ties = 'random'",
                )
        if config.pairing == "one_random":
            kept = [_one_rejected(own, run) for own in kept]
        check_rejected_counts(kept, type(self).__name__, self.min_rejected, self.max_rejected)
        write_preferences(artifact_dir(run) / "preferences.jsonl", kept)
        return kept

    def sft_examples(self, asked: Sequence[Preference], builder: ExampleBuilder) -> list[Example]:
        """What fine-tuning learns: the chosen responses, also of preferences that are dropped, so
        that it is the same for all methods with the same teacher (C-APO, appendix C)."""
        if not self.config.rationale:
            return [builder.example(own.request, own.chosen.item) for own in asked]
        return [
            builder.example(own.request, own.chosen.item, own.chosen.rationale)
            for own in asked
            if own.chosen.rationale is not None
        ]

    def validation_examples(
        self, builder: ExampleBuilder, data: TrainView, run: RunContext, item_weight: float = 1.0
    ) -> list[Example] | None:
        own = self.config
        imported = own.preferences is not None and "teacher" not in own.model_fields_set
        if own.rationale and imported:
            note = "no teacher for validation cases: fine-tuning keeps its last weights"
            run.progress.advance(0, note=note)
            return None
        return super().validation_examples(builder, data, run, item_weight)

    def examples(
        self, found: Sequence[Preference], builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> list[PreferenceExample]:
        """Token ids of prompts and responses."""
        made = []
        for own, fields in zip(found, self.fields(found, data, run), strict=True):
            said = [c.rationale if self.config.rationale else None for c in own.choices]
            pairs = [builder.response(c.item, r) for c, r in zip(own.choices, said, strict=True)]
            made.append(
                PreferenceExample(
                    key=own.key,
                    prompt=builder.prompt(own.request, self.config.rationale),
                    responses=tuple(response for response, _ in pairs),
                    item_tokens=tuple(last for _, last in pairs),
                    fields=fields,
                )
            )
        return made


def artifact_dir(run: RunContext) -> Path:
    """Where files go that show how a method was trained."""
    return run.artifacts or run.scratch


def _one_rejected(own: Preference, run: RunContext) -> Preference:
    place = int(run.generator("pairing", own.key).integers(len(own.rejected)))
    return replace(own, rejected=(own.rejected[place],))


def _check_lengths(examples: Sequence[PreferenceExample], limit: int) -> None:
    for example in examples:
        longest = len(example.prompt) + max(map(len, example.responses))
        if longest > limit:
            raise ConfigError(
                f"preference {example.key!r} has {longest} tokens with its longest response, but"
                f" max_length is {limit}",
                "raise train.max_length, or lower prompt_tokens",
            )

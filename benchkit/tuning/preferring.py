"""What all preference methods share: preferences, the fine-tuned start, the reference, training."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import PositiveInt

from benchkit import files
from benchkit.errors import ConfigError, DataError
from benchkit.lm.backbones import Backbone
from benchkit.lm.stage_costs import stage_cost
from benchkit.lm.teachers import training_questions
from benchkit.lm.teachers.base import Question
from benchkit.protocols import RunContext, TrainView
from benchkit.tuning.builders import Builder
from benchkit.tuning.config import TrainConfig
from benchkit.tuning.examples import Example
from benchkit.tuning.family import Family, PreferenceExample
from benchkit.tuning.preference_files import (
    check_imported,
    read_preferences,
    remarks_in,
    write_preferences,
)
from benchkit.tuning.recommender import TunedConfig, TunedRecommender
from benchkit.tuning.triplets import Preference, Ties, check_rejected, preferences, ranked

# What preference training starts from: it goes on from the fine-tuned model in small steps.
NANO_PREFERRING: Mapping[str, Any] = {
    "purpose": "preference", "epochs": 2, "learning_rate": 1e-4, "evaluate_every": 0.5,
}  # fmt: skip
PREFERRING: Mapping[str, Any] = {"purpose": "preference", "epochs": 3}


class PreferenceConfig(TunedConfig):
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
    ties: Ties | None = None
    preferences: Path | None = None


class PreferenceRecommender(TunedRecommender):
    """A method is its Config and what `family` says of it; the rest is here.

    ranks: whether the rejected responses are ordered by the teacher's scores. fewest, most: how
    many rejected items of a preference the loss can use. preferring: what is taken where a suite
    leaves it open in `train`, for other backbones than nano.
    """

    Config: type[PreferenceConfig] = PreferenceConfig
    config: PreferenceConfig
    ranks = False
    fewest = 1
    most: int | None = None
    preferring: ClassVar[Mapping[str, Any]] = PREFERRING

    def __init__(self, config: PreferenceConfig | None = None) -> None:
        super().__init__(config)
        own, name = self.config, type(self).__name__
        if self.ranks and not own.rationale:
            raise ConfigError(
                f"{name} ranks responses by the scores of their rationales", "rationale = true"
            )
        single = own.preferences is None and own.negatives == 1
        if self.fewest > 1 and (single or own.pairing == "one_random"):
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
    def taught(self) -> tuple[str, ...]:
        given = self.config.preferences
        if given is None:
            return super().taught
        return (": ".join([f"preferences from the file {given.name}", *remarks_in(given)]),)

    @property
    def shared(self) -> dict[str, Any]:
        """What the settings say of any loss of the family."""
        config = self.config
        return {"scope": config.scope, "length_normalised": bool(config.length_normalised)}

    @abstractmethod
    def family(self, data: TrainView, run: RunContext) -> Family:
        """The loss."""

    def fields(
        self,
        found: Sequence[Preference],
        data: TrainView,  # noqa: ARG002
        run: RunContext,  # noqa: ARG002
    ) -> Sequence[Mapping[str, tuple[Any, ...]]]:
        """What the loss needs of each response, for each preference."""
        return [{} for _ in found]

    def tuned(self, backbone: Backbone, builder: Builder, data: TrainView, run: RunContext) -> Any:
        from benchkit.tuning.lora import check_adapters, merged
        from benchkit.tuning.objective import PreferenceObjective
        from benchkit.tuning.process import tuning_process
        from benchkit.tuning.stages import shared_sft, with_reference
        from benchkit.tuning.training import train

        family = self.family(data, run)
        start = NANO_PREFERRING if self.config.small else self.preferring
        settings = self.training(run, **start)
        supervised = self.settings(self.config.sft, run, purpose="sft")
        check_adapters(backbone.model, supervised, settings)
        asked = self.found(data, run)
        found = self.usable(asked, run)
        examples = self.examples(found, builder, data, run)
        _check_lengths(examples, settings.max_length)
        model = shared_sft(
            backbone.model,
            self.chosen(asked, builder),
            supervised,
            run,
            validation=self.validation_examples(builder, data, run),
        )
        model = merged(model)
        revised = self.revised(found, model, backbone, data, run)
        if revised is not found:
            examples = self.examples(revised, builder, data, run)
            _check_lengths(examples, settings.max_length)
        objective = PreferenceObjective(family, log=shown_in(run) / "steps.jsonl")
        if family.reference:
            examples = with_reference(model, examples, objective, settings.precision, run)
        with tuning_process(run.device), stage_cost(run, "preference"):
            validate = self.validate(backbone, data, run)
            about = (type(self).__qualname__, self.config)
            return train(model, examples, objective, settings, run, validate, about=about)

    def questions(self, data: TrainView, run: RunContext) -> list[Question]:
        """Of each user in a row: the chosen item, then the rejected ones."""
        config = self.config
        return training_questions(
            data,
            negatives=config.negatives,
            candidates=config.candidates,
            seed=run.seed,
            limit=config.limit_users,
        )

    def revised(
        self,
        found: list[Preference],
        model: Any,  # noqa: ARG002
        backbone: Backbone,  # noqa: ARG002
        data: TrainView,  # noqa: ARG002
        run: RunContext,  # noqa: ARG002
    ) -> list[Preference]:
        """Other preferences than `found`, once `model` is fine-tuned; else `found` itself."""
        return found

    def found(self, data: TrainView, run: RunContext) -> list[Preference]:
        """All preferences, of the file or of `questions`."""
        given = self.config.preferences
        if given is None:
            return self.asked_for(self.questions(data, run), data, run)
        found = read_preferences(given)
        strangers = check_imported(found, data, given)
        run.progress.start("preferences", len(found))
        note = f"{strangers} of {len(found)} are of users who are not in these data: not checked"
        run.progress.advance(len(found), note=note if strangers else "")
        return found

    def asked_for(
        self, questions: Sequence[Question], data: TrainView, run: RunContext
    ) -> list[Preference]:
        """Preferences of `questions`, with what the teacher says where rationales are trained."""
        said = self.rationales(questions, data, run) if self.config.rationale else None
        return preferences(questions, said)

    def usable(self, found: Sequence[Preference], run: RunContext) -> list[Preference]:
        """Those that can be trained on, as the settings want them; how they were made goes to the
        run's folder."""
        config, kept = self.config, list(found)
        if config.rationale:
            ties = config.ties or ("drop" if self.ranks else "random")
            kept, counts = ranked(found, ties, run.seed, self.ranks or ties == "drop")
            files.write_json(shown_in(run) / "preferences.json", asdict(counts))
            if not kept:
                raise DataError(
                    f"none of {counts.asked} preferences has what {type(self).__name__} needs:"
                    f" {counts.incomplete} lack a rationale or a score, {counts.tied} have tied"
                    " scores",
                    "take a teacher that gives scores, or ties = 'random'",
                )
        if config.pairing == "one_random":
            kept = [_one_rejected(own, run) for own in kept]
        check_rejected(kept, type(self).__name__, self.fewest, self.most)
        write_preferences(shown_in(run) / "preferences.jsonl", kept)
        return kept

    def chosen(self, asked: Sequence[Preference], builder: Builder) -> list[Example]:
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
        self, builder: Builder, data: TrainView, run: RunContext, item_weight: float = 1.0
    ) -> list[Example] | None:
        own = self.config
        imported = own.preferences is not None and "teacher" not in own.model_fields_set
        if own.rationale and imported:
            note = "no teacher for validation cases: fine-tuning keeps its last weights"
            run.progress.advance(0, note=note)
            return None
        return super().validation_examples(builder, data, run, item_weight)

    def examples(
        self, found: Sequence[Preference], builder: Builder, data: TrainView, run: RunContext
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


def shown_in(run: RunContext) -> Path:
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

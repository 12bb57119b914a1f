"""What all preference methods share: preferences, the fine-tuned start, the reference, training."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

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
from benchkit.tuning.recommender import TunedConfig, TunedRecommender
from benchkit.tuning.triplets import (
    Preference,
    check_known,
    preferences,
    ranked,
    read_preferences,
    write_preferences,
)

# What preference training starts from: it goes on from the fine-tuned model in small steps.
NANO_PREFERRING: Mapping[str, Any] = {
    "purpose": "preference", "epochs": 2, "learning_rate": 1e-4, "evaluate_every": 0.5,
}  # fmt: skip
PREFERRING: Mapping[str, Any] = {"purpose": "preference", "epochs": 3}


class PreferenceConfig(TunedConfig):
    """Settings of a preference method.

    sft: the training on chosen responses that comes first; its result is the reference.
    train: of the preference training. negatives: rejected items of a preference, drawn from the
    prompt's candidates. pairing: all of them are used, or one that is drawn. rationale: responses
    are rationale and item, and so are answers; else the item. scope: tokens whose log-probability
    counts. length_normalised: utilities are divided by length. ties: what becomes of preferences
    whose rejected items have equal scores, where they are ranked. preferences: a JSON-lines file
    that is trained on instead of drawn items.
    """

    sft: TrainConfig = TrainConfig()
    negatives: PositiveInt = 3
    rationale: bool = False
    pairing: Literal["each", "one_random"] = "each"
    scope: Literal["full", "item"] = "full"
    length_normalised: bool = False
    ties: Literal["drop", "random"] = "drop"
    preferences: Path | None = None


class PreferenceRecommender(TunedRecommender):
    """A method is its Config and what `family` says of it; the rest is here.

    ranks: whether the rejected responses are ordered by the teacher's scores.
    """

    Config: type[PreferenceConfig] = PreferenceConfig
    config: PreferenceConfig
    ranks = False

    def __init__(self, config: PreferenceConfig | None = None) -> None:
        super().__init__(config)
        if self.ranks and not self.config.rationale:
            raise ConfigError(
                f"{type(self).__name__} ranks responses by the scores of their rationales",
                "rationale = true",
            )

    @property
    def explains(self) -> bool:
        return self.config.rationale

    @property
    def shared(self) -> dict[str, Any]:
        """What the settings say of any loss of the family."""
        config = self.config
        return {"scope": config.scope, "length_normalised": config.length_normalised}

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
        from benchkit.tuning.lora import merged
        from benchkit.tuning.objective import PreferenceObjective
        from benchkit.tuning.process import tuning_process
        from benchkit.tuning.stages import shared_sft, with_reference
        from benchkit.tuning.training import train

        family = self.family(data, run)
        start = NANO_PREFERRING if self.config.small else PREFERRING
        settings = self.training(run, **start)
        found = self.found(data, run)
        examples = self.examples(found, builder, data, run)
        _check_lengths(examples, settings.max_length)
        chosen = [self._chosen(own, builder) for own in found]
        model = shared_sft(
            backbone.model,
            chosen,
            self.settings(self.config.sft, run, purpose="sft"),
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
            examples = with_reference(model, examples, objective, run)
        with tuning_process(run.device), stage_cost(run, "preference"):
            validate = self.validate(backbone, data, run)
            return train(model, examples, objective, settings, run, validate)

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
        """The preferences that are trained on; how they were made goes to the run's folder."""
        given = self.config.preferences
        if given is None:
            return self.asked_for(self.questions(data, run), data, run)
        found = read_preferences(given)
        check_known(found, data.catalog.ids, given)
        return self.usable(found, run)

    def asked_for(
        self, questions: Sequence[Question], data: TrainView, run: RunContext
    ) -> list[Preference]:
        """Preferences of `questions`, with what the teacher says where rationales are trained."""
        said = self.rationales(questions, data, run) if self.config.rationale else None
        return self.usable(preferences(questions, said), run)

    def usable(self, found: list[Preference], run: RunContext) -> list[Preference]:
        """Those that can be trained on, as the settings want them; writes them down."""
        config = self.config
        if config.rationale:
            kept, counts = ranked(found, config.ties if self.ranks else "random", run.seed)
            files.write_json(shown_in(run) / "preferences.json", asdict(counts))
            if not kept:
                raise DataError(
                    f"none of {counts.asked} preferences has a rationale and a score for each"
                    f" item ({counts.tied} have tied scores)",
                    "take a teacher that gives scores, or ties = 'random'",
                )
            found = kept
        if config.pairing == "one_random":
            found = [_one_rejected(own, run) for own in found]
        write_preferences(shown_in(run) / "preferences.jsonl", found)
        return found

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

    def _chosen(self, own: Preference, builder: Builder) -> Example:
        said = own.chosen.rationale if self.config.rationale else None
        return builder.example(own.request, own.chosen.item, said)


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

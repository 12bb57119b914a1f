"""The table `[judging]` of a suite file."""

from typing import Any

from pydantic import Field, PositiveInt, field_validator

from benchkit.config.folder_names import find_wrong_folders
from benchkit.config.suite_model import SuiteModel
from benchkit.errors import ConfigError
from benchkit.evaluation.lookup import find_protocol
from benchkit.evaluation.protocols.sampled import Sampled


class JudgeSpec(SuiteModel):
    """A judge and its settings. label: what it is called in tables, by default its name."""

    judge: str
    label: str = ""
    config: dict[str, Any] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.label or self.judge.rpartition(":")[2]


class JudgingSpec(SuiteModel):
    """How rationales are judged: table `[judging]` of a suite.

    cases: so many of a task's at most, the same for every method.
    answers: `sampled` judges the first sample of a case, `scored` the item ranked first.
    """

    cases: PositiveInt = 300
    answers: str = Sampled.name
    judges: tuple[JudgeSpec, ...] = Field(min_length=1)

    @field_validator("judges")
    @classmethod
    def _check_labels(cls, judges: tuple[JudgeSpec, ...]) -> tuple[JudgeSpec, ...]:
        for error in find_wrong_folders("judge label", [judge.name for judge in judges]):
            raise error
        return judges

    @field_validator("answers")
    @classmethod
    def _has_judged_answers(cls, name: str) -> str:
        if not find_protocol(name).judged_answer_title:
            raise ConfigError(
                f"answers of the protocol {name!r} cannot be judged", "choose another"
            )
        return name

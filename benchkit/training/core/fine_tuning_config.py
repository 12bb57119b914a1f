"""Settings of methods that train a language model."""

from typing import Self

from pydantic import ConfigDict, Field, PositiveInt, model_validator

from benchkit.lm.config import LMConfig
from benchkit.lm.teachers import TeacherConfig
from benchkit.lm.teachers.rationale_file import FileTeacherConfig
from benchkit.lm.teachers.template import TemplateTeacherConfig
from benchkit.training.core.config import TrainConfig


class FineTunedConfig(LMConfig):
    """Settings of a method that trains its backbone."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    train: TrainConfig = TrainConfig()
    """The training; settings left out follow the method and the backbone."""
    limit_users: PositiveInt | None = None
    """Train on this many users, chosen by a hash; None for all."""
    candidates: int = Field(default=30, ge=2)
    """Items in a training prompt, including the target."""
    validation_cases: PositiveInt = 300
    """Validation cases that decide when training stops."""
    teacher: TeacherConfig = TemplateTeacherConfig()
    """Writes the rationales to train on."""


class NextItemConfig(FineTunedConfig):
    """Settings of a method that is fine-tuned on users' next items."""

    targets: PositiveInt | None = None
    """Last training items of each user that fine-tuning learns to choose, each after what came
    before it; preferences and rewards are about the last. None: 1, as in the papers, or 4 where
    nano learns the rationales of the template teacher."""

    @model_validator(mode="after")
    def _file_has_last_items_alone(self) -> Self:
        if isinstance(self.teacher, FileTeacherConfig) and (self.targets or 1) > 1:
            raise ValueError(
                "targets above 1 need rationales of earlier items, which files do not have"
            )
        return self

"""Rationale providers ("teachers"): they write what recommenders that explain are trained with."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from benchkit.lm.teachers.base import Rationale, Teacher, TeacherQuestion
from benchkit.lm.teachers.llm import LLMTeacher, LLMTeacherConfig
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.lm.teachers.rationale_file import FileTeacher, FileTeacherConfig, write_rationales
from benchkit.lm.teachers.template import TemplateTeacher
from benchkit.lm.types import Engine

__all__ = [
    "FileTeacherConfig",
    "LLMTeacherConfig",
    "Rationale",
    "Teacher",
    "TeacherConfig",
    "TeacherQuestion",
    "TemplateTeacherConfig",
    "build_training_questions",
    "make_teacher",
    "write_rationales",
]


class TemplateTeacherConfig(BaseModel):
    """The offline teacher: facts in plain sentences, scores from sentence similarity.

    names_item: whether a rationale names the item; by default it does where the model that is
    trained on it sees the candidates.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["template"] = "template"
    names_item: bool | None = None


TeacherConfig = Annotated[
    TemplateTeacherConfig | LLMTeacherConfig | FileTeacherConfig, Field(discriminator="kind")
]


def make_teacher(
    config: TeacherConfig,
    cache_dir: Path | None,
    make_engine: Callable[[Mapping[str, Any]], Engine],
) -> Teacher:
    """The teacher of a configuration.

    cache_dir: where item vectors and answers of models are kept between runs; None keeps nothing.
    make_engine: builds an engine from `LLMTeacherConfig.engine`.
    Raises ConfigError when a package or a prompt is missing, DataError when a file is unusable.
    """
    if isinstance(config, LLMTeacherConfig):
        return LLMTeacher(config, cache_dir, make_engine)
    if isinstance(config, FileTeacherConfig):
        return FileTeacher(config)
    return TemplateTeacher(cache_dir, names_item=config.names_item is not False)

"""Rationale providers ("teachers"): they write what recommenders that explain are trained with.

A teacher is one file with a class as `benchkit.lm.teachers.base` describes it (Teacher,
TeacherClass); its name is that of an entry point in the group `benchkit.teachers`, or
`path/to/file.py:Class`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from benchkit.config.loading import validate_model
from benchkit.errors import ConfigError
from benchkit.lm.teachers.base import Teacher, TeacherClass, TeacherSettings
from benchkit.lm.teachers.template import TemplateTeacherConfig
from benchkit.lm.types import Engine
from benchkit.registry import Registry

TEACHERS = Registry[TeacherClass](
    "teacher",
    {
        "template": "benchkit.lm.teachers.template:TemplateTeacher",
        "llm": "benchkit.lm.teachers.llm:LLMTeacher",
        "file": "benchkit.lm.teachers.rationale_file:FileTeacher",
    },
    "benchkit.teachers",
    members=("Config", "from_config", "write", "estimate"),
    hint="write a class as benchkit.lm.teachers.base describes it (Teacher, TeacherClass)",
)


def validate_teacher_config(values: Any) -> TeacherSettings:
    """Return the settings of the teacher that `kind` names. Raises ConfigError for wrong ones."""
    if isinstance(values, TeacherSettings):
        return values
    if not isinstance(values, Mapping) or "kind" not in values:
        raise ConfigError("teacher: kind is missing", f"one of {', '.join(TEACHERS)}")
    teacher = TEACHERS.load(str(values["kind"]))
    config: TeacherSettings = validate_model(teacher.Config, dict(values), "teacher")
    return config


TeacherConfig = Annotated[SerializeAsAny[TeacherSettings], BeforeValidator(validate_teacher_config)]


def make_teacher(
    config: TeacherSettings,
    cache_dir: Path | None,
    make_engine: Callable[[Mapping[str, Any]], Engine],
    device: str = "cpu",
) -> Teacher:
    """Build the teacher of a configuration.

    Args:
        config: Settings of the teacher.
        cache_dir: Where item vectors and answers of models are stored between runs; None stores
            nothing.
        make_engine: Builds an engine from plain settings, for a teacher that asks a model.
        device: Of a model in this process that a teacher has without an engine.

    Raises:
        ConfigError: A package or a prompt is missing.
        DataError: A file is unusable.
    """
    if isinstance(config, TemplateTeacherConfig):
        config = config.model_copy(update={"device": device})
    return TEACHERS.load(config.kind).from_config(config, cache_dir, make_engine)

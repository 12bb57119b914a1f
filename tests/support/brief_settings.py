"""Settings with which the rows of any suite run in seconds: two steps of each training, no more."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from benchkit import cards
from benchkit.config.suite import MethodSpec, Suite
from benchkit.lm.nano.config import NanoConfig
from benchkit.runs.settings.profiles import apply_profile, merge_tables
from benchkit.training.core.config import TrainConfig

_TABLES: Mapping[type[BaseModel], Mapping[str, Any]] = {
    TrainConfig: {"max_steps": 2, "patience": None},
    NanoConfig: {"steps": 20, "checks": 1},
}
_VALUES = {"epochs": 1, "validation_cases": 8, "rationale_tokens": 16, "answer_tokens": 16}
_LIMITED = ("limit_users",)


def with_brief_settings(suite: Suite) -> Suite:
    """Return the suite on a laptop, each row with its own settings but brief trainings."""
    laptop = apply_profile(suite, "laptop") if suite.models else suite
    rows = tuple(_with_brief_row(row) for row in laptop.methods)
    return laptop.model_copy(update={"methods": rows, "models": {}})


def _with_brief_row(row: MethodSpec) -> MethodSpec:
    config = getattr(cards.load_class(cards.find_card(row.method)), "Config", None)
    if config is None:
        return row
    brief = brief_table(config)
    if "expert" in config.model_fields:
        brief["expert"] = {"config": {"epochs": 1}}
    return row.model_copy(update={"config": merge_tables(row.config, brief)})


def brief_table(model: type[BaseModel]) -> dict[str, Any]:
    """Return the settings that make `model`'s trainings brief, its tables' included."""
    if model in _TABLES:
        return dict(_TABLES[model])
    brief: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            if table := brief_table(field.annotation):
                brief[name] = table
        elif name in _VALUES:
            brief[name] = _VALUES[name]
        elif name in _LIMITED:
            brief[name] = 24
    return brief

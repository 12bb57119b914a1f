"""Pages of engines, teachers, executors, data sources, splits, metrics and protocols."""

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from benchkit.config.setting_texts import (
    REQUIRED,
    list_settings,
    nested_models,
    unlabelled_text,
)
from benchkit.config.source_options import list_source_options
from benchkit.data.sources import SOURCES
from benchkit.data.splits.lookup import SPLITS
from benchkit.evaluation.lookup import METRICS, PROTOCOLS
from benchkit.interop.trackers import TRACKERS
from benchkit.lm.engines import ENGINES
from benchkit.lm.teachers import TEACHERS
from benchkit.lm.teachers.base import TeacherSettings
from benchkit.lm.types import EngineSettings
from benchkit.runs.executors import EXECUTORS
from docs.generator.markdown import anchor, heading, page, prose, sentence, settings_table, table

ENGINES_PAGE = "engines.md"


def _configs() -> dict[str, type[BaseModel]]:
    engines = {f"engine {name}": ENGINES.load(name).Config for name in ENGINES}
    teachers = {f"teacher {name}": TEACHERS.load(name).Config for name in TEACHERS}
    return engines | teachers


def engine_models() -> set[type[BaseModel]]:
    """Return the models that the page of engines describes."""
    models: set[type[BaseModel]] = {EngineSettings, TeacherSettings, *_configs().values()}
    for model in _configs().values():
        models |= set(nested_models(model))
    return models


def part_links(up: str = "") -> dict[type, str]:
    """Return model -> its place on the page of engines."""
    page_path = f"{up}{ENGINES_PAGE}"
    links: dict[type, str] = {
        model: f"{page_path}#{anchor(model.__qualname__)}" for model in engine_models()
    }
    links |= {model: f"{page_path}#{anchor(name)}" for name, model in _configs().items()}
    return links | {
        EngineSettings: f"{page_path}#engines", TeacherSettings: f"{page_path}#teachers"
    }  # fmt: skip


def write_engines() -> dict[str, str]:
    """Return path -> text of the page of engines, teachers, executors and trackers."""
    links, configs = part_links(), _configs()
    nested = engine_models() - {EngineSettings, TeacherSettings, *configs.values()}
    blocks: list[str] = [
        "# Engines, teachers, executors and trackers",
        'Each is named by `kind`: `engine = { kind = "openai", model = "gpt-4o" }`. Your own is'
        ' named by its place: `kind = "my.py:MyEngine"`.',
        "## Engines",
        "Where a language model runs.",
    ]
    for name, model in configs.items():
        if name == "teacher template":
            blocks += ["## Teachers", "Who writes the rationales that methods are trained with."]
        blocks += _model_section(name, model, links)
    blocks.append("## Tables within these")
    for model in sorted(nested, key=lambda model: model.__qualname__):
        blocks += _model_section(model.__qualname__, model, links)
    blocks += ["## Executors", "Where runs are computed: `benchkit run --executor NAME`."]
    for name in EXECUTORS:
        executor = EXECUTORS.load(name)
        blocks += [heading(3, f"executor {name}"), prose(_first_paragraph(executor))]
        if config := getattr(executor, "Config", None):
            blocks.append("Options, each as `--executor-option NAME=VALUE`:")
            blocks.append(settings_table(list_settings(config, links)))
    blocks += ["## Trackers", "What runs are copied to: `benchkit run --tracker NAME`."]
    for name in TRACKERS:
        blocks += [heading(3, f"tracker {name}"), prose(_first_paragraph(TRACKERS.load(name)))]
    return {f"reference/{ENGINES_PAGE}": page(*blocks)}


def _model_section(name: str, model: type[BaseModel], links: Mapping[type, str]) -> list[str]:
    settings = list_settings(model, links)
    return [heading(3, name), prose(_first_paragraph(model)), settings_table(settings)]


def _first_paragraph(source: Any) -> str:
    return (inspect.getdoc(source) or "").partition("\n\n")[0]


def write_data() -> dict[str, str]:
    """Return path -> text of the page of data sources and splits."""
    blocks = [
        "# Data sources and splits",
        'A dataset of a suite names a source and its options: `source = "table"`, `options = {'
        " interactions = ... }`. Paths are relative to the suite's file.",
        "## Sources",
    ]
    for name in SOURCES:
        read = SOURCES.load(name).read
        summary = unlabelled_text(read.__doc__ or "", inspect.signature(read).parameters)
        blocks += [heading(3, f"source {name}", name), prose(summary)]
        blocks.append(_options(name))
    blocks += [
        "## Splits",
        'A split is a name, or a table with parameters: `split = { name = "adherence", held_out ='
        " 4 }`.",
    ]
    for name in SPLITS:
        splitter = SPLITS.load(name)
        blocks += [heading(3, f"split {name}", name), prose(_first_paragraph(splitter))]
        if settings := list_settings(splitter, {}):
            blocks.append(settings_table(settings))
    return {"reference/data.md": page(*blocks)}


def _options(source: str) -> str:
    """Return the table of a source's options."""
    rows = [
        (
            f"`{option.name}`",
            option.type,
            f"**{REQUIRED}**" if option.default == REQUIRED else option.default,
            sentence(option.text),
        )
        for option in list_source_options(source)
    ]
    return table(("option", "type", "default", "what it is"), rows) if rows else "No options."


def write_metrics() -> dict[str, str]:
    """Return path -> text of the page of metrics and protocols."""
    metrics = [
        (
            f"`{name}{'@K' if METRICS.load(name).takes_cutoff else ''}`",
            ", ".join(f"`{feature}`" for feature in sorted(METRICS.load(name).requires))
            or "answers",
            prose(_first_paragraph(METRICS.load(name))),
        )
        for name in METRICS
    ]
    blocks = [
        "# Metrics and protocols",
        "## Metrics",
        '`metrics = ["ndcg@5", "coverage@5", "my.py:Diversity@5"]` in a suite, or in one of its'
        " tasks. A metric is computed under each protocol that provides what it looks at.",
        table(("metric", "looks at", "what it measures"), metrics),
        "## Protocols",
        "How a recommender is asked, and how its answers are ranked.",
    ]
    for name in PROTOCOLS:
        protocol = PROTOCOLS.load(name)
        provides = ", ".join(f"`{feature}`" for feature in sorted(protocol.provides))
        needs = ", ".join(f"`{capability}`" for capability in sorted(protocol.needs))
        tables = "; ".join(entry.caption for entry in protocol().tables)
        blocks += [
            heading(3, f"protocol {name}", name),
            prose(_first_paragraph(protocol)),
            f"- Provides: {provides}\n- Tables: {tables}\n- A method needs: {needs}",
        ]
    return {"reference/metrics.md": page(*blocks)}

"""Page of what lies on the disk: columns of tables, and fields of JSON records."""

import ast
import inspect
import io
import tokenize
from collections.abc import Iterator
from typing import Any

import polars as pl
from pydantic import BaseModel

from benchkit.config.common_texts import COMMON_TEXTS
from benchkit.config.setting_texts import list_settings
from benchkit.faults import FaultRecord
from benchkit.files.checksums import FileChecksum
from benchkit.runs import records
from docs.generator.markdown import anchor, heading, page, prose, sentence, table

TABLES = {
    "PREDICTIONS_SCHEMA": "predictions.parquet",
    "METRICS_SCHEMA": "metrics.parquet",
    "JUDGEMENTS_SCHEMA": "judgements/JUDGE-ID.parquet",
}
"""Name of a schema in `benchkit.runs.records` -> the file."""

RECORDS: dict[type[BaseModel], str] = {
    records.Manifest: "`manifest.json` of a run",
    records.MetricSummary: "`summary` of a manifest",
    FaultRecord: "`faults` of a manifest",
    FileChecksum: "`files` of a manifest",
    records.JudgementManifest: "`judgements/JUDGE-ID.json`",
    records.PlanRecord: "`plan.json` of a suite",
    records.PlannedRow: "`rows` of a plan",
    records.PlannedJudge: "`judges` of a plan",
}


def write_schemas() -> dict[str, str]:
    """Return path -> text of the page of the schemas on disk."""
    links: dict[type, str] = {model: f"#{anchor(model.__qualname__)}" for model in RECORDS}
    sections = []
    for schema, file in TABLES.items():
        rows = [
            (f"`{name}`", f"`{_type_name(kind)}`", sentence(text))
            for name, kind, text in list_columns(schema)
        ]
        sections += [
            heading(2, f"`{file}`", schema),
            prose(_comment_above(schema)),
            table(("column", "type", "what it is"), rows),
        ]
    for model, file in RECORDS.items():
        rows = [
            (f"`{setting.name}`", setting.type, sentence(setting.text))
            for setting in list_settings(model, links)
        ]
        sections += [
            heading(2, f"{model.__qualname__}: {file}", model.__qualname__),
            prose((model.__doc__ or "").partition("\n\n")[0]),
            table(("field", "type", "what it is"), rows),
        ]
    return {
        "reference/records.md": page(
            "# What is on the disk",
            f"Schema {records.SCHEMA_VERSION}, generated from `benchkit/runs/records.py`. Older"
            " stores are read; a newer one is refused. [Run identity and caching]"
            "(../concepts/run-identity.md) says which folders there are.",
            *sections,
        )
    }


def list_columns(schema: str) -> Iterator[tuple[str, Any, str]]:
    """Yield name, type and comment of the columns of a schema of `benchkit.runs.records`."""
    source = inspect.getsource(records)
    comments = _comments(source)
    lines = {
        str(ast.literal_eval(key)): key.lineno
        for key in _schema_node(source, schema).keys
        if key is not None
    }
    for name, kind in getattr(records, schema).items():
        yield name, kind, comments.get(lines[name]) or COMMON_TEXTS.get(name, "")


def _schema_node(source: str, schema: str) -> ast.Dict:
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == schema:
            assert isinstance(node.value, ast.Dict)  # noqa: S101
            return node.value
    raise KeyError(schema)


def _comments(source: str) -> dict[int, str]:
    """Return line number -> comment."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.removeprefix("#").strip()
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def _comment_above(schema: str) -> str:
    """Return the comment that stands right above a schema."""
    source = inspect.getsource(records)
    comments = _comments(source)
    line = _schema_node(source, schema).lineno - 1
    parts: list[str] = []
    while line in comments:
        parts.insert(0, comments[line])
        line -= 1
    return " ".join(parts)


def _type_name(kind: Any) -> str:
    if isinstance(kind, pl.List):
        return f"list of {_type_name(kind.inner)}"
    if isinstance(kind, pl.Struct):
        return "{" + ", ".join(field.name for field in kind.fields) + "}"
    return str(kind)

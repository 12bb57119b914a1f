"""The dataset card of an export: README.md with the metadata block that the Hub reads.

Reference: https://huggingface.co/docs/hub/datasets-manual-configuration
"""

import json
from collections.abc import Sequence
from pathlib import Path

from benchkit import io
from benchkit.data.dataset import PreparedDataset
from benchkit.data.spec import DatasetSpec
from benchkit.interop.exports import dataset_texts
from benchkit.interop.exports.dataset_tables import DatasetFacts, ParquetTable
from benchkit.visible_text import make_visible_line

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"),
          (10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"))  # fmt: skip


def write_dataset_card(
    dataset: PreparedDataset,
    spec: DatasetSpec,
    tables: Sequence[ParquetTable],
    folder: Path,
    facts: DatasetFacts,
) -> Path:
    """Write README.md and return its path."""
    path = folder / "README.md"
    io.write_text(path, _metadata(dataset, tables, facts) + _body(dataset, spec, tables, facts))
    return path


def _metadata(dataset: PreparedDataset, tables: Sequence[ParquetTable], facts: DatasetFacts) -> str:
    lines = ["---", f"pretty_name: {_text(dataset.name)}"]
    if facts.license:
        lines.append(f"license: {_text(facts.license)}")
    lines += ["tags:", "- recommendation", "- benchkit"]
    if dataset.is_synthetic:
        lines.append("- synthetic")
    lines += ["size_categories:", f"- {_size(len(dataset.interactions))}", "configs:"]
    default = True
    for config in dict.fromkeys(entry.config for entry in tables):
        lines.append(f"- config_name: {config}")
        if default:
            lines.append("  default: true")
            default = False
        lines.append("  data_files:")
        for entry in tables:
            if entry.config == config:
                lines += [f"  - split: {entry.split}", f"    path: {_text(entry.file)}"]
    return "\n".join([*lines, "---", ""])


def _body(
    dataset: PreparedDataset,
    spec: DatasetSpec,
    tables: Sequence[ParquetTable],
    facts: DatasetFacts,
) -> str:
    blocks = [
        f"# {dataset.name}",
        dataset_texts.describe_content(dataset),
        f"**{dataset_texts.ANSWERS_NOTE}**",
        "Fingerprint of the dataset, which `benchkit data prepare --suite suite.toml` gives again:"
        f" `{dataset.fingerprint}`.",
        dataset_texts.describe_preparation(spec),
        *(f"- {make_visible_line(caveat)}" for caveat in dataset.caveats),
    ]
    for config in dict.fromkeys(entry.config for entry in tables):
        of_config = [entry for entry in tables if entry.config == config]
        rows = ["| column | what it holds |", "| --- | --- |"]
        for column in of_config[0].table.columns:
            what = dataset_texts.describe_column(config, column)
            rows.append(f"| `{_cell(column)}` | {_cell(what)} |")
        sizes = ", ".join(f"{entry.split} {len(entry.table):,} rows" for entry in of_config)
        blocks += [f"## {config}", sizes, "\n".join(rows)]
    for title, text in (
        ("Source", facts.url), ("How it was collected", facts.collection),
        ("Personal and sensitive information", facts.personal), ("Citation", facts.citation),
    ):  # fmt: skip
        if text:
            blocks += [f"## {title}", text]
    return "\n".join(f"{block}\n" for block in blocks)


def _size(count: int) -> str:
    return next((name for limit, name in _SIZES if count < limit), "n>1T")


def _cell(text: str) -> str:
    return make_visible_line(text).replace("|", "\\|")


def _text(value: str) -> str:
    # A string of JSON is one of YAML.
    return json.dumps(value, ensure_ascii=False)

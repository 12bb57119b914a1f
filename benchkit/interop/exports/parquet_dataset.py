"""Write a prepared dataset as Parquet with a dataset card, Croissant metadata and a suite.

The folder is what the Hugging Face Hub calls a dataset repository: `datasets.load_dataset(FOLDER,
"cases", split="test")` reads it without a network. It holds the answers, too: whoever reads it
knows what is asked.

Reference: https://huggingface.co/docs/hub/datasets-cards
"""

from pathlib import Path

from benchkit import io
from benchkit.data.dataset import PreparedDataset
from benchkit.data.spec import DatasetSpec
from benchkit.interop.exports.croissant import write_croissant
from benchkit.interop.exports.dataset_card import write_dataset_card
from benchkit.interop.exports.dataset_suite import DatasetExport, finish_export
from benchkit.interop.exports.dataset_tables import HUB_PARTS, DatasetFacts, list_tables


def export_parquet_dataset(
    dataset: PreparedDataset, spec: DatasetSpec, folder: Path, facts: DatasetFacts | None = None
) -> DatasetExport:
    """Write the tables, README.md, croissant.json and a suite, and read the tables back.

    Args:
        dataset: The prepared dataset.
        spec: What it was prepared by.
        folder: Where the files go.
        facts: What the card and the metadata say beside what benchkit knows.
    """
    tables = list_tables(dataset, spec)
    for entry in tables:
        io.write_parquet(folder / entry.file, entry.table)
    interactions = [entry for entry in tables if entry.config == "interactions"]
    options = {"items": "items.parquet"}
    parts = {}
    if len(interactions) == 1:
        options = {"interactions": interactions[0].file, **options}
    else:
        names = {hub: part for part, hub in HUB_PARTS.items()}
        parts = {names[entry.split]: folder / entry.file for entry in interactions}
    others, read_back = finish_export(dataset, spec, folder, "table", options, parts)
    written = [*(folder / entry.file for entry in tables), *others]
    facts = facts or DatasetFacts()
    written.append(write_dataset_card(dataset, spec, tables, folder, facts))
    written.append(write_croissant(dataset, spec, tables, folder, facts))
    return DatasetExport(tuple(written), dataset.fingerprint, read_back)

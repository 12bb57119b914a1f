"""The tables of a prepared dataset, as a folder of Parquet files holds them."""

from dataclasses import dataclass

import polars as pl

from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.data.request_batch import PADDING_ITEM
from benchkit.data.spec import DatasetSpec
from benchkit.interop.exports.dataset_suite import PART_NAMES, part_rows, short_times

HUB_PARTS = {"train": "train", "valid": "validation", "test": "test"}
WHOLE = "whole"  # "all" is a word of the library's


@dataclass(frozen=True)
class DatasetFacts:
    """What a person knows of a dataset and benchkit does not; empty where nothing is said."""

    license: str = ""
    """An identifier such as cc-by-4.0, or the address of a text."""
    url: str = ""
    citation: str = ""
    """BibTeX, or a sentence."""
    collection: str = ""
    """How the data were collected."""
    personal: str = ""
    """Personal and sensitive information in it."""


@dataclass(frozen=True)
class ParquetTable:
    """One table of the export."""

    config: str
    """What a reader of the Hub's layout calls it."""
    split: str
    file: str
    """Its path in the folder."""
    table: pl.DataFrame


def list_tables(dataset: PreparedDataset, spec: DatasetSpec) -> list[ParquetTable]:
    """Return the tables of a dataset: interactions, items, and the cases of both parts."""
    rows = part_rows(dataset, spec)
    interactions = _interactions_table(dataset)
    tables = [
        ParquetTable(
            "interactions", HUB_PARTS[part], f"interactions-{part}.parquet", interactions[places]
        )
        for part, places in rows.items()
    ]
    if not rows:
        tables.append(ParquetTable("interactions", WHOLE, "interactions.parquet", interactions))
    texts = {
        name: pl.Series(values, dtype=pl.String) for name, values in dataset.catalog.texts.items()
    }
    ids = pl.Series(dataset.catalog.ids, dtype=pl.String)
    tables.append(
        ParquetTable("items", WHOLE, "items.parquet", pl.DataFrame({"item": ids, **texts}))
    )
    for part, cases in (("valid", dataset.valid), ("test", dataset.test)):
        if len(cases):
            table = _cases_table(dataset, cases)
            tables.append(ParquetTable("cases", HUB_PARTS[part], f"cases-{part}.parquet", table))
    return tables


def _interactions_table(dataset: PreparedDataset) -> pl.DataFrame:
    data, time = dataset.interactions, short_times(dataset)
    names = pl.Series([PART_NAMES[part] for part in sorted(PART_NAMES)], dtype=pl.String)
    columns = {
        "user": pl.Series(dataset.users, dtype=pl.String).gather(data.user),
        "item": pl.Series(dataset.catalog.ids, dtype=pl.String).gather(data.item),
        "part": names.gather(pl.Series(dataset.part, dtype=pl.UInt32)),
    }
    if data.rating is not None:
        columns["rating"] = pl.Series(data.rating, dtype=pl.Float32).fill_nan(None)
    if time is not None:
        columns["timestamp"] = pl.Series(time, dtype=pl.Int64)
    if data.review is not None:
        columns["review"] = pl.Series(data.review, dtype=pl.String)
    return pl.DataFrame(columns)


def _cases_table(dataset: PreparedDataset, cases: Cases) -> pl.DataFrame:
    ids, data = dataset.catalog.ids, dataset.interactions
    histories = [
        [ids[code] for code in data.item[start:stop].tolist()]
        for start, stop in zip(cases.start.tolist(), cases.stop.tolist(), strict=True)
    ]
    strings = pl.List(pl.String)
    columns = {
        "case_id": pl.Series(cases.ids, dtype=pl.String),
        "user": pl.Series(dataset.users, dtype=pl.String).gather(cases.user),
        "history": pl.Series(histories, dtype=strings),
        "candidates": pl.Series(_name_items(ids, cases.candidates.tolist()), dtype=strings),
        "target": pl.Series(ids, dtype=pl.String).gather(cases.target),
        "relevant": pl.Series(_name_items(ids, cases.relevant.tolist()), dtype=strings),
    }
    if cases.grades is not None:
        counts = (cases.relevant != PADDING_ITEM).sum(axis=1).tolist()
        grades = [row[:n] for row, n in zip(cases.grades.tolist(), counts, strict=True)]
        columns["grades"] = pl.Series(grades, dtype=pl.List(pl.Float32))
    return pl.DataFrame(columns)


def _name_items(ids: tuple[str, ...], rows: list[list[int]]) -> list[list[str]]:
    return [[ids[code] for code in row if code != PADDING_ITEM] for row in rows]

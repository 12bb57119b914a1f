"""BeerAdvocate as the McAuley lab and SNAP publish it, in whichever of its three forms."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.raw import RawData
from benchkit.data.readers.archive import find_raw_file
from benchkit.data.readers.python_literal_reader import (
    RecordField,
    as_integer,
    as_number,
    as_text,
    read_record_texts,
    read_records,
)
from benchkit.data.sources.base import DataSource
from benchkit.rating_scale import RatingScale

_NAME = "beeradvocate"
_FIELDS = {
    "user": RecordField("review/profileName", pl.String(), as_text, required=True),
    "item": RecordField("beer/beerId", pl.String(), as_text, required=True),
    "rating": RecordField("review/overall", pl.Float32(), as_number, required=True),
    "timestamp": RecordField("review/time", pl.Int64(), as_integer, required=True),
    "title": RecordField("beer/name", pl.String(), as_text),
    "style": RecordField("beer/style", pl.String(), as_text),
    "abv": RecordField("beer/ABV", pl.String(), as_text),
    "brewer": RecordField("beer/brewerId", pl.String(), as_text),
}
_ITEM = ("item", "title", "style", "abv", "brewer")


def read_beeradvocate(folder: str) -> RawData:
    """BeerAdvocate (McAuley, Leskovec & Jurafsky, 2012): `beeradvocate.json` or `.txt`, or gzipped.

    The lines are Python literals, JSON, or blocks of `key: value` with an empty line between. The
    rating is `review/overall` (0-5 in halves), the four aspects are not read. A beer's texts are
    those of its first review: name, style, alcohol, and the number of the brewer, for the data has
    no other name; different beers may share a name.
    """
    (file,) = beeradvocate_files(folder)
    records = read_records(file, _NAME, _FIELDS)
    table = records.table
    lines = table["line"].to_numpy()

    def texts(rows: NDArray[np.int64]) -> Sequence[str | None]:
        return read_record_texts(file, _NAME, lines[rows], "review/text")

    return RawData(
        table.select("user", "item", "rating", "timestamp"),
        table.select(_ITEM).unique("item", keep="first", maintain_order=True),
        (file.name, file.name),
        lookup_lines=lines.__getitem__,
        time_unit="s",
        funnel=records.funnel("reviews"),
        malformed=records.malformed,
        reviews=texts,
        rating_scale=RatingScale(0, 5),
    )


def beeradvocate_files(folder: str) -> list[Path]:
    """Return the one file."""
    return [find_raw_file(folder, "beeradvocate.json", "beeradvocate.txt")]


BEERADVOCATE = DataSource("beeradvocate", read_beeradvocate, beeradvocate_files)

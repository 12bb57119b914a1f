"""MovieLens 100K as it ships inside the RecBole package, so that no download is needed."""

from importlib.util import find_spec
from pathlib import Path

import polars as pl

from benchkit.data.raw import RawData
from benchkit.data.readers.table_reader import read_table
from benchkit.data.sources.base import DataSource
from benchkit.errors import DataError
from benchkit.rating_scale import FIVE_STARS


def read_ml100k(folder: str = "") -> RawData:
    """MovieLens 100K (Harper & Konstan, 2015), from the installed RecBole package.

    folder: where `ml-100k.inter` and `ml-100k.item` lie instead.
    """
    ratings_file, items_file = ml100k_files(folder)
    ratings = read_table(ratings_file).table.select(
        pl.col("user_id").alias("user"),
        pl.col("item_id").alias("item"),
        pl.col("rating").cast(pl.Float32),
        pl.col("timestamp").cast(pl.Int64),
    )
    items = read_table(items_file).table.select(
        pl.col("item_id").alias("item"),
        _title().alias("title"),
        pl.col("release_year").alias("year"),
        pl.col("class").alias("genres"),
    )
    origin = (ratings_file.name, items_file.name)
    return RawData(ratings, items, origin, rating_scale=FIVE_STARS, time_unit="s")


def ml100k_files(folder: str = "") -> list[Path]:
    """Return the ratings and the items file."""
    place = Path(folder) if folder else _recbole_folder()
    return [place / "ml-100k.inter", place / "ml-100k.item"]


def _title() -> pl.Expr:
    """Return 'Postino, Il (1994)' for 'Postino, Il': the year tells remakes apart."""
    title, year = pl.col("movie_title").str.strip_chars(), pl.col("release_year")
    return (
        pl.when(year.is_in(["", "V", "unknown"]) | year.is_null())
        .then(title)
        .otherwise(pl.format("{} ({})", title, year))
    )


def _recbole_folder() -> Path:
    # find_spec looks the package up without running it: importing RecBole changes the process.
    spec = find_spec("recbole")
    folder = Path(spec.origin or "").parent / "dataset_example" / "ml-100k" if spec else None
    if folder is None or not folder.is_dir():
        raise DataError(
            "MovieLens 100K ships inside the RecBole package, which is not installed",
            "pip install --no-deps recbole==1.2.1",
        )
    return folder


ML100K = DataSource("ml-100k", read_ml100k, ml100k_files)

"""Steam reviews and games as the McAuley lab publishes them: Python literals, one a line."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.raw import RawData
from benchkit.data.readers.archive import find_raw_file
from benchkit.data.readers.python_literal_reader import (
    RecordField,
    as_day_timestamp,
    as_number,
    as_text,
    read_record_texts,
    read_records,
)
from benchkit.data.sources.base import DataSource
from benchkit.data.sources.implicit_ratings import RatingGroup, add_ratings
from benchkit.rating_scale import FIVE_STARS

_NAME = "steam"
_REVIEWS = {
    "user": RecordField("username", pl.String(), as_text, required=True),
    "item": RecordField("product_id", pl.String(), as_text, required=True),
    "timestamp": RecordField("date", pl.Int64(), as_day_timestamp, required=True),
    "hours": RecordField("hours", pl.Float64(), as_number),
}
_GAMES = {
    "item": RecordField("id", pl.String(), as_text, required=True),
    **{
        name: RecordField(name, pl.String(), as_text)
        for name in ("title", "app_name", "genres", "tags", "developer", "publisher", "price")
    },
    "released": RecordField("release_date", pl.String(), as_text),
}


def read_steam(folder: str, rate_within: RatingGroup = "item") -> RawData:
    """Steam (Kang & McAuley, 2018; Wan & McAuley, 2018): `steam_reviews` and `steam_games`.

    A user is a `username`, as SASRec has it: only a part of the lines has an id, and two users of
    one name cannot be told apart. Time is the day of the review; a day's reviews stand in the
    order of the file. There are no stars: the rating 1-5 says how the hours played rank within the
    "item" (the other players of the game, as RecPO has it) or the "user"; reviews that do not say
    the hours are left out then, and counted. "none" reads no ratings and leaves out nothing.
    Titles fall back on `app_name`. The 7.8 million reviews take some ten minutes.

    `australian_users_items`, which also has hours, is not read: it has no time at all.
    """
    reviews_file, games_file = steam_files(folder)
    games = read_records(games_file, _NAME, _GAMES)
    reviews = read_records(reviews_file, _NAME, _REVIEWS)
    table = reviews.table
    unknown = table["hours"].null_count()
    if rate_within != "none":
        table = table.drop_nulls("hours")
    table = add_ratings(table, "hours", rate_within)
    lines = table["line"].to_numpy()
    items = games.table.drop("line").unique("item", keep="first", maintain_order=True)

    def texts(rows: NDArray[np.int64]) -> Sequence[str | None]:
        return read_record_texts(reviews_file, _NAME, lines[rows], "text")

    return RawData(
        table.drop("line"),
        items.with_columns(pl.coalesce("title", "app_name").alias("title")).drop("app_name"),
        (reviews_file.name, games_file.name),
        lookup_lines=lines.__getitem__,
        time_unit="s",
        funnel={
            **reviews.funnel("reviews"),
            "reviews_without_hours": unknown,
            **games.funnel("games"),
            "games_repeated": len(games.table) - len(items),
        },
        malformed=pl.concat([reviews.malformed, games.malformed]),
        reviews=texts,
        rating_scale=FIVE_STARS,  # fifths
    )


def steam_files(folder: str, **_: str) -> list[Path]:
    """Return the files of the reviews and the games."""
    return [find_raw_file(folder, "steam_reviews.json"), find_raw_file(folder, "steam_games.json")]


STEAM = DataSource("steam", read_steam, steam_files)

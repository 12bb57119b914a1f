"""MovieLens as GroupLens publishes it: 1M and 10M (`.dat`), latest, 20M, 25M and 32M (`.csv`)."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import polars as pl

from benchkit.data.raw import RawData, make_line_lookup
from benchkit.data.readers.archive import Archive, missing_file_error
from benchkit.data.readers.regex_reader import RegexLines, read_regex_lines, summarize_files
from benchkit.data.sources.base import DataSource
from benchkit.data.sources.tags import most_frequent_tags
from benchkit.errors import DataError
from benchkit.rating_scale import HALF_STARS


class _File(NamedTuple):
    pattern: str
    shape: str
    header: str = ""


_RATING = r"(?P<rating>\d+(?:\.\d+)?)"
_DAT = {
    "ratings.dat": _File(
        rf"(?P<user>\d+)::(?P<item>\d+)::{_RATING}::(?P<timestamp>\d+)",
        "UserID::MovieID::Rating::Timestamp",
    ),
    # A title may hold the separator: the first one and the last one bound it.
    "movies.dat": _File(
        r"(?P<item>\d+)::(?P<title>.*)::(?P<genres>[^:]*)", "MovieID::Title::Genres"
    ),
    "tags.dat": _File(r"\d+::(?P<item>\d+)::(?P<tag>.*)::\d+", "UserID::MovieID::Tag::Timestamp"),
}
_QUOTED = r'"(?:[^"]|"")*"|[^",][^,]*|'


def _csv(pattern: str, header: str) -> _File:
    return _File(pattern, header, header)


_CSV = {
    "ratings.csv": _csv(
        rf"(?P<user>\d+),(?P<item>\d+),{_RATING},(?P<timestamp>\d+)",
        "userId,movieId,rating,timestamp",
    ),
    "movies.csv": _csv(
        rf"(?P<item>\d+),(?P<title>{_QUOTED}),(?P<genres>{_QUOTED})", "movieId,title,genres"
    ),
    "tags.csv": _csv(rf"\d+,(?P<item>\d+),(?P<tag>{_QUOTED}),\d+", "userId,movieId,tag,timestamp"),
}


def read_movielens(folder: str) -> RawData:
    """MovieLens 1M or latest (Harper & Konstan, 2015), from its folder or its zip.

    Titles stay as published ("Matrix, The (1999)"); `year` and `genres` stand beside them, and
    `tags` where there are any: the 20 that the movie was given most often, most frequent first, by
    all users and at all times. Demographics (users.dat) are not read.
    """
    archive = Archive(Path(folder), "movielens")
    ratings_file, movies_file, tags_file = layout = _layout(archive)
    parts = {
        name: _lines(archive, name, layout[name])
        for name in layout
        if name != tags_file or name in archive
    }
    items = _movies(parts[movies_file].rows)
    if tags_file in parts:
        tags = most_frequent_tags(parts[tags_file].rows)
        items = items.join(tags, on="item", how="left", maintain_order="left")
    funnel, malformed = summarize_files(parts)
    return RawData(
        parts[ratings_file].rows.with_columns(
            pl.col("rating").cast(pl.Float32), pl.col("timestamp").cast(pl.Int64)
        ),
        items,
        (ratings_file, movies_file),
        lookup_lines=make_line_lookup(parts[ratings_file].skipped),
        time_unit="s",
        funnel=funnel | {"movies_without_year": items["year"].null_count()},
        malformed=malformed,
        rating_scale=HALF_STARS,  # 1M has whole stars alone, which read the same
    )


def movielens_files(folder: str) -> list[Path]:
    """Return the zip, or those of the six files that the folder may hold."""
    return Archive(Path(folder), "movielens").files(*_DAT, *_CSV)


def _layout(archive: Archive) -> dict[str, _File]:
    present = [layout for layout in (_DAT, _CSV) if next(iter(layout)) in archive]
    if len(present) > 1:
        raise DataError(
            f"{archive.path}: has both ratings.dat and ratings.csv",
            "keep each MovieLens in a folder of its own",
        )
    if not present:
        raise missing_file_error(f"{archive.path}: ratings.dat or ratings.csv", archive.dataset)
    return present[0]


def _lines(archive: Archive, name: str, file: _File) -> RegexLines:
    lines = read_regex_lines(archive.open(name), name, file.pattern, file.shape, file.header)
    return (
        replace(lines, rows=lines.rows.with_columns(_unquote(pl.all()))) if file.header else lines
    )


def _unquote(text: pl.Expr) -> pl.Expr:
    inside = (
        text.str.strip_prefix('"').str.strip_suffix('"').str.replace_all('""', '"', literal=True)
    )
    return pl.when(text.str.starts_with('"')).then(inside).otherwise(text)


def _movies(rows: pl.DataFrame) -> pl.DataFrame:
    genres = pl.col("genres").str.replace_all("|", ", ", literal=True)
    # Of a series it holds the first and the last year: "Fargo (2014-2017)" is from 2014.
    year = pl.col("title").str.extract(r"\((\d{4})[^()]*\)\s*$")
    nothing = pl.col("genres").is_in(["", "(no genres listed)"])
    return rows.select(
        "item",
        pl.col("title").str.strip_chars(),
        year.alias("year"),
        pl.when(~nothing).then(genres).alias("genres"),
    )


MOVIELENS = DataSource("movielens", read_movielens, movielens_files)

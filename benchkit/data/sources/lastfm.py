"""Last.fm as published for HetRec 2011: who listened to which artist how often, and tagged what."""

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from benchkit.data.raw import RawData
from benchkit.data.readers.archive import Archive
from benchkit.data.readers.chunked_reader import line_numbers
from benchkit.data.readers.regex_reader import RegexLines, read_regex_lines, summarize_files
from benchkit.data.sources.base import DataSource
from benchkit.data.sources.implicit_ratings import RatingGroup, add_ratings
from benchkit.data.sources.tags import most_frequent_tags
from benchkit.errors import ConfigError
from benchkit.rating_scale import FIVE_STARS

_LISTENS, _TAG_EVENTS = "user_artists.dat", "user_taggedartists-timestamps.dat"
_ARTISTS, _TAGS = "artists.dat", "tags.dat"
_PATTERNS = {
    _LISTENS: r"(?P<user>\d+)\t(?P<item>\d+)\t(?P<count>\d+)",
    _ARTISTS: r"(?P<item>\d+)\t(?P<title>[^\t]+)(?:\t.*)?",
    _TAG_EVENTS: r"(?P<user>\d+)\t(?P<item>\d+)\t(?P<id>\d+)\t(?P<time>-?\d+)",
    _TAGS: r"(?P<id>\d+)\t(?P<tag>.*)",
}
_HEADERS = {
    _LISTENS: "userID artistID weight",
    _ARTISTS: "id name url pictureURL",
    _TAG_EVENTS: "userID artistID tagID timestamp",
    _TAGS: "tagID tagValue",
}
# The file has tags "given" in 1956; nobody tagged before the site opened.
_SITE_LAUNCH = 1_009_843_200  # 2002-01-01


def read_lastfm(
    folder: str,
    untimed: Literal["oldest", "drop"] = "oldest",
    rate_within: RatingGroup = "none",
) -> RawData:
    """Last.fm 2K (Cantador, Brusilovsky & Kuflik, 2011), from its folder or its zip.

    An interaction is an artist among the 50 that a user listened to most. **Listening has no
    time here.** What is taken for it is when the user first tagged the artist, which the file
    knows to the month; most pairs were never tagged. untimed: "oldest" puts those before all the
    others, under time 0, in the order of the file (most listened first), so that a user's target
    is a tagged artist where there is one; "drop" leaves them out, and what order remains is real.
    The report counts them (`without_time`), and the users who have no time at all.

    rate_within: ratings 1-5 by how the listening count ranks within the "item" (artist) or the
    "user"; "none" reads no ratings. Texts are the artist's name and its most frequent tags.
    """
    if untimed not in ("oldest", "drop"):
        raise ConfigError(f"untimed = {untimed!r}", "use 'oldest' or 'drop'")
    archive = Archive(Path(folder), "lastfm")
    parts = {name: _lines(archive, name) for name in _PATTERNS}
    listened = parts[_LISTENS].rows.with_columns(pl.col("count").cast(pl.Int64))
    tagged = parts[_TAG_EVENTS].rows.with_columns(pl.col("time").cast(pl.Int64) // 1000)
    timed = tagged.filter(pl.col("time") >= _SITE_LAUNCH)
    first = timed.group_by("user", "item").agg(pl.col("time").min().alias("timestamp"))
    # Compared before any is dropped: a rating says how much of all listening this was.
    table = add_ratings(listened, "count", rate_within)
    table = table.join(first, on=["user", "item"], how="left", maintain_order="left")
    known = table["timestamp"].is_not_null()
    lines = line_numbers(np.arange(len(table)), parts[_LISTENS].skipped)
    tags = tagged.join(parts[_TAGS].rows, on="id").select("item", "tag")
    items = parts[_ARTISTS].rows.with_columns(pl.col("title").str.strip_chars())
    items = items.join(most_frequent_tags(tags), on="item", how="left", maintain_order="left")
    funnel, malformed = summarize_files(parts)
    funnel |= {
        "tags_before_2002": len(tagged) - len(timed),
        "tags_without_name": len(tagged) - len(tags),
        "without_time": int((~known).sum()),
        "users_without_time": table["user"].n_unique() - table.filter(known)["user"].n_unique(),
    }
    if untimed == "drop":
        table, lines = table.filter(known), lines[known.to_numpy()]
    return RawData(
        table.fill_null(0),
        items,
        (_LISTENS, _ARTISTS),
        lookup_lines=lines.__getitem__,
        time_unit="s",
        funnel=funnel,
        malformed=malformed,
        rating_scale=FIVE_STARS,  # fifths
    )


def lastfm_files(folder: str, **_: str) -> list[Path]:
    """Return the zip, or the four files of the folder."""
    return Archive(Path(folder), "lastfm").files(*_PATTERNS)


def _lines(archive: Archive, name: str) -> RegexLines:
    header = _HEADERS[name].replace(" ", "\t")
    return read_regex_lines(archive.open(name), name, _PATTERNS[name], repr(header), header)


LASTFM = DataSource("lastfm", read_lastfm, lastfm_files)

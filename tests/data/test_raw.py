"""Messages name the line of the file, whatever lines before it were empty or set aside."""

import json

import numpy as np
import polars as pl
import pytest

from benchkit.data import sources
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.raw import RawData, make_line_lookup
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError

TITLES = pl.DataFrame({"item": ["a", "b"], "title": ["A", "B"]})


def amazon2023(user, item):
    record = {"user_id": user, "parent_asin": item, "asin": item, "rating": 5.0, "timestamp": 1}
    return json.dumps(record)


def amazon2018(user, item):
    record = {"reviewerID": user, "asin": item, "overall": 5.0, "unixReviewTime": 1}
    return json.dumps(record)


def steam(user, item):
    return repr({"username": user, "product_id": item, "date": "2014-01-01", "hours": 1})


def beer(user, item):
    return repr(
        {
            "review/profileName": user,
            "beer/beerId": item,
            "beer/name": "Ale",
            "review/overall": "4",
            "review/time": "1",
        }
    )


# The names of the files, how an interaction is written, lines before the first, a line that is
# none, other files, and the options that name the files.
SOURCES = {
    "amazon2023": (
        "x.jsonl", amazon2023, [], "{", {}, {"reviews": "x.jsonl", "titles": "id"},
    ),
    "amazon2018": (
        "x.json", amazon2018, [], "{",
        {"meta.json": '{"asin": "1", "title": "One"}\n{"asin": "2", "title": "Two"}\n'},
        {"reviews": "x.json", "meta": "meta.json"},
    ),
    "movielens": (
        "ratings.csv", lambda user, item: f"{user},{item},4.0,1",
        ["userId,movieId,rating,timestamp"], "1;1",
        {"movies.csv": "movieId,title,genres\n1,One,\n2,Two,\n"}, {"folder": "."},
    ),
    "lastfm": (
        "user_artists.dat", lambda user, item: f"{user}\t{item}\t7",
        ["userID\tartistID\tweight"], "1 1",
        {
            "artists.dat": "id\tname\turl\tpictureURL\n1\tOne\n2\tTwo\n",
            "tags.dat": "tagID\ttagValue\n1\tpop\n",
            "user_taggedartists-timestamps.dat": "userID\tartistID\ttagID\ttimestamp\n"
            "2\t1\t1\t1238536800000\n2\t2\t1\t1238536800000\n",
        },
        {"folder": ".", "untimed": "drop"},
    ),
    "steam": (
        "steam_reviews.json", steam, [], "{1",
        {"steam_games.json": "{'id': '1', 'title': 'One'}\n{'id': '2', 'title': 'Two'}\n"},
        {"folder": "."},
    ),
    "beeradvocate": ("beeradvocate.json", beer, [], "{1", {}, {"folder": "."}),
}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_a_repeated_interaction_is_named_by_its_lines(tmp_path, source):
    name, line, header, broken, others, options = SOURCES[source]
    lines = [
        *header,
        line("1", "1"),
        broken,
        line("2", "1"),
        "",
        line("2", "2"),
        broken,
        line("2", "1"),
    ]
    for file, content in {name: "\n".join(lines) + "\n", **others}.items():
        (tmp_path / file).write_text(content)
    raw = sources.read_source(source, sources.resolve_paths(options, tmp_path))
    first, last = (len(header) + n for n in (3, 7))
    with pytest.raises(DataError, match=rf"user '2' has item '1' more .*\(lines {first}, {last}\)"):
        prepare_dataset(raw, DatasetSpec(name="x", source=source))


@pytest.mark.parametrize(
    ("file", "first"), [("x.csv", 2), ("x.tsv", 2), ("x.parquet", 1)], ids=lambda value: str(value)
)
def test_rows_of_a_table_begin_after_its_header(tmp_path, file, first):
    table = pl.DataFrame({"user": ["u", "u", "u"], "item": ["a", "b", "a"]})
    if file.endswith("parquet"):
        table.write_parquet(tmp_path / file)
    else:
        table.write_csv(tmp_path / file, separator="\t" if file.endswith("tsv") else ",")
    TITLES.write_csv(tmp_path / "items.csv")
    options = {"interactions": str(tmp_path / file), "items": str(tmp_path / "items.csv")}
    with pytest.raises(DataError, match=rf"\(lines {first}, {first + 2}\)"):
        prepare_dataset(
            sources.read_source("table", options), DatasetSpec(name="x", source="table")
        )


def test_a_bad_value_is_named_by_its_line():
    table = pl.DataFrame({"user": ["u", "v"], "item": ["a", "b"], "rating": [1.0, float("inf")]})
    raw = RawData(table, TITLES, lookup_lines=make_line_lookup([1, 2, 4]))
    assert raw.lookup_lines(np.arange(2)).tolist() == [3, 5]
    with pytest.raises(DataError, match="interactions, line 5, column 'rating': inf is not"):
        prepare_dataset(raw, DatasetSpec(name="x", source="table"))

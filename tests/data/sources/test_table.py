"""A user's two tables: columns by a map for both or for each, and lists as text."""

import polars as pl
import pytest

from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.sources.table import read_own_tables
from benchkit.data.spec import DatasetSpec
from benchkit.errors import ConfigError, DataError

SPEC = DatasetSpec(name="shop", source="table", candidates={"count": 2})
EVENTS = {"user": ["a", "a", "b", "b"], "item": ["x", "y", "x", "z"], "timestamp": [1, 2, 3, 4]}
THINGS = {"item": ["x", "y", "z"], "title": ["X", "Y", "Z"]}


def read(folder, events=EVENTS, things=THINGS, ending="csv", **options):
    for name, columns in (("r", events), ("i", things)):
        table = pl.DataFrame(columns)
        if ending == "csv":
            table.write_csv(folder / f"{name}.csv")
        else:
            table.write_parquet(folder / f"{name}.parquet")
    return read_own_tables(str(folder / f"r.{ending}"), str(folder / f"i.{ending}"), **options)


def rename(columns, **names):
    return {names.get(name, name): values for name, values in columns.items()}


@pytest.mark.parametrize(
    ("events", "things", "columns"),
    [
        (rename(EVENTS, item="id"), rename(THINGS, item="id"), {"item": "id"}),
        (EVENTS, rename(THINGS, item="id"), {"item": "id"}),
        (EVENTS | {"id": [1, 2, 3, 4]}, rename(THINGS, item="id"), {"items": {"item": "id"}}),
        (rename(EVENTS, user="item", item="thing"), THINGS,
         {"interactions": {"user": "item", "item": "thing"}}),
        (rename(EVENTS, item="sku") | {"item": [9, 9, 9, 9]}, THINGS,
         {"interactions": {"item": "sku", "other_item": "item"}}),
        (EVENTS, THINGS | {"timestamp": [7, 8, 9]}, {"timestamp": "timestamp"}),
        (rename(EVENTS, timestamp="date"), THINGS | {"date": ["c", "d", "e"]},
         {"timestamp": "date"}),
    ],
)  # fmt: skip
def test_columns_by_a_map_for_both_or_for_each(tmp_path, events, things, columns):
    data = prepare_dataset(read(tmp_path, events, things, columns=columns), SPEC)
    names = [data.catalog.ids[code] for code in data.interactions.item]
    assert (data.users, names) == (("a", "b"), ["x", "y", "x", "z"])
    assert data.catalog.texts["title"] == ["X", "Y", "Z"]
    assert data.interactions.timestamp is not None


def test_a_text_can_be_given_a_name(tmp_path):
    raw = read(tmp_path, things=THINGS | {"cat": ["p", "q", "r"]}, columns={"genres": "cat"})
    assert raw.items["genres"].to_list() == ["p", "q", "r"]


@pytest.mark.parametrize(
    ("events", "things", "columns", "message", "hint"),
    [
        (EVENTS, THINGS, {"timestamp": "time"},
         r"no column 'time' \(for 'timestamp'\); the interactions have 'user', 'item', 'timestamp'",
         "timestamp"),
        (EVENTS, THINGS, {"title": "user"}, "the items have 'item', 'title'", "title"),
        (EVENTS, THINGS, {"items": {"title": "name"}}, "the items have no column 'name'",
         "correct"),
        (EVENTS | {"id": [1, 2, 3, 4]}, rename(THINGS, item="id"), {"item": "id"},
         "r.csv: two columns would be called 'item'", 'columns = { items = { item = "id" } }'),
        (EVENTS, THINGS | {"name": ["p", "q", "r"]}, {"title": "name"},
         "i.csv: two columns would be called 'title'", 'other_title = "title"'),
        (EVENTS, THINGS, {"things": {"item": "id"}}, "there is no table 'things'", "items"),
        (EVENTS, THINGS, {"user": "item", "item": "item"}, "is both 'user' and 'item'", "one name"),
        (EVENTS, THINGS, {"time": "timestamp"}, "'time' is none of user, item", "`other`"),
        (EVENTS, THINGS, {"interactions": {"time": "timestamp"}}, "'time' is none of", "`other`"),
        (EVENTS, THINGS, {"user": 3}, "'user' is 3, and no name", "columns"),
        (EVENTS, THINGS, ["user"], "columns is a list", "columns"),
        (rename(EVENTS, user=" user"), THINGS, None,
         "r.csv: no column 'user', but ' user'; it has ' user', 'item', 'timestamp'", "map it"),
        (EVENTS | {"Rating": [1, 2, 3, 4]}, THINGS, None, "no column 'rating', but 'Rating'",
         '{ interactions = { other = "Rating" } }'),
        (EVENTS, rename(THINGS, title="Title"), None, "i.csv: no column 'title', but 'Title'",
         "map it"),
    ],
)  # fmt: skip
def test_columns_that_are_not_there_or_twice_are_refused(
    tmp_path, events, things, columns, message, hint
):
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, events, things, columns=columns)
    assert hint in caught.value.hint


def test_a_column_can_be_said_to_be_something_else(tmp_path):
    columns = {"interactions": {"other": "Rating"}}
    raw = read(tmp_path, EVENTS | {"Rating": ["x"] * 4}, columns=columns)
    assert prepare_dataset(raw, SPEC).interactions.rating is None
    # Capitals of a column that is no interaction's are nobody's business.
    assert read(tmp_path, things=THINGS | {"Rating": [1, 2, 3]}).items.width == 3


def test_lists_and_objects_become_text(tmp_path):
    things = THINGS | {
        "title": [["Saw", "red"], ["Axe"], ["Nail"]],
        "categories": [["Tools", "Saws"], [], None],
        "details": [{"brand": "Acme", "size": [1, 2]}, {"brand": None, "size": []}, None],
        "scores": [[0.5, None], [1.0], [2.0]],
    }
    events = EVENTS | {"review": [["good", "fast"], ["bad"], [], None]}
    data = prepare_dataset(read(tmp_path, events, things, "parquet"), SPEC)
    assert data.catalog.texts == {
        "title": ["Saw, red", "Axe", "Nail"],
        "categories": ["Tools, Saws", None, None],
        "details": ["brand: Acme; size: 1, 2", None, None],
        "scores": ["0.5", "1.0", "2.0"],
    }
    assert data.interactions.review == ["good, fast", "bad", None, None]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("user", [["a"], ["a"], ["b"], ["b"]], r"column 'user' holds lists or objects \(List"),
        ("item", [{"id": 1}] * 4, r"column 'item' holds lists or objects \(Struct"),
        ("rating", [[5], [4], [3], [2]], "column 'rating' holds lists"),
        ("timestamp", [[1], [2], [3], [4]], "column 'timestamp' holds lists"),
        ("review", [b"\xff"] * 4, "column 'review' holds bytes"),
    ],
)
def test_what_cannot_be_one_value_is_refused(tmp_path, column, values, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, EVENTS | {column: values}, ending="parquet")


def test_text_options_may_differ_by_file(tmp_path):
    (tmp_path / "r.csv").write_text('user~item~review\na~x~"q\na~y~r"\n')
    (tmp_path / "i.csv").write_bytes("item,title\nx,Café\ny,Y\n".encode("latin-1"))
    raw = read_own_tables(
        str(tmp_path / "r.csv"),
        str(tmp_path / "i.csv"),
        separator={"interactions": "~"},
        encoding={"items": "latin-1"},
        quoting="none",
    )
    assert raw.interactions["review"].to_list() == ['"q', 'r"']
    assert raw.items["title"].to_list() == ["Café", "Y"]
    with pytest.raises(ConfigError, match=r"options\.encoding: there is no table 'item'"):
        read(tmp_path, encoding={"item": "latin-1"})
    with pytest.raises(ConfigError, match=r"options\.separator = 3"):
        read(tmp_path, separator=3)

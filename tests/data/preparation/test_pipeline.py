"""From tables to a dataset: every rule by hand on data small enough to see."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.data import sources
from benchkit.data.preparation.id_encoding import deduplication_mask
from benchkit.data.preparation.k_core import k_core
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.raw import RawData
from benchkit.data.spec import DatasetSpec
from benchkit.errors import ConfigError, DataError

ITEMS = pl.DataFrame({"item": list("abcdefgh"), "title": [f"Title {c}" for c in "ABCDEFGH"]})


def raw(rows, columns=("user", "item", "rating", "timestamp"), items=ITEMS):
    table = pl.DataFrame(rows, schema=list(columns), orient="row")
    return RawData(table, items, ("mine.csv", "items.csv"))


def spec(**changes):
    return DatasetSpec.model_validate(
        {"name": "mine", "source": "table", "candidates": {"count": 2}, **changes}
    )


def order(dataset, user):
    u = dataset.users.index(user)
    return [dataset.catalog.ids[code] for code in dataset.interactions.sequence(u)]


ROWS = [
    ("u", "c", 5, 30), ("u", "a", 4, 10), ("u", "b", 3, 20), ("v", "a", 1, 5), ("v", "d", 2, 4),
    ("w", "e", 2, 9),
]  # fmt: skip


def test_leave_one_out_by_hand():
    data = prepare_dataset(raw(ROWS), spec())
    assert order(data, "u") == ["a", "b", "c"]
    assert data.test.ids == ("test:u", "test:v")
    assert data.valid.ids == ("valid:u",)
    asked = {r.case_id: r for r in data.requests(data.test)}
    assert [e.item for e in asked["test:u"].history] == ["a", "b"]
    assert [e.item for e in asked["test:v"].history] == ["d"]
    assert asked["test:u"].history[0].rating == 4.0
    assert [data.catalog.ids[t] for t in data.test.target] == ["c", "a"]
    assert data.report["users_with_1_interaction"] == 1
    assert data.report["users_with_2_interactions"] == 1
    view = data.train_view()
    assert [data.catalog.ids[i] for i in view.interactions.item] == ["a", "d", "e"]
    assert view.validation[0].target == "b"


def test_equal_times_keep_the_order_of_the_file_and_are_counted():
    rows = [
        ("u", "c", 1, 7),
        ("u", "a", 1, 7),
        ("u", "b", 1, 7),
        ("v", "e", 1, 1),
        ("v", "d", 1, 2),
    ]
    data = prepare_dataset(raw(rows), spec())
    assert order(data, "u") == ["c", "a", "b"]
    assert data.report["users_with_tied_times"] == 1


def test_without_times_the_file_is_in_the_order_of_time():
    data = prepare_dataset(
        raw([("u", "c"), ("v", "d"), ("u", "a"), ("v", "b")], ("user", "item")), spec()
    )
    assert order(data, "u") == ["c", "a"]
    assert data.interactions.timestamp is None
    assert next(data.requests(data.test)).history[0].rating is None


@pytest.mark.parametrize(("rule", "kept"), [("first", 4.0), ("last", 1.0)])
def test_duplicates_are_kept_by_time(rule, kept):
    rows = [("u", "a", 1, 90), ("u", "a", 4, 10), ("u", "b", 3, 95), ("v", "c", 1, 1)]
    data = prepare_dataset(raw(rows), spec(duplicates=rule, rating_scale=[1, 5]))
    assert data.report["duplicates_removed"] == 1
    row = order(data, "u").index("a")
    assert data.interactions.rating[row] == kept


def test_duplicates_can_be_kept():
    data = prepare_dataset(raw([*ROWS, ("u", "a", 2, 99)]), spec(duplicates="keep"))
    assert order(data, "u") == ["a", "b", "c", "a"]
    asked = next(r for r in data.requests(data.test) if r.user == "u")
    assert asked.candidates.count("a") == 1


def test_duplicates_stop_by_default():
    rows = [*ROWS, ("u", "a", 1, 99)]
    with pytest.raises(
        DataError, match=r"mine.csv: user 'u' has item 'a' more than once \(lines 3, 8\)"
    ):
        prepare_dataset(raw(rows), spec())


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([("u", 1)], ("user", "rating"), "mine.csv: no column 'item'; it has 'user', 'rating'"),
        (
            [("u", "a", 1.0, 1), ("u", "b", float("inf"), 2)],
            ("user", "item", "rating", "timestamp"),
            "mine.csv, line 3, column 'rating': inf is not a finite number",
        ),
        (
            [("u", "a", "5", 1), ("u", "b", "five", 2)],
            ("user", "item", "rating", "timestamp"),
            "mine.csv, line 3, column 'rating': 'five' is missing or not a number",
        ),
        ([("u", None)], ("user", "item"), "mine.csv, line 2, column 'item': None is empty"),
        ([("u", "a"), ("", "b")], ("user", "item"), "mine.csv, line 3, column 'user': '' is empty"),
        (
            [("u", "zz")],
            ("user", "item"),
            "item 'zz' is not in items.csv, or has no title there (1 such items)",
        ),
        ([("u", "a"), ("v", "b")], ("user", "item"), "no user has a history"),
    ],
)
def test_bad_tables_name_file_row_and_column(rows, columns, message):
    with pytest.raises(DataError) as caught:
        prepare_dataset(raw(rows, columns), spec())
    assert message in str(caught.value)
    assert "hint:" in str(caught.value)


def test_items_without_title_can_be_dropped():
    items = ITEMS.with_columns(
        pl.when(pl.col("item") == "b").then(pl.lit(" ")).otherwise("title").alias("title")
    )
    with pytest.raises(DataError, match=r"'b' is not in items\.csv, or has no title"):
        prepare_dataset(raw(ROWS, items=items), spec())
    data = prepare_dataset(raw(ROWS, items=items), spec(untitled="drop"))
    assert order(data, "u") == ["a", "c"]
    assert data.report["without_title"] == 1


def test_texts_and_reviews_are_asked_for_what_is_left_only():
    asked = {}

    def reviews(rows):
        asked["rows"] = rows.tolist()
        return [f"review {row}" for row in rows]

    def texts(ids):
        asked["ids"] = list(ids)
        return ITEMS.filter(pl.col("item").is_in(ids)).with_columns(brand=pl.lit("X"))

    rows = [
        ("w", "e", 1, 1),
        ("u", "b", 1, 3),
        ("v", "b", 1, 1),
        ("u", "a", 1, 2),
        ("v", "a", 1, 2),
    ]
    rows += [
        (user, item, 1, 0)
        for user, two in zip("xyz", ("ab", "bc", "cb"), strict=True)
        for item in two
    ]
    data = prepare_dataset(replace(raw(rows), reviews=reviews, texts=texts), spec(k_core=2))
    assert "e" not in asked["ids"]
    assert asked["rows"] == sorted(asked["rows"])
    assert tuple(asked["ids"]) == data.catalog.ids
    assert data.catalog.text("a", "brand") == "X"
    asked_u = next(r for r in data.requests(data.test) if r.user == "u")
    assert [e.review for e in asked_u.history] == ["review 3"]  # the row in the file


def test_bad_items():
    with pytest.raises(DataError, match=r"items\.csv: no column 'title'"):
        prepare_dataset(raw(ROWS, items=pl.DataFrame({"item": ["a"]})), spec())
    twice = pl.DataFrame({"item": ["a", "a"], "title": ["A", "B"]})
    with pytest.raises(DataError, match="item 'a' stands in more than one row"):
        prepare_dataset(raw(ROWS, items=twice), spec())


def test_a_core_that_removes_everything_is_refused():
    with pytest.raises(DataError, match="after the 9-core"):
        prepare_dataset(raw(ROWS), spec(k_core=9))


def naive_core(pairs, k):
    pairs = list(pairs)
    while True:
        users, items = [u for u, _ in pairs], [i for _, i in pairs]
        left = [(u, i) for u, i in pairs if users.count(u) >= k]
        items = [i for _, i in left]
        left = [(u, i) for u, i in left if items.count(i) >= k]
        if len(left) == len(pairs):
            return left
        pairs = left


PAIRS = st.tuples(st.integers(0, 7), st.integers(0, 7))


@given(st.lists(PAIRS, min_size=1, max_size=60, unique=True), st.integers(0, 4))
def test_k_core_is_that_of_the_dictionary_kind(pairs, k):
    user, item = np.array(pairs).T
    keep, _ = k_core(user, item, k)
    assert [p for p, kept in zip(pairs, keep, strict=True) if kept] == naive_core(pairs, k)


def test_table_source_reads_csv_and_parquet_alike(tmp_path):
    table = pl.DataFrame(ROWS, schema=["who", "item", "stars", "timestamp"], orient="row")
    table.write_csv(tmp_path / "x.csv")
    table.write_parquet(tmp_path / "x.parquet")
    ITEMS.write_csv(tmp_path / "items.csv")
    made = [
        prepare_dataset(
            sources.read_source(
                "table",
                {
                    "interactions": str(tmp_path / name),
                    "items": str(tmp_path / "items.csv"),
                    "columns": {"user": "who", "rating": "stars"},
                },
            ),
            spec(),
        ).fingerprint
        for name in ("x.csv", "x.parquet")
    ]
    assert made[0] == made[1]


def test_source_errors(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        sources.read_source("table", {"interactions": str(tmp_path / "no.csv"), "items": "x"})
    (tmp_path / "x.doc").touch()
    with pytest.raises(DataError, match="unknown kind of table"):
        sources.read_source("table", {"interactions": str(tmp_path / "x.doc"), "items": "x"})
    with pytest.raises(ConfigError, match="unknown dataset source 'ml-100'"):
        sources.read_source("ml-100", {})
    with pytest.raises(ConfigError, match="it takes users, items"):
        sources.read_source("toy", {"people": 3})


def test_movielens_is_read_whole():
    pytest.importorskip("recbole", reason="MovieLens 100K ships inside RecBole")
    data = prepare_dataset(
        sources.read_source("ml-100k", {}), DatasetSpec(name="ml-100k", source="ml-100k")
    )
    assert (len(data.users), len(data.catalog), len(data.interactions)) == (943, 1682, 100_000)
    assert len(data.test) == len(data.valid) == 943
    assert data.catalog.text("1") == "Toy Story (1995)"
    assert data.catalog.text("1", "genres") == "Animation Children's Comedy"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_one_of_each_pair_is_kept_the_first_or_last_in_time(rows):
    user, item, time = np.array(rows, dtype=np.int64).T
    for rule, pick in (("first", min), ("last", max)):
        kept = set(np.flatnonzero(deduplication_mask(user, item, time.__getitem__, rule)).tolist())
        expected = {
            pick((t, place) for place, (a, b, t) in enumerate(rows) if (a, b) == pair)[1]
            for pair in {(a, b) for a, b, _ in rows}
        }
        assert kept == expected


def test_short_users_are_removed_after_the_core():
    spec = {"name": "toy", "source": "toy", "candidates": {"count": 10}, "min_length": 12}
    data = prepare_dataset(sources.read_source("toy", {}), DatasetSpec.model_validate(spec))
    assert np.diff(data.interactions.offsets).min() >= 12
    assert data.report["of_users_below_min_length"] > 0


@pytest.mark.parametrize(
    "users",
    [("a", "a#2"), ("a", "a#1", "a#2#1"), ("a#2", "a#2#2"), ("x#", "x##2"), ("u#02", "u"), ("#3",)],
)
def test_no_two_cases_have_one_id(users):
    rows = [(user, item, at) for user in users for at, item in enumerate("abcdef")]
    table = raw([*rows, ("z", "g", 0), ("z", "h", 0)], ("user", "item", "timestamp"))
    data = prepare_dataset(table, spec(split={"name": "temporal", "train_percent": 40}))
    assert len(data.test) + len(data.valid) > len(users)
    for cases in (data.test, data.valid):
        assert len(set(cases.ids)) == len(cases)
    assert all(names[: len(user)] == user for names, user in zip(
        (case_id.partition(":")[2] for case_id in data.test.ids),
        (data.users[code] for code in data.test.user), strict=True,
    ))  # fmt: skip


def test_ids_of_ordinary_users_stay_as_they_were():
    rows = [(user, item, at) for user in ("a", "b#") for at, item in enumerate("abcdef")]
    table = raw([*rows, ("z", "g", 0), ("z", "h", 0)], ("user", "item", "timestamp"))
    data = prepare_dataset(table, spec(split={"name": "temporal", "train_percent": 40}))
    assert sorted(data.test.ids)[:2] == ["test:a", "test:a#2"]
    assert list(data.test.ids)[:2] == ["test:a", "test:b#"]  # the earliest are asked first
    alone = prepare_dataset(raw([("a#2", i, n) for n, i in enumerate("abc")] + [("b", "d", 1)],
                                ("user", "item", "timestamp")), spec())  # fmt: skip
    assert alone.test.ids == ("test:a#2",)

"""RecBole's atomic files: out and in is the same dataset, whatever its texts are."""

import csv
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.config.suite import load_suite
from benchkit.data.preparation.cache import load_or_prepare
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.preparation.split_tables import read_tables
from benchkit.data.raw import RawData
from benchkit.data.sources.recbole import read_atomic_files
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError
from benchkit.interop.exports.atomic_files import export_atomic_files
from benchkit.interop.exports.parquet_dataset import export_parquet_dataset
from tests.support.command_line import said
from tests.support.hostile_data import hostile_dataset
from tests.support.suites import make_suite


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"with_times": False},
        {"with_ratings": False},
        {"spec": {"split": {"name": "temporal"}}},
        {"spec": {"cold": {"of": "items", "share": 0.2}}},
        {"spec": {"cold": {"of": "users", "share": 0.3}}},
        {"spec": {"candidates": {"count": 6, "sampling": "popularity", "seed": 3}}},
        {"spec": {"min_length": 8, "k_core": 2}},
        {"spec": {"duplicates": "last"}},
    ],
    ids=str,
)
def test_out_and_in_is_the_same_dataset(tmp_path, options):
    dataset, spec = hostile_dataset(**options)
    assert (dataset.interactions.rating is not None) == options.get("with_ratings", True)
    written = export_atomic_files(dataset, spec, tmp_path)
    assert written.is_same
    suite = load_suite(str(tmp_path / "suite.toml"))
    again = load_or_prepare(suite.datasets[0], tmp_path / "data")
    assert again.fingerprint == dataset.fingerprint
    assert again.interactions.review == dataset.interactions.review
    assert again.catalog.texts == dataset.catalog.texts and again.users == dataset.users


@settings(max_examples=12, deadline=None)
@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=4, max_size=4
    ),
    ratings=st.lists(
        st.floats(0, 5, width=32).map(lambda x: x + 0.0) | st.none(), min_size=8, max_size=8
    ),
    unit=st.sampled_from([1, 10**3, 10**6, 10**9]),
)
def test_any_text_and_any_rating(tmp_path_factory, texts, ratings, unit):
    folder = tmp_path_factory.mktemp("x")
    items = [f"{n}" for n in range(4)]
    interactions = pl.DataFrame(
        {
            "user": [f"u{n % 2}" for n in range(8)],
            "item": [items[n % 4] for n in range(8)],
            "rating": pl.Series([*ratings[:7], 5.0], dtype=pl.Float32),
            "timestamp": [f"2020-01-01T00:00:0{n}.{10**9 // unit:09d}" for n in range(8)],
            "review": [texts[n % 4] for n in range(8)],
        }
    )
    table = pl.DataFrame({"item": items, "title": [f"t{text}" for text in texts], "more": texts})
    spec = DatasetSpec(
        name="x", source="toy", duplicates="keep", similar_ids="keep", rating_scale=(0, 5),
        candidates={"count": 2},
    )  # fmt: skip
    dataset = prepare_dataset(RawData(interactions, table), spec)
    assert export_atomic_files(dataset, spec, folder).is_same


def test_a_split_and_lists_of_others(tmp_path):
    rows = {"train": "u1,a\nu1,b\nu2,b\n", "valid": "u1,c\nu2,a\n", "test": "u1,d\nu2,c\n"}
    for part, text in rows.items():
        (tmp_path / f"{part}.csv").write_text(f"user,item\n{text}")
    (tmp_path / "items.csv").write_text("item,title\n" + "".join(f"{i},T{i}\n" for i in "abcdef"))
    lists = [{"user": "u1", "candidates": ["f", "d"]}, {"user": "u2", "candidates": ["e", "d"]}]
    (tmp_path / "lists.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lists))
    spec = DatasetSpec(
        name="given", source="table", options={"items": str(tmp_path / "items.csv")},
        split={part: str(tmp_path / f"{part}.csv") for part in rows},
        candidates={"file": str(tmp_path / "lists.jsonl"), "holds": "candidates"},
    )  # fmt: skip
    dataset = prepare_dataset(read_tables(spec, spec.options), spec)
    written = export_atomic_files(dataset, spec, tmp_path / "out")
    assert written.is_same
    names = {path.name for path in written.files}
    assert {"given.train.inter", "given.test.inter", "given.test.candidates.jsonl"} <= names
    again = load_or_prepare(
        load_suite(str(tmp_path / "out/suite.toml")).datasets[0], tmp_path / "data"
    )
    assert again.fingerprint == dataset.fingerprint
    assert again.catalog.ids == tuple("abcdef") and list(again.test.target_position) == [1, -1]


@pytest.mark.parametrize(
    ("per_user", "scale", "first_time"),
    [(2, None, None), (6, (-10, 10), 1_600_000_000_000_000_001), (6, (0, 1), -500)],
)
def test_short_histories_other_scales_and_times(tmp_path, per_user, scale, first_time):
    n = 60
    table = {
        "user": [f"u{k // per_user}" for k in range(n)],
        "item": [f"i{k * 7 % 13}" for k in range(n)],
    }
    settings = {"name": "v", "source": "toy", "candidates": {"count": 3}}
    if scale is not None:
        ratings = [scale[0] + k * 7 % (scale[1] - scale[0] + 1) for k in range(n)]
        table |= {"rating": ratings, "timestamp": [first_time + k for k in range(n)]}
        settings |= {"rating_scale": scale, "time": "ns" if first_time > 0 else "s"}
    texts = {name: [f"{name} {k}" for k in range(13)] for name in ("title", "user_id", "user")}
    items = pl.DataFrame({"item": [f"i{k}" for k in range(13)], **texts, "rating": ["1"] * 13})
    spec = DatasetSpec.model_validate(settings)
    dataset = prepare_dataset(RawData(pl.DataFrame(table), items if scale else None), spec)
    assert len(dataset.valid) == (0 if per_user == 2 else n // per_user)
    assert export_atomic_files(dataset, spec, tmp_path / "a").is_same
    assert export_parquet_dataset(dataset, spec, tmp_path / "p").is_same


def test_the_header_and_the_cells_are_recboles(tmp_path):
    dataset, spec = hostile_dataset()
    export_atomic_files(dataset, spec, tmp_path)
    with (tmp_path / "odd.inter").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t")  # as pandas' Python parser reads it
    assert header == [
        "user_id:token", "item_id:token", "rating:float", "timestamp:float", "review:token_seq",
    ]  # fmt: skip
    users = [dataset.users[code] for code in dataset.interactions.user]
    assert [row[0] for row in rows] == users
    assert [row[4] for row in rows] == [text or "" for text in dataset.interactions.review]
    with (tmp_path / "odd.item").open(encoding="utf-8", newline="") as file:
        titles = [row[1] for row in csv.reader(file, delimiter="\t")][1:]
    assert titles == dataset.catalog.texts["title"]


def test_files_of_others_are_read(tmp_path):
    (tmp_path / "ml.inter").write_text(
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "196\t242\t3\t881250949\n186\t302\t3\t891717742\n"
    )
    (tmp_path / "ml.item").write_text(
        'item_id:token\tmovie_title:token_seq\tclass:token_seq\n242\t"Kolya"\tComedy\n302\tL.A.\t\n'
    )
    raw = read_atomic_files(str(tmp_path / "ml.inter"), str(tmp_path / "ml.item"))
    assert raw.interactions.columns == ["user", "item", "rating", "timestamp"]
    assert raw.items.columns == ["item", "title", "class"]
    assert raw.items["title"].to_list() == ['"Kolya"', "L.A."]
    assert read_atomic_files(str(tmp_path / "ml.inter")).items is None


def test_what_is_wrong_is_named(tmp_path):
    (tmp_path / "x.inter").write_text("user_id\titem_id:token\nu\ti\n")
    with pytest.raises(DataError, match="'user_id' is no name:type"):
        read_atomic_files(str(tmp_path / "x.inter"), quoting="csv")
    (tmp_path / "y.inter").write_text("user_id:token\titem_id:token\nu\ti\n")
    (tmp_path / "y.item").write_text("item_id:token\ta_title:token\tb_title:token\ni\ta\tb\n")
    with pytest.raises(DataError, match="'a_title', 'b_title'"):
        read_atomic_files(str(tmp_path / "y.inter"), str(tmp_path / "y.item"))
    dataset, spec = hostile_dataset()
    dataset.catalog.texts["a:b"] = dataset.catalog.texts["blurb"]
    with pytest.raises(DataError, match="'a:b' of the items cannot be written"):
        export_atomic_files(dataset, spec, tmp_path)


def test_generated_data_stay_marked(tmp_path):
    dataset, spec = hostile_dataset(spec={"synthetic": True})
    marked = replace(dataset, is_synthetic=True)
    assert export_atomic_files(marked, spec, tmp_path).is_same
    suite = load_suite(str(tmp_path / "suite.toml"))
    again = load_or_prepare(suite.datasets[0], tmp_path / "data")
    assert again.is_synthetic and again.caveats[0].startswith("SYNTHETIC")
    assert again.fingerprint == marked.fingerprint != dataset.fingerprint


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    suite = make_suite()
    spec = suite.datasets[0]
    (tmp_path / "small.toml").write_text(
        'title = "S"\n[[datasets]]\nname = "toy"\nsource = "toy"\noptions = { users = 40, items ='
        ' 50 }\ncandidates = { count = 10 }\n[[methods]]\nmethod = "popularity"\n'
    )
    output = said("export", "recbole", "--suite", "small.toml", "--to", "out")
    fingerprint = load_or_prepare(spec, tmp_path / "data").fingerprint
    assert f"reads back as the same dataset, fingerprint {fingerprint}" in output
    ratings = np.unique(read_atomic_files("out/toy.inter", "", "").interactions["rating"])
    assert set(ratings) <= {"1.0", "2.0", "3.0", "4.0", "5.0"}

"""Amazon Reviews 2023: what is read, counted and set aside; on a real sample and on small files."""

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.sources import amazon2023, amazon_common
from benchkit.data.spec import DatasetSpec
from benchkit.errors import BenchkitError, DataError

SAMPLE = Path(__file__).parents[4] / "shared" / "data" / "amazon2023_raw"
real = pytest.mark.skipif(
    not SAMPLE.is_dir(), reason=f"the sample of real reviews is not at {SAMPLE}"
)


def review(user="u1", asin="a", parent=None, **changes):
    record = {
        "rating": 5.0,
        "title": "Fine",
        "text": "It works",
        "images": [],
        "asin": asin,
        "parent_asin": parent or asin,
        "user_id": user,
        "timestamp": 1588687728923,
        "helpful_vote": 0,
        "verified_purchase": True,
    }
    return {name: value for name, value in (record | changes).items() if value is not ...}


def product(parent, title="A thing", **changes):
    record = {
        "main_category": "Toys & Games",
        "title": title,
        "average_rating": 4.5,
        "features": ["Red", "Round"],
        "description": ["First.", "Second."],
        "price": 12.99,
        "images": [{"thumb": "x"}],
        "store": "Acme",
        "categories": ["Toys", "Balls"],
        "details": {"Brand": "Acme", "Rank": {"Toys": 7}, "Empty": None},
        "parent_asin": parent,
        "bought_together": None,
    }
    return record | changes


def written(path, records):
    lines = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in records]
    content = b"\n".join(lines) + b"\n"
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return str(path)


def spec(**changes):
    values = {"name": "amazon", "source": "amazon2023", "candidates": {"count": 2}}
    return DatasetSpec.model_validate(values | {"duplicates": "first"} | changes)


REVIEWS = [
    review("u1", "a", timestamp=30, title="One", text="A thing of beauty"),
    review("u1", "b1", "b", timestamp=10, rating=3.0, title="", text="Meh"),
    review("u1", "c", timestamp=20, title="Good!", text=""),
    review("u2", "b2", "b", timestamp=5),
    review("u2", "c", timestamp=6),
    review("u2", "c", timestamp=6),
    review("u2", "c", timestamp=7),
    review("u3", "a", timestamp=1, title=None, text=None),
    review("u4", "e"),  # something to draw candidates from
    review("u4", "f", timestamp=1588687728924),
]
META = [product("d", None), *(product(item, f"Title {item}") for item in "abcef")]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_reviews_and_texts_end_where_they_belong(tmp_path, suffix):
    reviews = written(tmp_path / f"Toys.jsonl{suffix}", [*REVIEWS[:2], b"", *REVIEWS[2:], b"{"])
    meta = written(tmp_path / f"meta_Toys.jsonl{suffix}", [b"[]", *reversed(META)])
    raw = amazon2023.read_amazon2023(reviews, meta)
    data = prepare_dataset(raw, spec())
    assert data.users == ("u1", "u2", "u3", "u4")
    assert data.catalog.ids == ("a", "b", "c", "e", "f")
    rows = data.interactions
    named = [data.catalog.ids[i] for i in rows.item]
    assert named == ["b", "c", "a", "b", "c", "a", "e", "f"]
    assert rows.review[:6] == [
        "Meh", "Good!", "One. A thing of beauty", "Fine. It works", "Fine. It works", None,
    ]  # fmt: skip
    assert rows.rating.tolist() == [3.0, *[5.0] * 7]
    assert (rows.timestamp[:6] // 10**6).tolist() == [10, 20, 30, 5, 6, 1]
    assert {name: texts[1] for name, texts in data.catalog.texts.items()} == {
        "title": "Title b",
        "description": "First.\nSecond.",
        "features": "Red\nRound",
        "details": "Brand: Acme; Rank: Toys: 7",
        "categories": "Toys > Balls",
        "main_category": "Toys & Games",
        "store": "Acme",
        "price": "12.99",
    }
    counts = {
        "lines": 12,
        "blank_lines": 1,
        "malformed_lines": 1,
        "variants_of_an_item": 2,
        "reviews_repeated_in_file": 1,
        "users_with_repeated_reviews": 1,
        "meta_lines": 7,
        "meta_malformed_lines": 1,
        "meta_repeated_items": 0,
        "meta_items_without_title": 1,
        "interactions_read": 10,
        "duplicates_removed": 2,
    }
    assert counts.items() <= data.report.items()
    assert raw.malformed.select("file", "line").rows() == [
        (f"Toys.jsonl{suffix}", 12),
        (f"meta_Toys.jsonl{suffix}", 1),
    ]


def test_without_metadata_ids_may_stand_for_titles(tmp_path):
    reviews = written(tmp_path / "Toys.jsonl", REVIEWS)
    with pytest.raises(DataError, match="the titles of its items are in another file"):
        amazon2023.read_amazon2023(reviews)
    with pytest.raises(BenchkitError, match="unknown source of titles 'ids'"):
        amazon2023.read_amazon2023(reviews, titles="ids")
    data = prepare_dataset(
        amazon2023.read_amazon2023(reviews, titles="id", with_reviews=False), spec()
    )
    assert data.catalog.text("b") == "b"
    assert data.interactions.review is None
    assert amazon2023.amazon2023_files(reviews, "meta.jsonl", "id") == [Path(reviews)]
    assert amazon2023.amazon2023_files(reviews, "meta.jsonl") == [Path(reviews), Path("meta.jsonl")]


def test_odd_metadata(tmp_path):
    meta = written(
        tmp_path / "meta_Toys.jsonl",
        [
            product("a", "  "),
            product("a", "Alpha", details='{"as": "text"}', price="from 3.50", features=None),
            product("a", "Alpha again"),
            product("b", "B\ud83d", store="\0", price="None", categories=[], description="one"),
            {"parent_asin": "c"},
            product("e"),
            product("f"),
        ],
    )
    reviews = written(tmp_path / "Toys.jsonl", REVIEWS)
    raw = amazon2023.read_amazon2023(reviews, meta)
    assert raw.items.sort("item").rows()[:3] == [("a", "Alpha"), ("b", "B\ufffd"), ("c", "")]
    assert raw.funnel["meta_repeated_items"] == 2
    assert raw.funnel["meta_items_without_title"] == 1
    texts = raw.texts(["b", "nowhere", "a"]).rows(named=True)
    assert [t["item"] for t in texts] == ["b", "nowhere", "a"]
    assert texts[0]["title"] == "B\ufffd"
    assert texts[0]["description"] == "one"
    assert texts[0]["price"] is texts[0]["categories"] is None
    assert texts[1]["title"] is None
    assert texts[2]["details"] == '{"as": "text"}'
    assert texts[2]["price"] == "from 3.50"
    with pytest.raises(DataError, match=r"item 'c' is not in .*meta_Toys.jsonl, or has no title"):
        prepare_dataset(raw, spec())
    assert prepare_dataset(raw, spec(untitled="drop")).report["without_title"] == 4


@pytest.mark.parametrize(
    ("title", "text", "whole"),
    [
        ("Fine", "It works", "Fine. It works"),
        ("Fine!", "It works", "Fine! It works"),
        ("It works", "It works well", "It works well"),
        (" Fine ", None, "Fine"),
        (None, "a<br />b<br>c", "a\nb\nc"),
        ("&#34;Fine&#34;", "A &amp; B &copy &lt;3", '"Fine". A & B \u00a9 <3'),
        ("x", "[[VIDEOID:b434b0]] Take this", "x. Take this"),
        ("", " ", None),
        (None, None, None),
    ],
)
def test_a_review_is_its_title_and_its_text(title, text, whole):
    columns = (pl.Series([value, "x"], dtype=pl.String) for value in (title, text))
    assert amazon_common.join_review_texts(*columns).to_list() == [whole, "x"]


def test_the_domains_are_all_there():
    assert len(set(amazon2023.AMAZON2023_DOMAINS)) == 34
    assert {"All_Beauty", "Grocery_and_Gourmet_Food", "Video_Games"} <= set(
        amazon2023.AMAZON2023_DOMAINS
    )


BROKEN = {
    b'{"rating": 5.0, "title": "Go': "not JSON",
    json.dumps(review(rating="5.0")).encode(): "'rating' is text, not a number",
    json.dumps(review(user=7)).encode(): "'user_id' is the number 7, not text",
    json.dumps(review(parent_asin=...)).encode(): "'parent_asin' is missing",
    json.dumps(review(timestamp=None)).encode(): "'timestamp' is null",
    json.dumps(review()).encode().replace(b"works", b"wo\0ks"): "holds a NUL byte",
    json.dumps(review()).encode().replace(b"works", b"wo\xffks"): "not UTF-8",
    json.dumps(review(text="x" * 5_000_000)).encode(): "longer than 4,194,304 bytes",
    json.dumps(review(rating=float("nan"))).encode(): "not JSON: NaN is not a number",
}


def with_broken_lines(lines):
    """`lines` with all the broken ones among them, and the line numbers of those."""
    step = len(lines) // len(BROKEN)
    mixed = list(lines)
    for i, line in enumerate(BROKEN):
        mixed.insert(i * (step + 1), line)
    return mixed, [i * (step + 1) + 1 for i in range(len(BROKEN))]


def check_broken(path, lines):
    """The same as without the broken lines, which are all named."""
    whole = amazon2023.read_amazon2023(written(path.with_name("whole.jsonl"), lines), titles="id")
    mixed, numbers = with_broken_lines(lines)
    raw = amazon2023.read_amazon2023(written(path, mixed), titles="id")
    assert raw.malformed["line"].to_list() == numbers
    for reason, start in zip(raw.malformed["reason"], BROKEN.values(), strict=True):
        assert reason.startswith(start)
    names = pl.col("user", "item").cast(pl.String)
    assert raw.interactions.with_columns(names).equals(whole.interactions.with_columns(names))
    rows = np.arange(len(lines))
    assert raw.reviews(rows) == whole.reviews(rows)
    assert raw.reviews(rows[3::7]) == whole.reviews(rows)[3::7]
    return whole


def test_broken_lines_are_set_aside_and_no_good_line_is_lost(tmp_path):
    lines = [
        json.dumps(review(f"u{i % 40}", f"a{i % 31}", timestamp=i, text=f"number {i}")).encode()
        for i in range(900)
    ]
    whole = check_broken(tmp_path / "x.jsonl", lines)
    assert whole.reviews(np.array([0, 899])) == ["Fine. number 0", "Fine. number 899"]


def test_too_many_broken_lines_stop(tmp_path):
    path = written(tmp_path / "x.jsonl", [*REVIEWS, *[b"{"] * 11])
    with pytest.raises(DataError, match=r"x.jsonl: 11 of its first 21 lines are malformed"):
        amazon2023.read_amazon2023(path, titles="id")
    assert len(amazon2023.read_amazon2023(path, titles="id", max_malformed=0.9).malformed) == 11
    with pytest.raises(DataError, match=r"no.jsonl: no such file"):
        amazon2023.read_amazon2023(str(tmp_path / "no.jsonl"), titles="id")


@real
def test_the_real_sample_is_read_whole():
    path = SAMPLE / "beauty_reviews.jsonl"
    raw = amazon2023.read_amazon2023(str(path), titles="id")
    table = raw.interactions.with_columns(pl.col("user", "item").cast(pl.String))
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(table) == len(records) == 4_060
    assert not len(raw.malformed)
    for column, field in (
        ("user", "user_id"), ("item", "parent_asin"), ("rating", "rating"),
        ("timestamp", "timestamp"),
    ):  # fmt: skip
        assert table[column].to_list() == [record[field] for record in records]
    assert raw.funnel == {
        "lines": 4_060,
        "blank_lines": 0,
        "malformed_lines": 0,
        "variants_of_an_item": sum(r["asin"] != r["parent_asin"] for r in records),
        "reviews_repeated_in_file": 526,
        "users_with_repeated_reviews": 120,
    }
    reviews = raw.reviews(np.arange(4_060))
    assert all(reviews)
    assert not any("<br" in text or "&#34;" in text or "VIDEOID" in text for text in reviews)
    data = prepare_dataset(raw, spec())
    assert data.report["users"] == 675
    assert data.report["interactions"] + data.report["duplicates_removed"] == 4_060


@real
def test_broken_lines_among_real_ones(tmp_path):
    lines = (SAMPLE / "beauty_reviews.jsonl").read_bytes().splitlines()
    assert len(check_broken(tmp_path / "x.jsonl", lines).interactions) == 4_060


@real
def test_the_real_metadata():
    raw = amazon2023.read_amazon2023(
        str(SAMPLE / "beauty_reviews.jsonl"), str(SAMPLE / "meta_sample.jsonl"), with_reviews=False
    )
    assert raw.items["item"].to_list() == ["B07NTK7T5P", "B01HYNE114", "B08W5BSH6V"]
    texts = raw.texts(["B01HYNE114"]).row(0, named=True)
    assert texts["title"] == "Silver Triangle Earrings with Chevron Pattern"
    assert texts["details"] == "Department: Women; Date First Available: July 4, 2016"
    assert texts["categories"] == "Handmade Products > Jewelry > Earrings > Drop & Dangle"
    assert texts["store"] == "Zo\u00eb Noelle Designs"
    assert texts["price"] is texts["features"] is None

"""Amazon Reviews 2023 (Hou et al., 2024): a domain's review and metadata files as published.

An item is a `parent_asin`: the variants of a product (sizes, colours) have an `asin` each and are
one item. Only ids, ratings and times of all reviews are held; the texts of what preparation leaves
are read in a second pass.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from benchkit.data.disk_table import Table, find_rows, iter_chunks
from benchkit.data.raw import RawData, make_line_lookup
from benchkit.data.readers import jsonl_reader
from benchkit.data.readers.archive import missing_file_error
from benchkit.data.readers.json_validation import ID_DTYPE
from benchkit.data.readers.malformed_lines import MAX_MALFORMED_SHARE
from benchkit.data.readers.nested_values import flatten_to_text
from benchkit.data.sources.amazon_common import (
    first_titled_entries,
    make_item_text_reader,
    make_review_reader,
)
from benchkit.data.sources.base import DataSource
from benchkit.errors import DataError, unknown_name_error
from benchkit.rating_scale import FIVE_STARS

AMAZON2023_DOMAINS = (
    "All_Beauty", "Amazon_Fashion", "Appliances", "Arts_Crafts_and_Sewing", "Automotive",
    "Baby_Products", "Beauty_and_Personal_Care", "Books", "CDs_and_Vinyl",
    "Cell_Phones_and_Accessories", "Clothing_Shoes_and_Jewelry", "Digital_Music", "Electronics",
    "Gift_Cards", "Grocery_and_Gourmet_Food", "Handmade_Products", "Health_and_Household",
    "Health_and_Personal_Care", "Home_and_Kitchen", "Industrial_and_Scientific", "Kindle_Store",
    "Magazine_Subscriptions", "Movies_and_TV", "Musical_Instruments", "Office_Products",
    "Patio_Lawn_and_Garden", "Pet_Supplies", "Software", "Sports_and_Outdoors",
    "Subscription_Boxes", "Tools_and_Home_Improvement", "Toys_and_Games", "Video_Games", "Unknown",
)  # fmt: skip

_REVIEW = {
    "user_id": ID_DTYPE,
    "parent_asin": ID_DTYPE,
    "asin": ID_DTYPE,
    "rating": pl.Float32(),
    "timestamp": pl.Int64(),
}
_REQUIRED = ("user_id", "parent_asin", "rating", "timestamp")

# Text columns of an item, and what stands between the entries of a list.
_TEXTS = {
    "title": " ",
    "description": "\n",
    "features": "\n",
    "details": "; ",
    "categories": " > ",
    "main_category": " ",
    "store": " ",
    "price": " ",
}


def read_amazon2023(
    reviews: str,
    meta: str | None = None,
    titles: Literal["meta", "id"] = "meta",
    with_reviews: bool = True,
    max_malformed: float = MAX_MALFORMED_SHARE,
) -> RawData:
    """Amazon Reviews 2023 (Hou et al., 2024): `DOMAIN.jsonl` and `meta_DOMAIN.jsonl`, or gzipped.

    titles: "meta" takes titles and other texts from `meta`; "id" does without that file and lets
        an item's id stand for its title.
    with_reviews: whether the texts of the reviews are kept.
    max_malformed: share of the lines of a file that may be malformed; see `read_jsonl`.
    Raises DataError when a file is not of this format, or `meta` is missing where it is needed.
    """
    if titles not in ("meta", "id"):
        raise unknown_name_error("source of titles", titles, ("meta", "id"))
    if meta is None and titles == "meta":
        raise DataError(
            f"{reviews}: the titles of its items are in another file, meta_DOMAIN.jsonl.gz",
            'name it as options.meta, or set options.titles = "id" to use ids as titles',
        )
    meta = meta if titles == "meta" else None
    for file in amazon2023_files(reviews, meta, titles):
        if not file.is_file():
            raise missing_file_error(file, "amazon2023")
    path = Path(reviews)
    review_lines = jsonl_reader.read_large_jsonl(
        path, _REVIEW, _REQUIRED, max_malformed=max_malformed
    )
    table, malformed = review_lines.table, review_lines.malformed
    funnel = {
        "lines": review_lines.count,
        "blank_lines": review_lines.blank,
        "malformed_lines": len(malformed),
        "variants_of_an_item": len(find_rows(table, pl.col("asin") != pl.col("parent_asin"))),
        **_count_repeats(table),
    }
    names = {"user_id": "user", "parent_asin": "item"}
    interactions = table.rename(names).select("user", "item", "rating", "timestamp")
    items = _Items(None) if meta is None else _read_meta(meta, max_malformed)
    return RawData(
        interactions,
        items.table,
        origin=(reviews, meta or reviews),
        rating_scale=FIVE_STARS,
        lookup_lines=make_line_lookup(review_lines.skipped),
        funnel={**funnel, **items.funnel},
        malformed=pl.concat([malformed, *items.malformed]),
        reviews=make_review_reader(path, review_lines.skipped, "title", "text")
        if with_reviews
        else None,
        texts=items.texts,
        time_unit="ms",
    )


def amazon2023_files(
    reviews: str,
    meta: str | None = None,
    titles: str = "meta",
    **_: object,
) -> list[Path]:
    """Return the files that `read_amazon2023` opens."""
    return [Path(reviews)] + ([Path(meta)] if meta is not None and titles == "meta" else [])


def _count_repeats(table: Table) -> dict[str, int]:
    """Count reviews that the file has twice: same user, product and millisecond.

    Counted by `asin`, as read, before anything is merged or dropped.
    """
    product = pl.coalesce("asin", "parent_asin")
    names = ("timestamp", "user_id", "asin", "parent_asin")

    def reviews() -> Iterator[pl.DataFrame]:
        for chunk in iter_chunks(table, *names):
            yield chunk.select("timestamp", user="user_id", product=product)

    # Hashes that are equal say which few rows may be.
    hashes = [review.hash_rows() for review in reviews()]
    ordered = np.concatenate([part.to_numpy() for part in hashes])
    ordered.sort()
    repeated = pl.Series(np.unique(ordered[1:][ordered[1:] == ordered[:-1]])).implode()
    del ordered
    close = [
        review.filter(part.is_in(repeated)) for review, part in zip(reviews(), hashes, strict=True)
    ]
    same = pl.concat(close).filter(pl.struct(pl.all()).is_duplicated())
    return {
        "reviews_repeated_in_file": len(same) - same.n_unique(),
        "users_with_repeated_reviews": same["user"].n_unique(),
    }


class _Items(NamedTuple):
    table: pl.DataFrame | None  # item, title
    texts: Callable[[Sequence[str]], pl.DataFrame] | None = None
    funnel: Mapping[str, int] = {}
    malformed: Sequence[pl.DataFrame] = ()


def _read_meta(meta: str, max_malformed: float) -> _Items:
    path = Path(meta)
    fields = {"parent_asin": ID_DTYPE, "title": pl.String()}
    meta_lines = jsonl_reader.read_jsonl(
        path, fields, ("parent_asin",), max_malformed=max_malformed
    )
    every = meta_lines.table.select(
        pl.col("parent_asin").alias("item"),
        pl.col("title").str.strip_chars().fill_null(""),
        pl.Series("line", meta_lines.line_numbers(np.arange(len(meta_lines.table)))),
    )
    items = first_titled_entries(every)
    texts = make_item_text_reader(path, items, tuple(_TEXTS), _texts)
    funnel = {
        "meta_lines": meta_lines.count,
        "meta_malformed_lines": len(meta_lines.malformed),
        "meta_repeated_items": len(every) - len(items),
        "meta_items_without_title": int((items["title"] == "").sum()),
    }
    return _Items(items.select("item", "title"), texts, funnel, [meta_lines.malformed])


def _texts(line: bytes) -> tuple[str | None, ...]:
    record = json.loads(line)
    texts = (flatten_to_text(record.get(name), between) for name, between in _TEXTS.items())
    return (str(record["parent_asin"]), *(text or None for text in texts))


AMAZON2023 = DataSource("amazon2023", read_amazon2023, amazon2023_files)

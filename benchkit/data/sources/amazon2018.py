"""Amazon Review Data 2018 (Ni et al., 2019): a domain's review and metadata files as published.

As with the 2023 edition only ids, ratings and times of all reviews are held, and the texts of what
preparation leaves are read in a second pass.
"""

import html
import json
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

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
from benchkit.rating_scale import FIVE_STARS

# In a part of the metadata a script of the page stands where the title was looked for.
_SCRIPT_TITLE = r"getTime|var aPageStart"
_TEXTS = ("title", "description", "features", "categories", "brand", "price")


def read_amazon2018(
    reviews: str,
    meta: str,
    with_reviews: bool = True,
    max_malformed: float = MAX_MALFORMED_SHARE,
) -> RawData:
    """Amazon Review Data 2018 (Ni et al., 2019): `DOMAIN_5.json` and `meta_DOMAIN.json`, gzipped.

    An item is an `asin`. Times are days, so equal ones are common. Titles that are a script of the
    page and not a title count as none. In every text the entities of HTML become characters.
    with_reviews: whether the texts of the reviews are kept, each after its summary.
    max_malformed: share of the lines of a file that may be malformed; see `read_jsonl`.
    """
    for path in amazon2018_files(reviews, meta):
        if not path.is_file():
            raise missing_file_error(path, "amazon2018")
    path = Path(reviews)
    fields = {
        "reviewerID": ID_DTYPE,
        "asin": ID_DTYPE,
        "overall": pl.Float32(),
        "unixReviewTime": pl.Int64(),
    }
    review_lines = jsonl_reader.read_large_jsonl(
        path, fields, tuple(fields), max_malformed=max_malformed
    )
    items, item_lines, counts, malformed = _items(Path(meta), max_malformed)
    return RawData(
        review_lines.table.rename(
            {
                "reviewerID": "user",
                "asin": "item",
                "overall": "rating",
                "unixReviewTime": "timestamp",
            }
        ),
        items,
        origin=(reviews, meta),
        rating_scale=FIVE_STARS,
        lookup_lines=make_line_lookup(review_lines.skipped),
        funnel={
            "lines": review_lines.count,
            "blank_lines": review_lines.blank,
            "malformed_lines": len(review_lines.malformed),
            **counts,
        },
        malformed=pl.concat([review_lines.malformed, malformed]),
        reviews=make_review_reader(path, review_lines.skipped, "summary", "reviewText")
        if with_reviews
        else None,
        texts=make_item_text_reader(Path(meta), item_lines, _TEXTS, _texts),
        time_unit="s",
    )


def amazon2018_files(reviews: str, meta: str, **_: object) -> list[Path]:
    """Return the two files that `read_amazon2018` opens."""
    return [Path(reviews), Path(meta)]


def _items(
    path: Path, max_malformed: float
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int], pl.DataFrame]:
    """Return `item`, `title`; `item`, `line` in the file; counts; and the malformed lines."""
    fields = {"asin": pl.String(), "title": pl.String()}
    meta_lines = jsonl_reader.read_jsonl(path, fields, ("asin",), max_malformed=max_malformed)
    title = pl.col("title").fill_null("").str.strip_chars()
    junk = title.str.contains(_SCRIPT_TITLE)
    every = meta_lines.table.select(
        pl.col("asin").alias("item"),
        pl.when(~junk).then(title).otherwise(pl.lit("")).alias("title"),
        pl.Series("line", meta_lines.line_numbers(np.arange(len(meta_lines.table)))),
    )
    items = first_titled_entries(every)
    counts = {
        "meta_lines": meta_lines.count,
        "meta_malformed_lines": len(meta_lines.malformed),
        "meta_repeated_items": len(every) - len(items),
        "meta_junk_titles": int(meta_lines.table.select(junk.sum()).item()),
        "meta_items_without_title": int((items["title"] == "").sum()),
    }
    return items.select("item", "title"), items.select("item", "line"), counts, meta_lines.malformed


def _texts(line: bytes) -> tuple[str | None, ...]:
    """Return the id and the texts of a line of metadata; None for what it does not have."""
    record: dict[str, Any] = json.loads(line)
    price, category = record.get("price"), record.get("category")
    # Pieces of the page got in here, too: among the categories, and where there was no price.
    if isinstance(category, list):
        category = list(takewhile(lambda name: "<" not in str(name), category))
    texts = (
        flatten_to_text(record.get("title"), " "),
        flatten_to_text(record.get("description"), "\n"),
        flatten_to_text(record.get("feature"), "\n"),
        flatten_to_text(category, " > "),
        flatten_to_text(record.get("brand"), " "),
        price if isinstance(price, str) and price.startswith("$") else "",
    )
    return (str(record["asin"]), *(html.unescape(text) or None for text in texts))


AMAZON2018 = DataSource("amazon2018", read_amazon2018, amazon2018_files)

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
from benchkit.data.readers.malformed import MAX_MALFORMED_SHARE
from benchkit.data.sources.amazon_common import (
    first_titled_entries,
    flatten_to_text,
    make_item_text_reader,
    make_review_reader,
)
from benchkit.data.sources.base import DataSource

# In a part of the metadata a script of the page stands where the title was looked for.
_SCRIPT_TITLE = r"getTime|var aPageStart"
_TEXTS = ("title", "description", "features", "categories", "brand", "price")


def read_amazon2018(
    reviews: str,
    meta: str,
    with_reviews: bool = True,
    max_malformed: float = MAX_MALFORMED_SHARE,
) -> RawData:
    """Amazon Review Data 2018, one domain: `DOMAIN_5.json[.gz]` and `meta_DOMAIN.json[.gz]`.

    An item is an `asin`. Times are days, so equal ones are common. Titles that are a script of the
    page and not a title count as none. In every text the entities of HTML become characters.
    with_reviews: whether the texts of the reviews are kept, each after its summary.
    max_malformed: share of the lines of a file that may be malformed; see `jsonl.read`.
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
    found = jsonl_reader.read_jsonl(path, fields, tuple(fields), max_malformed=max_malformed)
    items, lines, counts, malformed = _items(Path(meta), max_malformed)
    return RawData(
        found.table.rename(
            {
                "reviewerID": "user",
                "asin": "item",
                "overall": "rating",
                "unixReviewTime": "timestamp",
            }
        ),
        items,
        origin=(reviews, meta),
        lookup_lines=make_line_lookup(found.skipped),
        funnel={
            "lines": found.count,
            "blank_lines": found.blank,
            "malformed_lines": len(found.malformed),
            **counts,
        },
        malformed=pl.concat([found.malformed, malformed]),
        reviews=make_review_reader(path, found.skipped, "summary", "reviewText")
        if with_reviews
        else None,
        texts=make_item_text_reader(Path(meta), lines, _TEXTS, _texts),
    )


def amazon2018_files(reviews: str, meta: str, **_: object) -> list[Path]:
    """Return the two files that `read_amazon2018` opens."""
    return [Path(reviews), Path(meta)]


def _items(
    path: Path, max_malformed: float
) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, int], pl.DataFrame]:
    """`item`, `title`; `item`, `line` in the file; counts; and the malformed lines."""
    fields = {"asin": pl.String(), "title": pl.String()}
    found = jsonl_reader.read_jsonl(path, fields, ("asin",), max_malformed=max_malformed)
    title = pl.col("title").fill_null("").str.strip_chars()
    junk = title.str.contains(_SCRIPT_TITLE)
    every = found.table.select(
        pl.col("asin").alias("item"),
        pl.when(~junk).then(title).otherwise(pl.lit("")).alias("title"),
        pl.Series("line", found.line_numbers(np.arange(len(found.table)))),
    )
    items = first_titled_entries(every)
    counts = {
        "meta_lines": found.count,
        "meta_malformed_lines": len(found.malformed),
        "meta_repeated_items": len(every) - len(items),
        "meta_junk_titles": int(found.table.select(junk.sum()).item()),
        "meta_items_without_title": int((items["title"] == "").sum()),
    }
    return items.select("item", "title"), items.select("item", "line"), counts, found.malformed


def _texts(line: bytes) -> tuple[str | None, ...]:
    """The id and the texts of a line of metadata; None for what it does not have."""
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

"""Tags that users give to items, as one text an item."""

import polars as pl

MAX_TAGS = 20


def most_frequent_tags(tags: pl.DataFrame) -> pl.DataFrame:
    """Return `item`, `tags`: the tags of each item, the 20 given most often, most frequent first.

    tags: `item`, `tag`, a row each time that somebody gave it. Case does not tell tags apart;
    equally frequent ones stand in alphabetical order.

    >>> rows = {"item": ["a"] * 4, "tag": ["Fun", "dark", "DARK", " "]}
    >>> most_frequent_tags(pl.DataFrame(rows)).rows()
    [('a', 'dark, fun')]
    """
    tag = pl.col("tag").str.strip_chars().str.to_lowercase()
    counts = tags.select("item", tag).filter(pl.col("tag") != "").group_by("item", "tag").len()
    ordered = counts.sort("item", "len", "tag", descending=[False, True, False])
    return ordered.group_by("item", maintain_order=True).agg(
        pl.col("tag").head(MAX_TAGS).str.join(", ").alias("tags")
    )

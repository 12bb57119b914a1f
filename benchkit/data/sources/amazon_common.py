"""What the releases of Amazon's reviews share: texts read in a second pass, and cleaned."""

import html
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.readers import jsonl_reader
from benchkit.data.readers.chunked_reader import line_numbers, read_lines_at


def make_review_reader(
    path: Path, skipped: NDArray[np.int64], title: str, text: str
) -> Callable[[NDArray[np.int64]], Sequence[str | None]]:
    """Return a function that reads the reviews of some rows from `title` and `text` in `path`.

    skipped: numbers of the lines that gave no row.
    """

    def reviews(rows: NDArray[np.int64]) -> list[str | None]:
        fields = {title: pl.String(), text: pl.String()}
        picked = jsonl_reader.read_jsonl_lines(path, line_numbers(rows, skipped), fields)
        tables = (join_review_texts(some[title], some[text]).to_list() for some in picked)
        return list(chain.from_iterable(tables))

    return reviews


def make_item_text_reader(
    path: Path,
    lines: pl.DataFrame,
    names: Sequence[str],
    parse: Callable[[bytes], tuple[str | None, ...]],
) -> Callable[[Sequence[str]], pl.DataFrame]:
    """Return a function that reads the texts of some items from the metadata at `path`.

    lines: `item` and the `line` that it stands in. parse: what a line says: the item, then the
    texts `names`.
    """

    def texts(wanted: Sequence[str]) -> pl.DataFrame:
        order = pl.DataFrame({"item": wanted}, schema={"item": pl.String})
        numbers = order.join(lines, on="item")["line"].sort().to_numpy()
        rows = [parse(line) for some in read_lines_at(path, numbers) for line in some]
        schema = {"item": pl.String, **dict.fromkeys(names, pl.String)}
        table = pl.DataFrame(rows, schema=schema, orient="row")
        return order.join(table, on="item", how="left", maintain_order="left")

    return texts


def first_titled_entries(entries: pl.DataFrame) -> pl.DataFrame:
    """Return of each `item` the first entry that has a `title`, else its first entry."""
    return entries.sort(pl.col("title") == "", maintain_order=True).unique(
        "item", keep="first", maintain_order=True
    )


def join_review_texts(title: pl.Series, text: pl.Series) -> pl.Series:
    """Join title and text of each review; null where both are empty.

    The title is left out where the text begins with it. Line breaks and entities of HTML become
    characters, and the marks that stand for videos and images go.
    """
    parts = pl.DataFrame({"head": _strip_markup(title), "body": _strip_markup(text)})
    head, body = pl.col("head"), pl.col("body")
    stop = pl.when(head.str.contains(r"[.!?:;,\u2026]$")).then(pl.lit(" ")).otherwise(pl.lit(". "))
    whole = (
        pl.when(body.str.starts_with(head))
        .then(body)
        .when(body == "")
        .then(head)
        .otherwise(pl.concat_str(head, stop, body))
    )
    return parts.select(pl.when(whole != "").then(whole).alias("review")).to_series()


def _strip_markup(texts: pl.Series) -> pl.Series:
    texts = (
        texts.fill_null("")
        .str.replace_all(r"<br\s*/?>", "\n")
        .str.replace_all(r"\[\[(?:VIDEO|IMAGE)ID:\w*\]\]", "")
    )
    coded = texts.str.contains(r"&#?\w+;").arg_true()
    if len(coded):
        plain = [html.unescape(text) for text in texts.gather(coded)]
        texts = texts.scatter(coded, pl.Series(plain, dtype=pl.String))
    return texts.str.strip_chars()

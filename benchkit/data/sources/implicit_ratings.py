"""Ratings from amounts: hours played or times listened, where a dataset has no stars."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from benchkit.errors import ConfigError

RatingGroup = Literal["item", "user", "none"]


def ratings_from_amounts(
    values: ArrayLike, groups: Sequence[object] | pl.Series | None = None
) -> NDArray[np.float32]:
    """Return [n] ratings 1-5: the fifth of its group that each amount is in; 5 is the top 20 %.

    values: [n] finite amounts, in any unit. groups: [n] what each is compared within (the game,
    the user); by default all with all. Raises ValueError for an amount that is no finite number.

    An amount stands at p = (smaller ones + half of the equal ones) / size of the group, and is
    rated ceil(5 p). So equal amounts get equal ratings, and an amount that has nothing else to be
    compared with is rated 3, neither liked nor disliked.

    >>> ratings_from_amounts([10, 2, 30, 5, 400]).tolist()
    [3.0, 1.0, 4.0, 2.0, 5.0]
    >>> ratings_from_amounts([7, 7, 7, 9], ["a", "a", "b", "b"]).tolist()
    [3.0, 3.0, 2.0, 4.0]
    """
    amount = np.asarray(values, dtype=np.float64)
    if not np.isfinite(amount).all():
        raise ValueError("amounts must be finite numbers")
    table = pl.DataFrame({"amount": amount})
    table = table.with_columns(
        pl.lit(0).alias("group") if groups is None else pl.Series("group", groups)
    )
    # The mean rank of equal amounts counts from 1, so twice p times the size is 2 rank - 1: whole
    # numbers, which keep an amount that stands exactly on a fifth on its own side of it.
    twice = 2 * pl.col("amount").rank("average") - 1
    rating = (5 * twice / (2 * pl.len())).ceil().over("group").cast(pl.Float32)
    return table.select(rating.alias("rating"))["rating"].to_numpy()


def add_ratings(table: pl.DataFrame, amount: str, within: RatingGroup) -> pl.DataFrame:
    """Return `table` with a `rating` made of the column `amount`, which is dropped.

    within: what an amount is compared with, the others of its `item` or of its `user`; "none"
    makes no rating. Raises ConfigError for anything else.
    """
    if within not in get_args(RatingGroup):
        raise ConfigError(
            f"rate_within = {within!r}", f"use one of {', '.join(map(repr, get_args(RatingGroup)))}"
        )
    if within != "none":
        rating = ratings_from_amounts(table[amount].to_numpy(), table[within])
        table = table.with_columns(pl.Series("rating", rating))
    return table.drop(amount)

"""Size and shape of a prepared dataset."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from benchkit.data.dataset import PreparedDataset

SYNTHETIC = "SYNTHETIC"


def mark_synthetic(title: str) -> str:
    """Return the title of tables, plots and pages that are about generated data.

    >>> mark_synthetic("MovieLens 100K")
    'SYNTHETIC: MovieLens 100K'
    """
    return f"{SYNTHETIC}: {title}"


def is_marked_synthetic(title: str) -> bool:
    """Return whether a title says that what it is of was made of generated data.

    >>> is_marked_synthetic(mark_synthetic("MovieLens 100K")), is_marked_synthetic("MovieLens 100K")
    (True, False)
    """
    return title.startswith(f"{SYNTHETIC}: ")


@dataclass(frozen=True)
class DatasetStatistics:
    """Size and shape of a prepared dataset."""

    name: str
    users: int
    items: int
    interactions: int
    average_length: float
    """Interactions a user, targets of validation and test included."""
    median_length: float
    average_item_purchases: float
    """Interactions an item."""
    sparsity: float
    """1 - interactions / (users * items)."""
    tied_users: float | None
    """Share of users with two interactions at one time; None without timestamps."""
    ratings: str
    """The scale of the ratings, e.g. "1-5"; "none" where there are only choices."""
    is_synthetic: bool = False
    """Whether the dataset was generated; no column of a table, but in its title."""


def describe_dataset(dataset: PreparedDataset) -> DatasetStatistics:
    """Return the statistics of all interactions, those of validation and test included."""
    data, users, items = dataset.interactions, len(dataset.users), len(dataset.catalog)
    lengths = np.diff(data.offsets)
    tied = None
    if data.timestamp is not None:
        same = (data.user[1:] == data.user[:-1]) & (data.timestamp[1:] == data.timestamp[:-1])
        tied = len(np.unique(data.user[1:][same])) / users
    return DatasetStatistics(
        name=dataset.name,
        users=users,
        items=items,
        interactions=len(data),
        average_length=len(data) / users,
        median_length=float(np.median(lengths)),
        average_item_purchases=len(data) / items,
        sparsity=1 - len(data) / (users * items),
        tied_users=tied,
        ratings=describe_ratings(dataset),
        is_synthetic=dataset.is_synthetic,
    )


def describe_times(dataset: PreparedDataset) -> str:
    """Say from when to when the interactions are, so that a wrong unit is seen."""
    time = dataset.interactions.timestamp
    if time is None or not len(time):
        return "none: the rows are taken to be in the order of time"
    ends = pl.Series([time.min(), time.max()]).cast(pl.Datetime("ns")).dt.strftime("%Y-%m-%d %H:%M")
    return f"{ends[0]} to {ends[1]} UTC"


def describe_ratings(dataset: PreparedDataset) -> str:
    """Return the scale of the ratings, and the words that it has where they are not five."""
    scale = dataset.catalog.rating_scale
    if scale is None:
        return "none"
    return f"{scale} ({'/'.join(scale.words)})" if scale.is_binary else str(scale)

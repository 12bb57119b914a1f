"""A generated dataset with something to learn: items form clusters, users walk within them."""

from pathlib import Path

import numpy as np
import polars as pl

from benchkit import seeds
from benchkit.data.raw import RawData, make_line_lookup
from benchkit.data.sources.base import DataSource
from benchkit.errors import ConfigError
from benchkit.rating_scale import FIVE_STARS

_GENRES = ("Drama", "Comedy", "Thriller", "Western", "Musical", "Documentary", "Fantasy", "Noir")


def toy_files(**_: int) -> list[Path]:
    """Return no file, because it reads none."""
    return []


def generate_toy(
    users: int = 200, items: int = 120, clusters: int = 6, length: int = 12, seed: int = 0
) -> RawData:
    """Generated users who mostly stay in one cluster and mostly take its next unseen item.

    `length` is the mean number of interactions a user (at least 3). Ratings are 1-5, higher within
    the user's own cluster. Every number depends on `seed` alone.
    """
    for name, value, most in (
        ("users", users, 10**6), ("items", items, 10**6), ("clusters", clusters, items),
        ("length", length, 10**6),
    ):  # fmt: skip
        if not 1 <= value <= most:
            raise ConfigError(f"toy data: {name} = {value}", f"give 1 to {most}")
    rng = seeds.generator("toy", users, items, clusters, length, seed)
    cluster = np.arange(items) % clusters
    rows: list[tuple[str, str, int, int]] = []
    for user in range(users):
        home = int(rng.integers(clusters))
        cluster_items, n = np.flatnonzero(cluster == home), max(3, int(rng.poisson(length)))
        taken: list[int] = []
        place = int(rng.integers(len(cluster_items)))
        for step in range(min(n, items)):
            free = np.setdiff1d(np.arange(items), taken)
            inside = np.setdiff1d(cluster_items, taken)
            if len(inside) and rng.random() < 0.85:
                item = int(
                    inside[
                        np.argmin(
                            (np.searchsorted(cluster_items, inside) - place) % len(cluster_items)
                        )
                    ]
                )
                place = int(np.searchsorted(cluster_items, item)) + 1
            else:
                item = int(rng.choice(free))
            taken.append(item)
            rating = int(np.clip(rng.normal(4.2 if cluster[item] == home else 2.8, 0.8), 1, 5))
            rows.append((f"u{user}", f"i{item}", rating, 1_000_000 + 1000 * step + user))
    interactions = pl.DataFrame(rows, schema=["user", "item", "rating", "timestamp"], orient="row")
    texts = pl.DataFrame(
        {
            "item": [f"i{i}" for i in range(items)],
            "title": [f"{_GENRES[cluster[i] % len(_GENRES)]} Story No. {i}" for i in range(items)],
            "genres": [_GENRES[cluster[i] % len(_GENRES)] for i in range(items)],
        }
    )
    return RawData(
        interactions,
        texts,
        ("toy interactions", "toy items"),
        make_line_lookup([]),
        rating_scale=FIVE_STARS,
        time_unit="s",
    )


TOY = DataSource("toy", generate_toy, toy_files)

"""Tables of a small dataset with everything that a format may lose."""

import numpy as np
import polars as pl

from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.raw import RawData
from benchkit.data.spec import DatasetSpec

USERS = ("a", "a#2", "a b", "007", "NA", 'ü\t"', "用户\n2", "%20", "x\r\ny")
TITLES = (
    "tab\there", "line\nend", "return\rhere", 'quote " in it', "both\r\n", "", " spaces ",
    "推荐 😀",
    '"quoted"', "\u2028", "nul\x00", "NA", "a,b;c|d", "\\t", "<b>&amp;", "\ufeffmark",
)  # fmt: skip
REVIEWS = (None, "", "fine", 'a "b"\tc\r\nd', "\n", "null")


def hostile_tables(seed=0, per_user=8, with_times=True, with_ratings=True):
    """Interactions and items: duplicated events, missing ratings, ids and texts as above."""
    rng = np.random.default_rng(seed)
    items = [f"i{n} \t#{n}" if n % 3 else f"i{n}" for n in range(len(TITLES))]
    user = np.repeat(USERS, per_user)
    n = len(user)
    columns = {"user": user.tolist(), "item": [items[k] for k in rng.integers(0, len(items), n)]}
    if with_ratings:
        rating = rng.choice([1.0, 2.5, 3.0, 0.7, 5.0], n)
        columns["rating"] = [None if rng.random() < 0.3 else float(v) for v in rating]
    if with_times:
        columns["timestamp"] = (1_600_000_000 + rng.integers(0, 5, n)).tolist()
    columns["review"] = [REVIEWS[k] for k in rng.integers(0, len(REVIEWS), n)]
    texts = {
        "item": items,
        "title": [text if text.strip() else f"title {k}" for k, text in enumerate(TITLES)],
        "blurb": [*TITLES[1:], None],
    }
    schema = {"rating": pl.Float32} if with_ratings else None
    return pl.DataFrame(columns, schema_overrides=schema), pl.DataFrame(texts)


def hostile_dataset(seed=0, spec=None, **options):
    """The prepared dataset and its specification."""
    interactions, items = hostile_tables(seed, **options)
    values = {
        "name": "odd", "source": "toy", "duplicates": "keep", "similar_ids": "keep",
        "candidates": {"count": 5}, "rating_scale": [0, 5], **(spec or {}),
    }  # fmt: skip
    if "rating" not in interactions.columns:
        values.pop("rating_scale")
    settings = DatasetSpec.model_validate(values)
    return prepare_dataset(RawData(interactions, items), settings), settings

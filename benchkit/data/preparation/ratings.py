"""What the column `rating` means: the scale that a suite or a source declares, or the data show."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.disk_table import set_column
from benchkit.data.raw import RawData
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError
from benchkit.rating_scale import FIVE_STARS, HALF_STARS, RatingScale

_KNOWN_ENDS = (5.0, 10.0, 100.0)
_KNOWN_SCALES = "1-5, 1-10 and 0-100"
_FEW_RATINGS = 5  # of a file, which need not have the best one
_THUMB_RANGE = 2  # of 0/1 and -1/1: two values are then down and up, not two of many stars


def interpret_ratings(raw: RawData, spec: DatasetSpec) -> tuple[RawData, RatingScale | None]:
    """Return `raw` with NaN for missing ratings, and their scale.

    Without ratings (none at all, `rating_scale = "implicit"`, or every one a 1, which says no more
    than that an item was chosen) the column is dropped and the scale is None.

    Args:
        raw: Tables with columns of the house types.
        spec: What the suite declares.

    Raises:
        DataError: A rating is off the scale, or the scale cannot be told from the data.
    """
    table = raw.interactions
    if "rating" not in table.columns:
        if isinstance(spec.rating_scale, tuple) or spec.unrated is not None:
            raise DataError(
                f"{raw.origin[0]}: no column 'rating', though the dataset declares a scale",
                "map the column in options.columns, or leave out rating_scale and unrated",
            )
        return raw, None
    rating = table["rating"].fill_null(np.nan).to_numpy().copy()
    if spec.unrated is not None:
        rating[rating == np.float32(spec.unrated)] = np.nan
    present = rating[~np.isnan(rating)]
    if not len(present) or spec.rating_scale == "implicit":
        return _drop_ratings(raw), None
    scale = raw.rating_scale
    if isinstance(spec.rating_scale, tuple):  # in the precision of the ratings, or 0.7 < 0.7
        low, high = np.array(spec.rating_scale, dtype=np.float32).tolist()
        scale = RatingScale(low, high)
    if scale is not None:
        _require_on_scale(raw, rating, scale)
    elif (present == 1).all():
        return _drop_ratings(raw), None
    else:
        _refuse_different_parts(raw, rating)
        _refuse_counts(raw, present)
        scale = find_rating_scale(present, raw.origin[0])
    if scale.high - scale.low <= _THUMB_RANGE and np.isin(present, (scale.low, scale.high)).all():
        scale = RatingScale(scale.low, scale.high, is_binary=True)
    with_nan = set_column(table, pl.Series("rating", rating, dtype=pl.Float32))
    return raw.replace_interactions(with_nan), scale


def find_rating_scale(ratings: NDArray[np.float32], file: str) -> RatingScale:
    """Return the scale of ratings [n] that show it: they reach 5, 10 or 100 and have no 0.

    Args:
        ratings: All ratings, none of them missing.
        file: Where they stand, for messages.

    Raises:
        DataError: They can be read in more than one way; the message names the readings.

    >>> str(find_rating_scale(np.array([2, 5, 3], dtype=np.float32), "r.csv"))
    '1-5'
    >>> str(find_rating_scale(np.array([7.5, 10], dtype=np.float32), "r.csv"))
    '1-10'
    """
    low, high = float(ratings.min()), float(ratings.max())
    if low == high:
        wider = _enclosing(low, high)
        readings = [f"{_declare(*wider)} if it is one of a scale"] if wider else []
        readings.append('rating_scale = "implicit" if it only says that an item was chosen')
        raise _ambiguous(f"{file}: every rating is {low:g}", ", or ".join(readings))
    if low == 0 and high == 1:
        raise _ambiguous(
            f"{file}: ratings are 0 to 1; a 0 can be a dislike, or say that an item was shown and"
            " not chosen",
            f"{_declare(0, 1)} if it is a dislike; else remove these rows, because they would count"
            ' as choices, and set rating_scale = "implicit"',
        )
    if low == 0 and high in _KNOWN_ENDS:
        raise _ambiguous(
            f"{file}: ratings are 0 to {high:g}; a 0 can be the worst rating or stand for none",
            f"{_declare(0, high)} if it is the worst rating, or unrated = 0 if it stands for none",
        )
    if low > 0 and high in _KNOWN_ENDS:
        if high == 5 and low < 1:
            return HALF_STARS if low >= 0.5 else RatingScale(0, 5)
        if high == 100:
            return RatingScale(0, 100)
        if low >= 1:
            return FIVE_STARS if high == 5 else RatingScale(1, high)
        return RatingScale(0, high)
    wider = _enclosing(low, high)
    readings = [f"{_declare(low, high)} if these are its ends"]
    if wider is not None and wider != (low, high):
        readings.append(f"{_declare(*wider)} if these are possible, too")
    readings.append(
        'or rating_scale = "implicit" if they are no opinions (counts, seconds, clicks)'
    )
    raise _ambiguous(
        f"{file}: ratings are {low:g} to {high:g}, which does not show the scale ({_KNOWN_SCALES}"
        " are found in the data when their best rating occurs)",
        ", ".join(readings),
    )


def _refuse_different_parts(raw: RawData, rating: NDArray[np.float32]) -> None:
    """Refuse files of a split whose ratings end at different usual scales.

    Together they would show the larger one, and the best ratings of a file would be poor ones. A
    file of few ratings shows nothing: its best one may not occur.
    """
    if raw.part is None:
        return
    ends: dict[float, tuple[str, float, float]] = {}
    for part, file in raw.part_files.items():
        values = rating[(raw.part == part) & ~np.isnan(rating)]
        wider = _enclosing(float(values.min()), float(values.max())) if len(values) else None
        if wider is not None and len(values) >= _FEW_RATINGS:
            ends.setdefault(wider[1], (file, float(values.min()), float(values.max())))
    if len(ends) > 1:
        texts = [f"{file} are {low:g} to {high:g}" for _, (file, low, high) in sorted(ends.items())]
        low, high = float(np.nanmin(rating)), float(np.nanmax(rating))
        wider = _enclosing(low, high) or (low, high)
        raise DataError(
            f"split: the files may have ratings on different scales: those of"
            f" {', those of '.join(texts)}",
            f"if they are of one scale, set {_declare(*wider)} in the dataset; otherwise convert"
            " them to one",
        )


def _refuse_counts(raw: RawData, ratings: NDArray[np.float32]) -> None:
    """Refuse whole numbers that end at 5, 10 or 100 by chance, as counts of plays may.

    Most counts are 1, as hardly anybody rates most items worst; whole numbers up to 100 are on a
    scale without a question only in steps of five.
    """
    low, high = float(ratings.min()), float(ratings.max())
    if high not in _KNOWN_ENDS or low < 1 or low == high or (ratings % 1 != 0).any():
        return
    if high < _KNOWN_ENDS[-1]:
        ones = float((ratings == 1).mean())
        if ones <= 0.5:
            return
        what = f"{ones:.0%} of the ratings are 1, and the largest is {high:g}"
    else:
        if (ratings % 5 == 0).all():
            return
        what = f"ratings are whole numbers from {low:g} to 100"
    raise _ambiguous(
        f"{raw.origin[0]}: {what}: they can be opinions, or count how often an item was chosen",
        f"{_declare(*(_enclosing(low, high) or (low, high)))} if they are opinions, or rating_scale"
        ' = "implicit" if they are counts',
    )


def _ambiguous(cause: str, readings: str) -> DataError:
    return DataError(cause, f"set in the dataset {readings}")


def _declare(low: float, high: float) -> str:
    return f"rating_scale = [{low:g}, {high:g}]"


def _enclosing(low: float, high: float) -> tuple[float, float] | None:
    """Return the smallest usual scale that holds both values, None where there is none."""
    if low < 0 or high > _KNOWN_ENDS[-1]:
        return None
    if low < 1 and high <= 1:
        return (0, 1)
    end = next(end for end in _KNOWN_ENDS if high <= end)
    return (1 if low >= 1 and end < _KNOWN_ENDS[-1] else 0, end)


def _drop_ratings(raw: RawData) -> RawData:
    return raw.replace_interactions(raw.interactions.drop("rating"))


def _require_on_scale(raw: RawData, rating: NDArray[np.float32], scale: RatingScale) -> None:
    off = np.flatnonzero((rating < scale.low) | (rating > scale.high))
    if not len(off):
        return
    (line,) = raw.lookup_lines(off[:1].astype(np.int64))
    value = float(rating[off[0]])
    is_one_value = bool((rating[off] == value).all())
    raise DataError(
        f"{raw.origin[0]}, line {line}, column 'rating': {value:g} is not on the scale {scale}"
        f" ({len(off)} such rows)",
        "correct these rows, or set another rating_scale in the dataset"
        + (f", or unrated = {value:g} if this stands for no rating" if is_one_value else ""),
    )

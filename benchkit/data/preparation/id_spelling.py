"""Ids that are one to the eye and several to a table: spaces, letters nobody sees, zeros, capitals.

Everything is computed on the distinct ids, and most of it on those few that could be concerned.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.disk_table import find_rows, gather, gather_chunks
from benchkit.data.preparation.id_encoding import IdCodes
from benchkit.data.raw import RawData
from benchkit.data.spec import DatasetSpec
from benchkit.data.splits.base import TRAIN
from benchkit.errors import DataError

Kind = Literal["user", "item"]
_VISIBLE_ASCII = r"^[\x21-\x7e]*$"
_UNSEEN = r"[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]"
_WHOLE_NUMBER = r"^0*(\d+)(?:\.0*)?$"
_KEEP = 'similar_ids = "keep" in the dataset if they are different'


def visible_form(id_: pl.Expr) -> pl.Expr:
    """Return ids without surrounding spaces and invisible characters, in the Unicode form NFC.

    >>> ids = pl.DataFrame({"id": ["u1", "u1\\u00a0", "u\\u200b1"]})
    >>> ids.select(visible_form(pl.col("id"))).to_series().to_list()
    ['u1', 'u1', 'u1']
    """
    visible = id_.str.replace_all(r"\s", " ").str.replace_all(_UNSEEN, "")
    return visible.str.strip_chars(" ").str.normalize("NFC")


def similar_forms(ids: pl.Series) -> pl.Series:
    """Return ids as programs confuse them: in small letters, whole numbers without zeros around.

    >>> similar_forms(pl.Series(["U3 ", "007", "7.0", "0.5"])).to_list()
    ['u3', '7', '7', '0.5']
    """
    ids = ids.rename("id")
    visible = visible_form(pl.col("id")).str.normalize("NFKC")
    forms = _change_some(ids, ~ids.str.contains(_VISIBLE_ASCII), visible).str.to_lowercase()
    return _change_some(
        forms, forms.str.contains(_WHOLE_NUMBER), pl.col("id").str.replace(_WHOLE_NUMBER, "$1")
    )


def _change_some(ids: pl.Series, mask: pl.Series, change: pl.Expr) -> pl.Series:
    """Return ids with those of `mask` changed: most need nothing, and the change is slow."""
    rows = mask.arg_true()
    if not len(rows):
        return ids
    return ids.scatter(rows, ids.gather(rows).to_frame().select(change).to_series())


def refuse_equal_looks(raw: RawData, kind: Kind, ids: IdCodes, spec: DatasetSpec) -> None:
    """Refuse ids that differ by surrounding spaces, invisible characters or Unicode form alone.

    Nobody means two users by them, and each would get half of the other's history.

    Args:
        raw: Tables with columns of the house types.
        kind: The column.
        ids: Codes of that column.
        spec: The dataset; `similar_ids` can allow such ids.

    Raises:
        DataError: There are such ids, or one that holds nothing that can be seen.
    """
    suspects = _filter_ids(raw, kind, ids, ~pl.col("id").str.contains(_VISIBLE_ASCII))
    if not len(suspects):
        return
    suspects = suspects.with_columns(form=visible_form(pl.col("id")))
    blank = suspects.filter(pl.col("form") == "")["id"].sort()
    if len(blank):
        raise DataError(
            f"{_place(raw, kind, blank[0])}, column {kind!r}: {blank[0]!a} holds no character"
            " that can be seen",
            "correct or remove these rows",
        )
    if spec.similar_ids == "keep":
        return
    changed = suspects.filter(pl.col("form") != pl.col("id"))
    if not len(changed):
        return
    # One that is written plainly is its own form, and needs no regular expression.
    same = pl.concat(
        [
            changed,
            _filter_ids(raw, kind, ids, pl.col("id").is_in(changed["form"].implode())).with_columns(
                form="id"
            ),
        ]
    )
    groups = (
        same.group_by("form").agg(pl.col("id").unique().sort()).filter(pl.col("id").list.len() > 1)
    )
    if len(groups):
        first, second = groups.sort("form")["id"][0].to_list()[:2]
        places = f"{_place(raw, kind, first)}, and {_place(raw, kind, second)}"
        raise DataError(
            f"{places}: {kind}s {first!a} and {second!a} look alike: they differ by"
            " spaces around them, invisible characters or the form of Unicode alone"
            f" ({len(groups)} such {kind}s)",
            f"write each {kind} in one way; or set {_KEEP}",
        )


def _filter_ids(raw: RawData, kind: Kind, ids: IdCodes, condition: pl.Expr) -> pl.DataFrame:
    """Return the distinct ids, of items those of their file too, for which a condition holds."""
    parts: Iterable[pl.Series] = gather_chunks(raw.interactions, kind, ids.first)
    if kind == "item" and raw.items is not None:
        parts = chain(parts, [raw.items["item"].drop_nulls()])
    fit = [part.alias("id").to_frame().filter(condition) for part in parts]
    return pl.concat(fit).unique()


def refuse_new_spellings(raw: RawData, users: IdCodes, spec: DatasetSpec) -> None:
    """Refuse a split whose users without a history would have one if their ids were respelt.

    "007" in one file and "7" in another is one user to whoever made the split.

    Raises:
        DataError: A user without training rows is, but for capitals, leading zeros, a trailing
            ".0" and the like, one who has some.
    """
    if raw.part is None or spec.similar_ids == "keep":
        return
    n = len(users.first)
    is_known = np.bincount(users.codes[raw.part == TRAIN], minlength=n) > 0
    pairs = _similar_pairs(gather(raw.interactions, "user", users.first), is_known)
    if len(pairs):
        new, known = pairs.row(0)
        cold = int((~is_known).sum())
        raise DataError(
            f"split: user {new!a} ({_place(raw, 'user', new)}) has no rows in the training"
            f" file, and {known!a} ({_place(raw, 'user', known)}) has: {len(pairs)} of {cold}"
            " users without training rows differ from one who has some by the way they are written",
            f"write users in one way in all files; or set {_KEEP}",
        )


def refuse_new_item_spellings(raw: RawData, items: IdCodes, spec: DatasetSpec) -> None:
    """Refuse items without a title that would have one if their ids were respelt.

    Raises:
        DataError: The items' file has an item of the interactions under another spelling alone.
    """
    if raw.items is None or spec.similar_ids == "keep":
        return
    names = gather(raw.interactions, "item", items.first)
    listed = raw.items["item"].drop_nulls()
    missing = names.filter(~names.is_in(listed.implode()))
    if not len(missing):
        return
    both = pl.concat([missing, listed])
    is_listed = np.arange(len(both)) >= len(missing)
    pairs = _similar_pairs(both, is_listed)
    if len(pairs):
        new, known = pairs.row(0)
        raise DataError(
            f"{_place(raw, 'item', new)}: item {new!a} is not in {raw.origin[1]}, and"
            f" {known!a} is: {len(pairs)} of {len(missing)} items without a title differ from"
            " one that has a title by the way they are written",
            f"write items in one way in both files; or set {_KEEP}",
        )


def describe_similar_ids(users: list[str], items: list[str]) -> Iterator[str]:
    """Yield a text for ids that differ by capitals, leading zeros or a trailing ".0" alone.

    Real ids can differ so: it is said, and nothing is refused.

    >>> list(describe_similar_ids(["U3", "u3", "u4"], ["1", "2"]))
    ["2 of 3 users differ from another by capitals, zeros or '.0' alone, e.g. 'U3' and 'u3'"]
    """
    for kind, names in (("users", users), ("items", items)):
        ids = pl.Series("id", names, dtype=pl.String)
        forms = similar_forms(ids)
        if forms.n_unique() < len(forms):
            table = pl.DataFrame({"id": ids, "form": forms})
            alike = table.filter(pl.col("form").is_duplicated()).sort("form", "id")
            first, second = alike["id"][:2]
            yield (
                f"{len(alike)} of {len(names)} {kind} differ from another by capitals, zeros or"
                f" '.0' alone, e.g. {first!r} and {second!r}"
            )


def _similar_pairs(names: pl.Series, is_known: NDArray[np.bool_]) -> pl.DataFrame:
    """Return (new, known) for names that resemble a known one, sorted by the new name."""
    if is_known.all() or not is_known.any():
        return pl.DataFrame({"new": [], "known": []})
    table = pl.DataFrame({"id": names, "known": is_known, "form": similar_forms(names)})
    known = table.filter("known").select("form", known="id").sort("known")
    new = table.filter(~pl.col("known")).select("form", new="id").sort("new")
    pairs = new.join(known.unique("form", keep="first", maintain_order=True), on="form")
    return pairs.select("new", "known").sort("new")


def _place(raw: RawData, kind: Kind, name: str) -> str:
    """Return the file and the line in which an id stands first."""
    row = find_rows(raw.interactions, pl.col(kind) == name)[:1]
    if len(row):
        file = raw.origin[0]
        if raw.part is not None:
            file = raw.part_files.get(int(raw.part[row[0]]), file)
        return f"{Path(file).name} line {raw.lookup_lines(row)[0]}"
    if raw.items is None:
        return raw.origin[0]
    row = find_rows(raw.items, pl.col("item") == name)[:1]
    file = Path(raw.origin[1]).name
    if raw.lookup_item_lines is None:
        return f"{file} row {row[0] + 1}"
    return f"{file} line {raw.lookup_item_lines(row)[0]}"

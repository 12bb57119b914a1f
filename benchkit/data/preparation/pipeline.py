"""Raw tables to a Dataset: duplicates, k-core, order in time, codes, split, frozen cases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data.dataset import PreparedDataset
from benchkit.data.disk_table import DiskTable, Table, find_rows, gather
from benchkit.data.preparation.case_freezing import (
    CaseFreezer,
    CodedTables,
    load_candidate_lists,
)
from benchkit.data.preparation.cold_start import withhold_items, withhold_users
from benchkit.data.preparation.id_encoding import (
    IdCodes,
    chronological_order,
    count_codes,
    deduplication_mask,
    encode_ids,
    factorize,
)
from benchkit.data.preparation.id_spelling import (
    describe_similar_ids,
    refuse_equal_looks,
    refuse_new_item_spellings,
    refuse_new_spellings,
)
from benchkit.data.preparation.k_core import k_core
from benchkit.data.preparation.past_items import PastItems
from benchkit.data.preparation.ratings import interpret_ratings
from benchkit.data.preparation.split_caveats import describe_split
from benchkit.data.preparation.time_plausibility import describe_early_times
from benchkit.data.preparation.times import interpret_times
from benchkit.data.raw import RawData, validate_raw_data
from benchkit.data.readers.list_files import ListFile
from benchkit.data.spec import CandidateFileSpec, DatasetSpec
from benchkit.data.splits.base import TRAIN
from benchkit.data.splits.files import split_by_files
from benchkit.data.splits.lookup import make_splitter
from benchkit.errors import DataError
from benchkit.rating_scale import FIVE_STARS, RatingScale
from benchkit.types import Catalog, Interactions


def prepare_dataset(raw: RawData, spec: DatasetSpec) -> PreparedDataset:
    """Prepare `raw` as `spec` says. Interactions with equal times keep their order in the file."""
    raw, early = _interpret_times(raw, spec)
    if spec.rating_scale == "implicit":  # then the column need not even hold numbers
        raw = raw.replace_interactions(raw.interactions.drop("rating", strict=False))
    has_ratings = "rating" in raw.interactions.columns
    raw, scale = interpret_ratings(validate_raw_data(raw), spec)
    table = raw.interactions
    funnel = {**raw.funnel, "interactions_read": len(table)}
    if has_ratings and scale is None:
        funnel["ratings_that_say_nothing"] = len(table)
    user_ids, item_ids = _factorize_both(table)
    refuse_equal_looks(raw, "user", user_ids, spec)
    refuse_equal_looks(raw, "item", item_ids, spec)
    refuse_new_spellings(raw, user_ids, spec)
    refuse_new_item_spellings(raw, item_ids, spec)
    timed = "timestamp" in table.columns

    def times_of(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        if not timed:
            return np.zeros(len(rows), dtype=np.int64)
        return gather(table, "timestamp", rows).to_numpy()

    rows = _select_rows(raw, spec, user_ids, item_ids, times_of, funnel)
    lists = load_candidate_lists(raw, spec)
    users, user = encode_ids(table, "user", user_ids, rows)
    items, item = encode_ids(table, "item", item_ids, rows)
    items, item = _add_items(items, item, lists)
    del user_ids, item_ids
    time = times_of(rows)
    order = chronological_order(user, time)  # ties keep the order of the file
    if raw.part is not None:
        order = order[np.lexsort((raw.part[rows][order], user[order]))]  # stable: time within parts
    rows, user, item, time = rows[order], user[order], item[order], time[order]
    funnel["users_with_tied_times"] = _tied_users(user, time) if timed else 0
    interactions = Interactions(
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(np.bincount(user))]).astype(np.int64),
        rating=_ratings(table, rows),
        timestamp=time if timed else None,
        review=_reviews(raw, rows),
        rating_scale=scale or FIVE_STARS,
    )
    del user, item, time, order
    if interactions.rating is not None and (unrated := np.isnan(interactions.rating)).any():
        funnel["without_rating"] = int(unrated.sum())
    funnel |= {"users": len(users), "items": len(items), "interactions": len(interactions)}
    tables = CodedTables(
        users,
        _catalog(raw, items, scale),
        interactions,
        rows,
        None if raw.part is None else raw.part[rows],
    )
    dataset = _freeze_cases(spec, tables, lists, funnel)
    return replace(dataset, caveats=(*early, *dataset.caveats))


def _ratings(table: Table, rows: NDArray[np.int64]) -> NDArray[np.float32] | None:
    if "rating" not in table.columns:
        return None
    return gather(table, "rating", rows).to_numpy(writable=True)


def _factorize_both(table: Table) -> tuple[IdCodes, IdCodes]:
    """Return codes of users and items.

    Any codes will do until it is known which few of the ids are left to be named and sorted.
    """
    if isinstance(table, DiskTable):  # one after the other takes less memory
        return factorize(table, "user"), factorize(table, "item")
    with ThreadPoolExecutor(2) as pool:
        user_ids, item_ids = pool.map(factorize, (table, table), ("user", "item"))
    return user_ids, item_ids


def _select_rows(
    raw: RawData,
    spec: DatasetSpec,
    user_ids: IdCodes,
    item_ids: IdCodes,
    times_of: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    funnel: dict[str, int],
) -> NDArray[np.int64]:
    """Return the rows that are left, ascending; `funnel` takes down why others are not."""
    user, item = user_ids.codes, item_ids.codes
    titled = _has_title(raw, item_ids, spec)[item]
    n_titled = int(titled.sum())
    funnel["without_title"] = len(titled) - n_titled
    left = titled
    if spec.duplicates != "keep":
        counted = None if n_titled == len(titled) else titled
        left = deduplication_mask(user, item, times_of, spec.duplicates, counted)
    n_left = int(left.sum())
    funnel["duplicates_removed"] = n_titled - n_left
    if spec.duplicates == "error" and n_left < n_titled:
        raise _duplicate_error(raw, np.flatnonzero(titled & ~left))
    all_left = n_left == len(left)
    inside, funnel["k_core_rounds"] = k_core(
        user if all_left else user[left], item if all_left else item[left], spec.k_core
    )
    funnel["below_k_core"] = n_left - int(inside.sum())
    rows = np.flatnonzero(left)[inside]
    long = count_codes(user[rows], len(user_ids.first)) >= spec.min_length
    is_long = long[user[rows]]
    funnel["of_users_below_min_length"] = int((~is_long).sum())
    rows = rows[is_long]
    if not len(rows):
        raise DataError(
            f"dataset {spec.name!r}: no interaction is left after the {spec.k_core}-core",
            "lower k_core, or check the columns user and item",
        )
    return rows


def _interpret_times(raw: RawData, spec: DatasetSpec) -> tuple[RawData, tuple[str, ...]]:
    """Return the tables with their times in nanoseconds, and what must be said of these."""
    timed = interpret_times(raw, spec)
    if "timestamp" not in timed.interactions.columns:
        return timed, ()
    return timed, tuple(describe_early_times(raw, timed.interactions, spec))


def _freeze_cases(
    spec: DatasetSpec, tables: CodedTables, lists: dict[str, ListFile], funnel: dict[str, int]
) -> PreparedDataset:
    users, catalog, data = tables.users, tables.catalog, tables.interactions
    files = spec.split_files
    if files is None or tables.part is None:
        split = make_splitter(spec.split).split(data)
    else:
        split = split_by_files(files, data, tables.part)
    drawable = np.ones(len(catalog), dtype=np.bool_)
    if spec.cold is not None:
        cold = spec.cold
        if cold.of == "users":
            split = withhold_users(split, data, users, cold.share, cold.seed)
        else:
            split, drawable = withhold_items(split, data, catalog.ids, cold.share, cold.seed)
    if not len(split.test.target):
        raise DataError(
            f"dataset {spec.name!r}: no user has a history and an item to ask for under split"
            f" {spec.split!r} ({len(users)} users, {len(data)} interactions)",
            "users need two interactions or more; check the column user",
        )
    past = PastItems.from_interactions(data.user, data.item, len(catalog))
    trained = data.item[split.part == TRAIN]
    popularity = np.bincount(trained, minlength=len(catalog))

    split = replace(split, test=split.test.in_order_of_time(data))
    freezer = CaseFreezer(spec, tables, past, popularity, drawable, lists)
    if isinstance(spec.candidates, CandidateFileSpec):  # validation lists are as long as the test's
        test, counts = freezer.freeze("test", split.test)
        valid, more = freezer.freeze("valid", split.valid, int(np.bincount(test.lengths).argmax()))
    else:
        with ThreadPoolExecutor(2) as pool:
            (valid, more), (test, counts) = pool.map(
                freezer.freeze, ("valid", "test"), (split.valid, split.test)
            )
    if not len(test):
        raise DataError(
            f"dataset {spec.name!r}: every target repeats the only item of its history, so that no"
            " other item of the history can stand beside it",
            'set duplicates = "first", which asks for new items alone',
        )
    funnel = {**funnel, **counts, **more}
    counted = {"validation_cases": len(valid), "test_cases": len(test)}
    if decided := int(test.is_decided.sum()):
        counted["test_cases_with_one_candidate"] = decided
    report = {**funnel, **split.funnel, **counted}
    return PreparedDataset(
        name=spec.name,
        users=tuple(users),
        catalog=catalog,
        interactions=data,
        part=split.part,
        valid=valid,
        test=test,
        report=report,
        caveats=(*describe_split(report), *describe_similar_ids(users, list(catalog.ids))),
    )


def _add_items(
    items: list[str], item: NDArray[np.int64], lists: dict[str, ListFile]
) -> tuple[list[str], NDArray[np.int64]]:
    """Return the catalogue with the candidates that nobody chose, and the rows in its codes."""
    extra = {name for file in lists.values() for row in file.lists for name in row.items}
    extra -= set(items)
    if not extra:
        return items, item
    names = sorted([*items, *extra])  # by code points, as the sort of UTF-8 texts is
    place = {name: code for code, name in enumerate(names)}
    codes = np.array([place[name] for name in items], dtype=np.int64)
    return names, codes[item]


def _has_title(raw: RawData, items: IdCodes, spec: DatasetSpec) -> NDArray[np.bool_]:
    """Return [n_codes] whether an item has a title; `spec.untitled` can forbid those without."""
    if raw.items is None:
        return np.ones(len(items.first), dtype=np.bool_)
    titled = raw.items.filter(pl.col("title").str.strip_chars() != "")["item"]
    names = gather(raw.interactions, "item", items.first)
    has_title = names.is_in(titled.implode())
    if spec.untitled == "error" and not has_title.all():
        missing = names.filter(~has_title).sort()
        raise DataError(
            f"{raw.origin[0]}: item {missing[0]!r} is not in {raw.origin[1]}, or has no title there"
            f" ({len(missing)} such items)",
            'add them with their titles, or set untitled = "drop" in the dataset',
        )
    return has_title.to_numpy()


def _duplicate_error(raw: RawData, extra: NDArray[np.int64]) -> DataError:
    """Return the error for rows that repeat an earlier interaction."""
    table = raw.interactions
    user, item = (gather(table, name, extra[:1])[0] for name in ("user", "item"))
    alike = find_rows(table, (pl.col("user") == user) & (pl.col("item") == item))[:5]
    named = ", ".join(map(str, raw.lookup_lines(alike).tolist()))
    return DataError(
        f"{raw.origin[0]}: user {user!r} has item {item!r} more than once (lines {named});"
        f" {len(extra)} interactions repeat an earlier one",
        'set duplicates = "first", "last" or "keep" in the dataset',
    )


def _reviews(raw: RawData, rows: NDArray[np.int64]) -> list[str | None] | None:
    if "review" in raw.interactions.columns:
        return gather(raw.interactions, "review", rows).to_list()
    if raw.reviews is None:
        return None
    order = np.argsort(rows, kind="stable")
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    texts = raw.reviews(rows[order])
    return [texts[place] for place in back]


def _tied_users(user: NDArray[np.int64], time: NDArray[np.int64]) -> int:
    tied = (user[1:] == user[:-1]) & (time[1:] == time[:-1])
    return len(np.unique(user[1:][tied]))


def _catalog(raw: RawData, ids: list[str], scale: RatingScale | None) -> Catalog:
    """Return the texts of the remaining items, in code order."""
    if raw.items is None:
        return Catalog(tuple(ids), {"title": ids}, scale)
    items = raw.items if raw.texts is None else raw.texts(ids)
    rows = pl.DataFrame({"item": ids}).join(items, on="item", how="left", maintain_order="left")
    texts = {c: rows[c].cast(pl.String).to_list() for c in rows.columns if c != "item"}
    return Catalog(tuple(ids), texts, scale)

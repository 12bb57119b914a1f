"""Raw tables to a Dataset: duplicates, k-core, order in time, codes, split, frozen cases."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit.data import candidates, splits
from benchkit.data.dataset import Cases, Dataset
from benchkit.data.kcore import k_core
from benchkit.data.raw import RawData, checked
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError
from benchkit.protocols import Catalog, Interactions


def build(raw: RawData, spec: DatasetSpec) -> Dataset:
    """Prepare `raw` as `spec` says. Interactions with equal times keep their order in the file."""
    raw = checked(raw)
    funnel = {**raw.funnel, "interactions_read": len(raw.interactions)}
    table = _deduplicated(raw, spec.duplicates)
    funnel["duplicates_removed"] = funnel["interactions_read"] - len(table)

    users, user = _codes(table["user"])
    items, item = _codes(table["item"])
    keep, funnel["k_core_rounds"] = k_core(user, item, spec.k_core)
    funnel["interactions_below_k_core"] = int((~keep).sum())
    if not keep.any():
        raise DataError(
            f"dataset {spec.name!r}: no interaction is left after the {spec.k_core}-core",
            "lower k_core, or check the columns user and item",
        )
    table, users, user = table.filter(keep), *_recoded(users, user[keep])
    items, item = _recoded(items, item[keep])

    timed = "timestamp" in table.columns
    time = table["timestamp"].to_numpy() if timed else np.zeros(len(table), dtype=np.int64)
    order = np.lexsort((time, user))  # stable: ties keep the order of the file
    user, item, time = user[order], item[order], time[order]
    funnel["users_with_tied_times"] = _tied_users(user, time) if timed else 0
    ordered = table[order]
    interactions = Interactions(
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        offsets=np.concatenate([[0], np.cumsum(np.bincount(user))]).astype(np.int64),
        rating=ordered["rating"].to_numpy() if "rating" in table.columns else None,
        timestamp=time if timed else None,
        review=ordered["review"].to_list() if "review" in table.columns else None,
    )
    funnel |= {"users": len(users), "items": len(items), "interactions": len(interactions)}
    return _frozen(spec, users, _catalog(raw.items, items), interactions, funnel)


def _frozen(
    spec: DatasetSpec,
    users: list[str],
    catalog: Catalog,
    interactions: Interactions,
    funnel: dict[str, int],
) -> Dataset:
    split = splits.leave_one_out(interactions.offsets)
    if not len(split.test):
        raise DataError(
            f"dataset {spec.name!r}: no user has a history: each of the {len(users)} users has one"
            " interaction, so there is nothing to ask from",
            "leave-one-out needs users with two interactions or more; check the column user",
        )
    code = interactions.user.astype(np.int64) * len(catalog) + interactions.item
    trained = interactions.item[split.part == splits.TRAIN]
    popularity = np.bincount(trained, minlength=len(catalog))
    seen = np.unique(code)

    def cases(name: str, rows: NDArray[np.int64]) -> Cases:
        user = interactions.user[rows]
        names = [users[u] for u in user]
        return Cases(
            ids=tuple(f"{name}:{user_id}" for user_id in names),
            user=user,
            start=interactions.offsets[user],
            stop=rows,
            target=interactions.item[rows],
            candidates=candidates.draw(
                names,
                user,
                interactions.item[rows],
                seen,
                popularity,
                spec.candidates.count,
                spec.candidates.sampling,
                spec.candidates.seed,
                name,
            ),
        )

    return Dataset(
        name=spec.name,
        users=tuple(users),
        catalog=catalog,
        interactions=interactions,
        part=split.part,
        valid=cases("valid", split.valid),
        test=cases("test", split.test),
        report={**funnel, **split.funnel},
    )


def _deduplicated(raw: RawData, rule: str) -> pl.DataFrame:
    table = raw.interactions
    repeated = table.select(pl.struct("user", "item").is_duplicated()).to_series()
    if not repeated.any():
        return table
    if rule == "error":
        first = repeated.arg_max() or 0
        user, item = table["user"][first], table["item"][first]
        again = table.with_row_index("row").filter(
            (pl.col("user") == user) & (pl.col("item") == item)
        )
        lines = ", ".join(str(row + 1 + raw.header_lines) for row in again["row"].head(5))
        raise DataError(
            f"{raw.origin[0]}: user {user!r} has item {item!r} more than once (lines {lines});"
            f" {int(repeated.sum())} rows are such",
            'set duplicates = "first" or "last" in the dataset to keep one of them',
        )
    # In time, not in file order: "last" is the newest, whatever the file's order is.
    if "timestamp" in table.columns:
        position = table.with_row_index("row").sort("timestamp", "row", maintain_order=True)
    else:
        position = table.with_row_index("row")
    keep = "first" if rule == "first" else "last"
    chosen = position.unique(["user", "item"], keep=keep, maintain_order=True)  # type: ignore[arg-type]
    return chosen.sort("row").drop("row")


def _codes(column: pl.Series) -> tuple[list[str], NDArray[np.int64]]:
    """Sorted distinct ids, and each row's position among them."""
    ids = column.unique().sort()
    frame = pl.DataFrame({"id": ids, "code": np.arange(len(ids))})
    codes = column.to_frame("id").join(frame, on="id", how="left", maintain_order="left")["code"]
    return ids.to_list(), codes.to_numpy()


def _recoded(ids: list[str], codes: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int64]]:
    """Drop the ids that no row has any more."""
    left, new = np.unique(codes, return_inverse=True)
    return [ids[code] for code in left], new


def _tied_users(user: NDArray[np.int64], time: NDArray[np.int64]) -> int:
    tied = (user[1:] == user[:-1]) & (time[1:] == time[:-1])
    return len(np.unique(user[1:][tied]))


def _catalog(items: pl.DataFrame, ids: list[str]) -> Catalog:
    """Texts of the items that are left, in code order."""
    rows = pl.DataFrame({"item": ids}).join(items, on="item", how="left", maintain_order="left")
    texts = {c: rows[c].cast(pl.String).to_list() for c in rows.columns if c != "item"}
    return Catalog(tuple(ids), texts)

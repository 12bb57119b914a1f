"""Lists that somebody else made, and the cases that they belong to."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.data.readers.list_files import ExternalList, ListFile
from benchkit.data.request_batch import PADDING_ITEM
from benchkit.data.spec import CandidateFileSpec
from benchkit.errors import ConfigError, DataError

ListMatch = Literal["case", "user", "order"]


@dataclass(frozen=True)
class ListQuestions:
    """The n cases that lists are wanted for."""

    ids: Sequence[str]
    """[n] case ids."""
    users: Sequence[str]
    """[n] user ids."""
    relevant: Sequence[tuple[int, ...]]
    """[n] codes of the relevant items, the target first."""
    order: NDArray[np.int64]
    """[n] the cases in the order of their targets in the file of interactions."""
    histories: Sequence[tuple[int, ...]]
    """[n] item codes, oldest first."""


@dataclass(frozen=True)
class AssignedLists:
    """The cases that have a list."""

    cases: NDArray[np.int64]
    """[m] positions among the questions, ascending."""
    candidates: NDArray[np.int32]
    """[m, width] item codes, shorter lists filled with PADDING_ITEM."""
    funnel: dict[str, int]


def assign_lists(
    file: ListFile,
    questions: ListQuestions,
    index: Mapping[str, int],
    spec: CandidateFileSpec,
    part: str,
) -> AssignedLists:
    """Return the candidates of the cases that have a list.

    Complete lists keep their order. A list that lacks the target gets it, and is put in an order
    that depends on its items and its case alone, since the order of the negatives may tell them.

    Args:
        file: Lists of item ids.
        questions: The cases.
        index: Item id -> code.
        spec: What the suite says of the lists.
        part: "test" or "valid", in the key of the order.

    Raises:
        DataError: A list belongs to no case or to several, names another target, or repeats items.
        ConfigError: It is not clear what the lists hold, or which case they belong to.
    """
    pairs = sorted(_pair(file, questions, index, spec.match))
    rows = [file.lists[row] for _, row in pairs]
    cases = np.array([case for case, _ in pairs], dtype=np.int64)
    coded = [[index[item] for item in row.items] for row in rows]
    coded, dropped = _drop_repeats(file, rows, coded, spec.repeats)
    relevant = [questions.relevant[case] for case in cases]
    for row, case in zip(rows, cases.tolist(), strict=True):
        _check_target(file, row, questions, case, index)
    has_target = [not set(items).isdisjoint(r) for items, r in zip(coded, relevant, strict=True)]
    if _lack_targets(file, rows, has_target, spec):
        keys = [seeds.derive("list order", spec.seed, part, questions.ids[c]) for c in cases]
        coded = [
            _shuffle([*r, *items], key) for r, items, key in zip(relevant, coded, keys, strict=True)
        ]
        missing = 0
    else:
        missing = len(rows) - sum(has_target)
    table = np.full((len(coded), max(map(len, coded))), PADDING_ITEM, dtype=np.int32)
    for line, items in zip(table, coded, strict=True):
        line[: len(items)] = items
    lengths = [len(items) for items in coded]
    funnel = {
        f"{part}_lists": len(rows),
        f"{part}_cases_without_list": len(questions.ids) - len(rows),
        f"{part}_lists_without_target": missing,
        f"{part}_list_shortest": min(lengths),
        f"{part}_list_longest": max(lengths),
        f"{part}_lists_with_another_history": _count_other_histories(
            rows, cases.tolist(), questions, index
        ),
    }
    if dropped:
        funnel[f"{part}_repeated_candidates_dropped"] = dropped
    return AssignedLists(cases, table, funnel)


def _pair(
    file: ListFile, questions: ListQuestions, index: Mapping[str, int], match: ListMatch | None
) -> list[tuple[int, int]]:
    """Return (case, list) of every list of the file."""
    lists = file.lists
    if match is None:
        match = "case" if lists[0].case_id is not None else "user" if lists[0].user else None
    if match is None:
        raise ConfigError(
            f"{file.path}: lists have neither a case_id nor a user",
            'name the field: candidates.fields = { user = ... }; or set candidates.match = "order"'
            " where the lists are in the order of the test rows",
        )
    if match == "order":
        if len(lists) != len(questions.ids):
            raise DataError(
                f"{file.path}: {len(lists)} lists for {len(questions.ids)} cases, which cannot be"
                " matched by their order",
                "give every case a list, or name the user of each",
            )
        return list(zip(questions.order.tolist(), range(len(lists)), strict=True))
    names = questions.ids if match == "case" else questions.users
    what = "case id" if match == "case" else "user"
    by_name: dict[str, list[int]] = defaultdict(list)
    for case, name in enumerate(names):
        by_name[name].append(case)
    pairs: dict[int, int] = {}
    for row, record in enumerate(lists):
        key = record.case_id if match == "case" else record.user
        if key is None:
            raise DataError(f"{file.path}, {record.where}: has no {what}", "give each list one")
        if key not in by_name:
            raise DataError(
                f"{file.path}, {record.where}: {what} {key!r} has no such case in the dataset",
                "use the split that the lists were made for: k_core, min_length or the split leave"
                " this user out, or the names differ",
            )
        options = by_name[key]
        if len(options) > 1 and record.targets:
            wanted = {index[item] for item in record.targets}
            options = [case for case in options if wanted == set(questions.relevant[case])]
        if len(options) != 1:
            raise DataError(
                f"{file.path}, {record.where}: {what} {key!r} has {len(by_name[key])} cases, and"
                f" the list's target fits {len(options) if record.targets else 'all'} of them",
                "give each list the case_id that `benchkit data cases` writes, or its target",
            )
        if options[0] in pairs:
            first = lists[pairs[options[0]]].where
            raise DataError(
                f"{file.path}, {record.where}: a second list for {what} {key!r}; {first} has one",
                "keep one list a case",
            )
        pairs[options[0]] = row
    return list(pairs.items())


def _check_target(
    file: ListFile,
    row: ExternalList,
    questions: ListQuestions,
    case: int,
    index: Mapping[str, int],
) -> None:
    if not row.targets or {index.get(t, -1) for t in row.targets} == set(questions.relevant[case]):
        return
    names = {code: item for item, code in index.items()}
    ours = ", ".join(repr(names[code]) for code in questions.relevant[case])
    raise DataError(
        f"{file.path}, {row.where}: the list's target is {', '.join(map(repr, row.targets))}, but"
        f" the split asks for {ours} (case {questions.ids[case]!r})",
        "use the split that the lists were made for: split = { train = ..., test = ... } takes it"
        " as it is",
    )


def _drop_repeats(
    file: ListFile,
    rows: Sequence[ExternalList],
    coded: list[list[int]],
    repeats: Literal["error", "drop"],
) -> tuple[list[list[int]], int]:
    distinct = [list(dict.fromkeys(items)) for items in coded]
    n_repeats = sum(map(len, coded)) - sum(map(len, distinct))
    if n_repeats and repeats == "error":
        where, item = next(
            (row.where, name)
            for row, items, few in zip(rows, coded, distinct, strict=True)
            if len(items) > len(few)
            for name, count in Counter(row.items).items()
            if count > 1
        )
        raise DataError(
            f"{file.path}, {where}: item {item!r} stands more than once in the list"
            f" ({n_repeats} repeats in all)",
            'correct the lists, or set candidates.repeats = "drop": the list is then shorter, and'
            " chance is of the shorter list",
        )
    return distinct, n_repeats


def _lack_targets(
    file: ListFile,
    rows: Sequence[ExternalList],
    has_target: Sequence[bool],
    spec: CandidateFileSpec,
) -> bool:
    """Return whether the lists are negatives, which the target must be added to.

    Raises:
        ConfigError: The file does not show it, and the suite does not say it.
        DataError: They are said to be negatives, and have targets.
    """
    holds = spec.holds or file.content
    n_with = sum(has_target)
    if holds == "negatives":
        if n_with:
            where = rows[has_target.index(True)].where
            raise DataError(
                f"{file.path}, {where}: the target is among the negatives"
                f" ({n_with} of {len(rows)} such lists)",
                'if the lists are complete, set candidates.holds = "candidates"',
            )
        return True
    decided = spec.holds == "candidates" or n_with == len(rows)
    if not decided and not (file.content == "candidates" and n_with):
        if file.content is None and n_with == 0:
            return True  # a user and negatives in a line, as S3Rec ships them
        raise ConfigError(
            f"{file.path}: {n_with} of {len(rows)} lists have their target, so that they can be"
            " complete lists, in which a missing target is a miss, or negatives, which it is to be"
            " added to",
            'say which: candidates.holds = "candidates", or holds = "negatives"',
        )
    return False


def _shuffle(items: Sequence[int], key: int) -> list[int]:
    """Return the items in an order that depends on the set of them and the key alone."""
    return sorted(items, key=lambda item: seeds.derive(key, item))


def _count_other_histories(
    rows: Sequence[ExternalList],
    cases: Sequence[int],
    questions: ListQuestions,
    index: Mapping[str, int],
) -> int:
    """Count lists whose file gives a history that does not end as ours does."""
    differing = 0
    for row, case in zip(rows, cases, strict=True):
        if row.history is None:
            continue
        items = tuple(index.get(name, PADDING_ITEM) for name in row.history)
        ours = questions.histories[case]
        differing += items != ours[max(0, len(ours) - len(items)) :]
    return differing

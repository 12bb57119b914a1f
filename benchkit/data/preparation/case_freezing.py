"""From the rows that a split asks for to frozen cases: their candidates, drawn or from a file."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.data.dataset import Cases
from benchkit.data.preparation import candidates
from benchkit.data.preparation.item_names import resolve_items
from benchkit.data.preparation.list_assignment import ListQuestions, assign_lists
from benchkit.data.raw import RawData
from benchkit.data.readers.list_files import ListFile, read_list_file
from benchkit.data.request_batch import PADDING_ITEM
from benchkit.data.spec import CandidateFileSpec, CandidateSpec, DatasetSpec
from benchkit.data.splits.base import CaseRows
from benchkit.errors import DataError
from benchkit.types import Catalog, Interactions

_NUMBERED = re.compile(r"#\d+\Z", re.ASCII)


def load_candidate_lists(raw: RawData, spec: DatasetSpec) -> dict[str, ListFile]:
    """Return part ("test", "valid") -> the lists that the suite gives, in ids of items."""
    settings = spec.candidates
    if not isinstance(settings, CandidateFileSpec):
        return {}
    files = {"test": settings.file, "valid": settings.valid_file}
    return {
        part: resolve_items(
            read_list_file(
                Path(file),
                settings.fields,
                settings.separator,
                settings.pattern,
                settings.after,
                lines_begin_with_user=settings.match != "order",
            ),
            raw,
            settings,
        )
        for part, file in files.items()
        if file
    }


@dataclass(frozen=True)
class CodedTables:
    """Interactions in codes, sorted by user, then by time."""

    users: list[str]
    catalog: Catalog
    interactions: Interactions
    rows: NDArray[np.int64]
    """[n_rows] where each stood in the raw table."""
    part: NDArray[np.uint8] | None
    """[n_rows] the part of each where the files of a split say it."""


@dataclass(frozen=True)
class CaseFreezer:
    """Makes the cases of a part of a split."""

    spec: DatasetSpec
    tables: CodedTables
    past: candidates.PastItems
    """Of all interactions."""
    popularity: NDArray[np.int64]
    """[n_items] training interactions."""
    drawable: NDArray[np.bool_]
    """[n_items] items that may be drawn as negatives of test cases."""
    lists: dict[str, ListFile]
    """Part -> lists that somebody else made."""

    def freeze(
        self, part: str, rows: CaseRows, count: int | None = None
    ) -> tuple[Cases, dict[str, int]]:
        """Return the cases of a part, and what was counted.

        Args:
            part: "test" or "valid".
            rows: What is asked for.
            count: Length of drawn lists, by default what the suite says.
        """
        tables = self.tables
        data = tables.interactions
        user = data.user[rows.target]
        names = _case_names(tables.users, user)
        others = _item_codes(data, rows.other_targets)
        cases = Cases(
            ids=tuple(f"{part}:{name}" for name in names),
            user=user,
            start=data.offsets[user],
            stop=rows.stop,
            target=data.item[rows.target],
            candidates=np.empty((len(user), 0), dtype=np.int32),
            other_targets=others,
            grades=self._grades(rows),
        )
        settings = self.spec.candidates
        if isinstance(settings, CandidateFileSpec) and part in self.lists:
            return self._take_lists(part, rows, cases, settings)
        return self._draw(part, rows, names, cases, count)

    def _take_lists(
        self, part: str, rows: CaseRows, cases: Cases, settings: CandidateFileSpec
    ) -> tuple[Cases, dict[str, int]]:
        tables = self.tables
        data = tables.interactions
        questions = ListQuestions(
            ids=cases.ids,
            users=[tables.users[code] for code in cases.user.tolist()],
            relevant=[
                tuple(code for code in codes if code != PADDING_ITEM)
                for codes in cases.relevant.tolist()
            ],
            order=np.argsort(tables.rows[rows.target], kind="stable"),
            histories=[
                tuple(data.item[start:stop].tolist())
                for start, stop in zip(cases.start, cases.stop, strict=True)
            ],
        )
        assigned = assign_lists(self.lists[part], questions, tables.catalog.index, settings, part)
        chosen = cases.select(assigned.cases)
        return chosen.replace_candidates(assigned.candidates), assigned.funnel

    def _draw(
        self, part: str, rows: CaseRows, names: list[str], cases: Cases, count: int | None
    ) -> tuple[Cases, dict[str, int]]:
        """Return the cases with drawn candidates, and what was counted."""
        data, catalog = self.tables.interactions, self.tables.catalog
        settings = self.spec.candidates
        drawing = (
            settings if isinstance(settings, CandidateSpec) else CandidateSpec(seed=settings.seed)
        )
        required = np.concatenate([cases.relevant, data.item[rows.extra_candidates]], axis=1)
        count = drawing.count if count is None else self._limit_count(cases, required, count)
        answers = candidates.digest_answers(part, names, cases.relevant, catalog.ids)
        table = candidates.sample_candidates(
            names,
            cases.user,
            cases.stop,
            required,
            self.past,
            self.popularity,
            count,
            drawing.sampling,
            secret=seeds.derive_secret(answers, "candidates", drawing.seed, part),
            drawable=self.drawable if part == "test" else None,
        )
        return _drop_lists_of_targets(part, cases.replace_candidates(table), required, count)

    def _limit_count(self, cases: Cases, required: NDArray[np.integer], count: int) -> int:
        """Return the length of drawn lists: `count`, or what the catalogue has for every case."""
        n_past = self.past.count(cases.start, cases.stop)
        free = len(self.popularity) - n_past + np.count_nonzero(required != PADDING_ITEM, axis=1)
        return min(count, int(free.min(initial=count)))

    def _grades(self, rows: CaseRows) -> NDArray[np.float32] | None:
        files, rating = self.spec.split_files, self.tables.interactions.rating
        if files is None or files.grades is None or rating is None:
            return None
        target = rows.target[:, None]
        others = rows.other_targets
        relevant = target if others is None else np.concatenate([target, others], axis=1)
        grades = np.where(relevant < 0, 0, rating[relevant]).astype(np.float32)
        missing = int(np.isnan(grades).sum())
        if missing:
            raise DataError(
                f"split: {missing} relevant items have no rating, which is to be their grade",
                "leave out split.grades, or the rows without a rating",
            )
        return grades


def _drop_lists_of_targets(
    part: str, cases: Cases, required: NDArray[np.integer], count: int
) -> tuple[Cases, dict[str, int]]:
    """Return the cases with a negative in their list, and how many lists are shorter than `count`.

    Lists are shorter where a target is in the history, which has too few other items. In a list
    without a negative every answer would be right.
    """
    funnel: dict[str, int] = {}
    if (cases.lengths == count).all():
        return cases, funnel
    is_wanted = np.count_nonzero(required != PADDING_ITEM, axis=1) < count
    has_negative = (cases.candidates[:, :, None] != required[:, None, :]).all(axis=2)
    has_negative &= cases.candidates != PADDING_ITEM
    left = has_negative.any(axis=1) | ~is_wanted
    if not left.all():
        funnel[f"{part}_repeats_of_the_only_items_of_a_history"] = int((~left).sum())
        cases = cases.select(np.flatnonzero(left))
    n_shorter = int((cases.lengths < count).sum())
    if n_shorter:
        funnel[f"{part}_lists_shorter_than_count"] = n_shorter
        longest = int(cases.lengths.max())
        cases = cases.replace_candidates(np.ascontiguousarray(cases.candidates[:, :longest]))
    return cases, funnel


def _item_codes(data: Interactions, rows: NDArray[np.int64] | None) -> NDArray[np.int32] | None:
    if rows is None or not rows.shape[1]:
        return None
    return np.where(rows < 0, PADDING_ITEM, data.item[rows]).astype(np.int32)


def _case_names(users: list[str], user: NDArray[np.int32]) -> list[str]:
    """Return the id of each user; further cases are `id#2`, `id#3`, ... in order of time.

    A user whose own id ends like that has `id#1` first: so `a#2` is always of user `a`.
    """
    if np.bincount(user, minlength=1).max() == 1:
        return [users[code] for code in user.tolist()]
    names, times = [], dict[int, int]()
    for code in user.tolist():
        times[code] = number = times.get(code, 0) + 1
        alone = number == 1 and not _NUMBERED.search(users[code])
        names.append(users[code] if alone else f"{users[code]}#{number}")
    return names

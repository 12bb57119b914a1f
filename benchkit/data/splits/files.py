"""A split that somebody else made: one file of interactions a part, taken as it is."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from benchkit.data.splits.base import TEST, TRAIN, VALID, CaseRows, Split, require_column
from benchkit.errors import ConfigError
from benchkit.types import Interactions

PADDING_ROW = -1  # fills the rows of cases that have fewer relevant items than the largest


class SplitFiles(BaseModel):
    """The files of a split: `split = { train = ..., valid = ..., test = ... }`.

    Each is read as the source `table` reads interactions. Within a user, rows of training come
    before those of validation and these before the test, whatever their times are.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: str
    """Interactions that methods learn from."""
    valid: str = ""
    """Targets of the validation; without it there is none."""
    test: str
    """What is asked for."""
    cases: Literal["row", "user"] | None = None
    """Where a user has several rows in a part: `row` makes a case of each, with the rows before it
    in the history; `user` makes one case, in which all of them are relevant."""
    grades: Literal["rating"] | None = None
    """How relevant an item is: its rating; by default every relevant item counts 1."""

    @property
    def files(self) -> dict[int, str]:
        """Part -> its file."""
        files = {TRAIN: self.train, VALID: self.valid, TEST: self.test}
        return {part: file for part, file in files.items() if file}


def is_file_split(setting: str | Mapping[str, Any]) -> bool:
    """Return whether a suite's `split` names files instead of a way to split."""
    return (
        not isinstance(setting, str)
        and "name" not in setting
        and bool({"train", "valid", "test"} & set(setting))
    )


def split_by_files(files: SplitFiles, data: Interactions, part: NDArray[np.uint8]) -> Split:
    """Return the split that the files made.

    Args:
        files: The setting.
        data: Interactions, sorted by user, then by part, then by time.
        part: [n_rows] the part of each.

    Raises:
        ConfigError: A user has several rows in a part, and the suite does not say whether these
            are several cases or several relevant items of one.
        DataError: Grades are ratings, and there are none.
    """
    if files.grades:
        require_column(data, "rating")
    funnel: dict[str, int] = {}
    if data.timestamp is not None:
        later = (data.timestamp[1:] < data.timestamp[:-1]) & (data.user[1:] == data.user[:-1])
        funnel["users_with_test_before_training"] = len(np.unique(data.user[1:][later]))
    cases = {}
    for code, name in ((VALID, "valid"), (TEST, "test")):
        rows = np.flatnonzero(part == code)
        starts = np.ones(len(rows), dtype=np.bool_)
        starts[1:] = data.user[rows[1:]] != data.user[rows[:-1]]
        several = len(rows) - int(starts.sum())
        if several and files.cases is None:
            raise ConfigError(
                f"split: users have several rows in the {name} file"
                f" ({len(rows)} rows of {int(starts.sum())} users)",
                'say what they are: split.cases = "row" asks for each by itself, with the rows'
                ' before it in the history; split.cases = "user" asks once, and all are relevant',
            )
        cases[name] = _user_cases(rows, starts) if files.cases == "user" else _row_cases(rows)
        if name == "test":
            funnel["test_cases_without_history"] = int(
                (cases[name].stop == data.offsets[data.user[cases[name].target]]).sum()
            )
            if files.cases == "user":
                funnel["relevant_items"] = len(rows)
    return Split(part, cases["valid"], cases["test"], funnel)


def _row_cases(rows: NDArray[np.int64]) -> CaseRows:
    return CaseRows.before_targets(rows)


def _user_cases(rows: NDArray[np.int64], starts: NDArray[np.bool_]) -> CaseRows:
    """Return one case a user: its first row is the target, the others are relevant, too."""
    first = rows[starts]
    counts = np.diff(np.append(np.flatnonzero(starts), len(rows)))
    others = np.full((len(first), max(0, int(counts.max(initial=1)) - 1)), PADDING_ROW)
    case = np.cumsum(starts) - 1
    place = np.arange(len(rows)) - np.flatnonzero(starts)[case]
    others[case[place > 0], place[place > 0] - 1] = rows[place > 0]
    base = CaseRows.before_targets(first)
    return CaseRows(base.target, base.stop, base.extra_candidates, others.astype(np.int64))

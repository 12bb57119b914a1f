"""Labels of pairs: which of two answers each person prefers, whatever side it was shown on."""

from collections.abc import Iterator, Mapping

from benchkit.judging.annotation.batch_key import BatchKey, PairItem
from benchkit.judging.annotation.exports import ExportRow
from benchkit.judging.annotation.pairs import FIRST_BETTER, SECOND_BETTER
from benchkit.runs.record_values import guess_users

PAIR_COLUMNS = (
    "item", "rater", "grade", "scale", "method_a", "method_b", "shown_first", "task", "case_id",
    "cluster", "weight",
)  # fmt: skip


def pair_rows(
    last: Mapping[tuple[str, str, str], ExportRow], key: BatchKey
) -> Iterator[tuple[str | float, ...]]:
    """Yield a row for each preference, by the names of `PAIR_COLUMNS`, pair by pair as in the key.

    method_a is the method whose name comes first in the alphabet. grade: 3 where its answer is
    preferred, 1 where the other one is, 2 for a tie, whichever was shown as A.

    Args:
        last: (annotator, id, criterion) -> what counts of the exports.
        key: The key of the batch.
    """
    for identifier, pair in key.pairs.items():
        for annotator in key.annotators:
            entry = last.get((annotator, identifier, key.rubric.main.name))
            if entry is not None and entry.grade is not None:
                yield identifier, annotator, *_values(pair, entry.grade)


def _values(pair: PairItem, grade: int) -> tuple[str | float, ...]:
    first, second = (side.method for side in pair.shown)
    is_swapped = second < first
    for_first = {FIRST_BETTER: 3, SECOND_BETTER: 1}.get(grade, 2)
    user = pair.user or guess_users([pair.case_id])[0]
    return (
        4 - for_first if is_swapped else for_first, "1-3", min(first, second), max(first, second),
        first, pair.task, pair.case_id, f"{pair.task}/{user}", pair.weight,
    )  # fmt: skip

"""Exports of generated annotators, for trying a batch from end to end; all of it says SYNTHETIC."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchkit import io
from benchkit.csv_cells import write_rows
from benchkit.errors import ConfigError
from benchkit.judging.annotation.batch_key import BatchKey
from benchkit.judging.annotation.exports import EXPORT_COLUMNS
from benchkit.judging.rubric import Criterion
from benchkit.stats.agreement.synthetic_raters import SYNTHETIC, draw_raters


def write_synthetic_exports(key: BatchKey, folder: Path, noise: float) -> list[Path]:
    """Write one export an annotator of a batch, as their pages would, and return the paths.

    A grade is that of the first judge of the batch with normal noise (`draw_raters`); an item that
    no judge graded is skipped.

    Args:
        key: The key of the batch.
        folder: Where the files go.
        noise: Standard deviation, in grades.

    Raises:
        ConfigError: The batch is of pairs, or the noise is no standard deviation.
    """
    if key.pairs:
        raise ConfigError("pairs have no judge's grades to depart from", "leave out --synthetic")
    paths = []
    for number, annotator in enumerate(key.annotators):
        rows = list(_rows(key, annotator, noise, key.seed + number))
        paths.append(folder / f"{annotator}-{SYNTHETIC}.csv")
        io.write_text(paths[-1], write_rows([EXPORT_COLUMNS, *rows]))
    return paths


def _rows(
    key: BatchKey, annotator: str, noise: float, seed: int
) -> Iterator[tuple[str | float, ...]]:
    name = f"{SYNTHETIC} (noise {noise:g})"
    for place, criterion in enumerate(key.rubric.criteria):
        grades = {i: _judge_grade(key, i, criterion) for i in key.annotators[annotator]}
        known = [identifier for identifier, grade in grades.items() if grade is not None]
        drawn = draw_raters(
            np.array([grades[identifier] for identifier in known], dtype=np.float64),
            criterion.low, criterion.high, 1, noise, seed + 1_000 * place,
        )  # fmt: skip
        by_id = dict(zip(known, drawn[:, 0].astype(int).tolist(), strict=True))
        for identifier in grades:
            grade = by_id.get(identifier, "")
            skipped = int(identifier not in by_id)
            yield (
                key.batch, annotator, name, identifier, criterion.name, grade, skipped, "", 0,
            )  # fmt: skip


def _judge_grade(key: BatchKey, identifier: str, criterion: Criterion) -> float | None:
    """Return the grade of the first judge that people are compared with, None without one."""
    for label, judge in key.judges.items():
        grade = key.items[identifier].grades.get(label, {}).get(criterion.name)
        if grade is not None and criterion.name in judge.comparable:
            return grade
    return None

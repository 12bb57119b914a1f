"""The record of preference training, step by step: steps.jsonl beside a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mode

import numpy as np
from numpy.typing import NDArray
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from benchkit.errors import StoreError
from benchkit.report.training.artifacts import read_artifact_lines

FloatArray = NDArray[np.float64]


class _MicroBatch(BaseModel):
    """One line of steps.jsonl; None where a pair's response is absent."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    step: int = Field(ge=0)
    margin: tuple[float, ...] = Field(min_length=1)
    leads: float
    beyond_10: float = Field(validation_alias=AliasChoices("beyond_10", "saturated"))
    """Older records call it `saturated`."""
    beta: float
    score_gap: tuple[float | None, ...] = ()
    weight: tuple[float | None, ...] = ()

    @model_validator(mode="after")
    def _check_pairs(self) -> "_MicroBatch":
        k = len(self.margin)
        if len(self.weight) != len(self.score_gap) or len(self.weight) % (k * (k + 1) // 2):
            raise ValueError(
                f"{len(self.weight)} weights and {len(self.score_gap)} score gaps are not those"
                f" of all pairs of {1 + k} responses"
            )
        return self


@dataclass(frozen=True)
class TrainingTrace:
    """Training, one entry a step: means over its micro-batches, which count alike."""

    step: NDArray[np.int64]
    """[n] in order."""
    lead: FloatArray
    """[n, k] by how much the chosen response's utility leads that of each rejected one, in nats,
    without beta; NaN where a step has none."""
    lead_shares: FloatArray
    """[n] share of pairs in which the chosen response leads."""
    beyond_10: FloatArray
    """[n] share of utilities with |beta d| > 10, where a sigmoid has next to no gradient left."""
    beta: FloatArray
    """[n], the mean where pairs have betas of their own."""
    pairs: tuple[FloatArray, ...]
    """Of each step [m, 2], score gap and weight of every pair of the chosen and a rejected
    response; empty where the loss has no weights."""

    @property
    def margin(self) -> FloatArray:
        """[n, k] reward margins beta (d_c - d_k), with the mean beta of a step."""
        return self.beta[:, None] * self.lead

    @property
    def weighted(self) -> bool:
        """Whether there are weights."""
        return any(len(pairs) for pairs in self.pairs)


def read_trace(path: Path) -> TrainingTrace:
    """Read a steps.jsonl. Raises StoreError naming the wrong line, or when there is none."""
    lines = read_artifact_lines(path, _MicroBatch)
    if not lines:
        raise StoreError(
            f"{path}: no step in it", "delete the file, and run again with --overwrite always"
        )
    steps = last_attempt(lines)
    k = max(len(line.margin) for line in lines)
    return TrainingTrace(
        step=np.array([batches[0].step for batches in steps]),
        lead=np.array([_column_means(batches, k) for batches in steps]),
        lead_shares=_means([[batch.leads for batch in batches] for batches in steps]),
        beyond_10=_means([[batch.beyond_10 for batch in batches] for batches in steps]),
        beta=_means([[batch.beta for batch in batches] for batches in steps]),
        pairs=tuple(np.concatenate([_chosen_pairs(b) for b in batches]) for batches in steps),
    )


def last_attempt(lines: Sequence[_MicroBatch]) -> list[list[_MicroBatch]]:
    """Return the micro-batches of each step, in order, each as it was computed last.

    After an interruption some are computed twice. Where the step number falls, training was
    resumed. A step that was broken off and is the first to be repeated shows only in having more
    micro-batches than the others: its last ones count.
    """
    steps: dict[int, list[_MicroBatch]] = {}
    previous = -1
    for line in lines:
        if line.step < previous:
            steps = {step: batches for step, batches in steps.items() if step < line.step}
        steps.setdefault(line.step, []).append(line)
        previous = line.step
    usual = mode(map(len, steps.values()))
    return [batches[-usual:] for _, batches in sorted(steps.items())]


def _chosen_pairs(batch: _MicroBatch) -> FloatArray:
    """Return [m, 2]: of each example the first k pairs are those of the chosen response."""
    k = len(batch.margin)
    both = np.array([batch.score_gap, batch.weight], dtype=float).reshape(2, -1, k * (k + 1) // 2)
    pairs = both[:, :, :k].reshape(2, -1).T
    complete: FloatArray = pairs[np.isfinite(pairs).all(axis=1)]
    return complete


def _column_means(batches: Sequence[_MicroBatch], k: int) -> FloatArray:
    padded = [[*batch.margin, *[np.nan] * (k - len(batch.margin))] for batch in batches]
    return column_nan_means(np.array(padded))


def column_nan_means(rows: FloatArray) -> FloatArray:
    """Return [k] means of the columns of [n, k]; NaN where a column has no number."""
    count = np.isfinite(rows).sum(axis=0)
    total = np.nansum(rows, axis=0)
    means: FloatArray = np.divide(total, count, out=np.full(rows.shape[1], np.nan), where=count > 0)
    return means


def _means(steps: Sequence[Sequence[float]]) -> FloatArray:
    return np.array([np.mean(values) for values in steps])

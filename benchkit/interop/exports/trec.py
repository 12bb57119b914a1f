"""Write the answers of runs as TREC run files, and what is relevant as qrels.

Ids are percent-encoded where they hold anything but visible ASCII (`interop.trec_ids`). A candidate
that was not retrieved, and a case without an answer, have no line: let the evaluation count missing
cases as 0 (`trec_eval -c`).

Equal scores stay equal; trec_eval orders them by the id, where benchkit takes the expectation. It
also reads scores as 32-bit floats. Where that would tie scores that differ, the scores of the whole
file are replaced by their ranks from below, which order alike.

Reference: https://github.com/usnistgov/trec_eval, README.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchkit import io
from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.data.request_batch import PADDING_ITEM
from benchkit.errors import DataError
from benchkit.evaluation.protocols.sampled import Sampled
from benchkit.evaluation.protocols.scored import Scored
from benchkit.evaluation.ranks import rank_by_frequency
from benchkit.interop.exports.stored_runs import StoredRun, find_stored_runs
from benchkit.interop.trec_ids import escape_id
from benchkit.io import folder_name
from benchkit.runs.store import Store

RUN_SUFFIX, QRELS_SUFFIX = ".run", ".qrels"
_FACTORS = (1, 2, 4, 5, 10, 20, 100, 1000)  # that make grades whole numbers
Ranking = Sequence[tuple[str, float]]  # items with scores, best first


@dataclass(frozen=True)
class TrecExport:
    """What was written."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]
    """What a reader of the files must know."""


def export_trec(store: Store, suite: str, data: Path, folder: Path) -> TrecExport:
    """Write TASK.qrels, and TASK.METHOD.PROTOCOL.run of each run that has lists.

    Answers under `full` are not recorded, so they are in no file.

    Args:
        store: The run store.
        suite: What the store calls the suite.
        data: The folder of prepared datasets.
        folder: Where the files go.

    Raises:
        DataError: No run has lists, a dataset is missing, or grades cannot be whole numbers.
    """
    files: list[Path] = []
    notes: list[str] = []
    for run in find_stored_runs(store, suite, data):
        task = folder_name(run.manifest.task)
        qrels = folder / f"{task}{QRELS_SUFFIX}"
        if qrels not in files:
            lines, factor = _qrels_lines(run.dataset, run.cases)
            io.write_text(qrels, "".join(lines))
            files.append(qrels)
            if factor != 1:
                notes.append(f"{qrels.name}: grades are multiplied by {factor} to be whole numbers")
        for protocol, lists in _read_lists(run).items():
            path = folder / f"{task}.{folder_name(run.name)}.{protocol}{RUN_SUFFIX}"
            replaced = not _fit_single_precision(lists.values())
            io.write_text(path, "".join(_run_lines(lists, run.name, replaced)))
            files.append(path)
            if replaced:
                notes.append(f"{path.name}: ranks stand for scores, which 32-bit floats would tie")
            if n := len(run.cases) - len(lists):
                notes.append(f"{path.name}: {n} of {len(run.cases)} cases have no answer")
    if not any(path.suffix == RUN_SUFFIX for path in files):
        raise DataError(
            f"suite {suite!r}: no complete run has recorded lists",
            "run it under the protocol scored or sampled",
        )
    return TrecExport(tuple(files), tuple(notes))


def _read_lists(run: StoredRun) -> dict[str, dict[str, Ranking]]:
    """Return protocol -> case -> its list; cases without an answer are left out."""
    answers = run.run.predictions()
    lists: dict[str, dict[str, Ranking]] = {}
    if Scored.name in run.manifest.identity["protocols"]:
        lists[Scored.name] = dict(_scored_lists(run, answers))
    if Sampled.name in run.manifest.identity["protocols"]:
        lists[Sampled.name] = dict(_sampled_lists(answers))
    return lists


def _scored_lists(run: StoredRun, answers: pl.DataFrame) -> Iterator[tuple[str, Ranking]]:
    ids = run.dataset.catalog.ids
    columns = answers.select("case_id", "status", "scores").iter_rows()
    for (case, status, scores), codes in zip(columns, run.cases.candidates, strict=True):
        if status != "ok" or scores is None:
            continue
        items = [ids[code] for code in codes.tolist() if code != PADDING_ITEM]
        pairs = zip(items, scores, strict=True)
        listed = [(item, score) for item, score in pairs if score > -np.inf]
        yield case, sorted(listed, key=lambda pair: -pair[1])


def _sampled_lists(answers: pl.DataFrame) -> Iterator[tuple[str, Ranking]]:
    for case, status, samples in answers.select("case_id", "sampled_status", "samples").iter_rows():
        if status != "ok" or not samples:
            continue
        drawn = [answer["item"] if answer["status"] == "ok" else None for answer in samples]
        items = rank_by_frequency(drawn)
        if items:
            yield case, [(item, float(len(items) - rank)) for rank, item in enumerate(items)]


def _fit_single_precision(lists: Iterable[Ranking]) -> bool:
    """Return whether 32-bit floats tell all scores of a case apart that differ."""
    for ranking in lists:
        scores = np.array([score for _, score in ranking], dtype=np.float64)
        with np.errstate(over="ignore"):
            short: NDArray[np.float32] = scores.astype(np.float32)
        if not np.isfinite(short).all() or len(np.unique(short)) < len(np.unique(scores)):
            return False
    return True


def _run_lines(lists: Mapping[str, Ranking], tag: str, replaced: bool) -> Iterator[str]:
    for case, ranking in lists.items():
        scores = [score for _, score in ranking]
        if replaced:
            place = {score: rank for rank, score in enumerate(sorted(set(scores)), 1)}
            scores = [float(place[score]) for score in scores]
        for rank, ((item, _), score) in enumerate(zip(ranking, scores, strict=True), 1):
            words = (escape_id(case), "Q0", escape_id(item), str(rank), repr(score), escape_id(tag))
            yield " ".join(words) + "\n"


def _qrels_lines(dataset: PreparedDataset, cases: Cases) -> tuple[list[str], int]:
    """Return the lines, and what grades were multiplied by."""
    ids, relevant = dataset.catalog.ids, cases.relevant
    grades = np.ones(relevant.shape) if cases.grades is None else cases.grades.astype(np.float64)
    factor = _whole_factor(np.where(relevant == PADDING_ITEM, 0, grades))
    whole = np.rint(grades * factor).astype(np.int64)
    lines = []
    for case, codes, values in zip(cases.ids, relevant.tolist(), whole.tolist(), strict=True):
        for code, value in zip(codes, values, strict=True):
            if code != PADDING_ITEM:
                lines.append(f"{escape_id(case)} 0 {escape_id(ids[code])} {value}\n")
    return lines, factor


def _whole_factor(grades: NDArray[np.float64]) -> int:
    """Return the smallest factor that makes grades whole; NDCG does not change by it."""
    for factor in _FACTORS:
        scaled = grades * factor
        if np.allclose(scaled, np.rint(scaled), rtol=1e-5, atol=1e-5):
            return factor
    raise DataError(
        "grades with more than three decimals cannot be written as qrels, which hold whole numbers",
        "leave out split.grades, or round the ratings",
    )

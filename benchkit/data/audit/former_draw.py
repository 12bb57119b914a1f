"""The draw of benchkit before 0.2, which named its targets to whoever drew again.

A list was a permutation, keyed by (seed, split, name of the case), of the target and its negatives,
and the negatives were the first items of a stream with the same key that the user had not had. So
the permutation says where the target stands, and the stream which candidate it did not draw.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.data.audit.cases import CandidateLists
from benchkit.data.request_batch import PADDING_ITEM

_SEEDS = (*range(100), 123, 1234, 2020, 2021, 2022, 2023, 2024, 2025, 2026, 12345)  # as people do
_PROBE = 200  # cases on which all seeds are tried
_CASE_ID = re.compile(r"(test|valid):(.*)", re.DOTALL)


class FormerDraw(NamedTuple):
    """What drawing again says."""

    marks: NDArray[np.bool_]
    """[n, width] the candidates that may be the target."""
    seed: int
    n_tried: int
    """Guesses of which this one is the best."""


def find_former_draws(
    lists: CandidateLists, ids: Sequence[str], names: Sequence[str]
) -> FormerDraw:
    """Return the marks of the seed, the split and the half of the rule that name most targets.

    Args:
        lists: n cases.
        ids: [n] their ids, "test:ann" or "ann".
        names: [n_items] what items are called; the catalogue was in their order.
    """
    probe = np.unique(np.linspace(0, len(lists) - 1, min(_PROBE, len(lists))).astype(np.int64))
    few = CandidateLists(lists.target[probe], lists.candidates[probe])
    few_ids = [ids[row] for row in probe.tolist()]
    ranks = _name_ranks(names)
    marking: dict[str, Callable[[CandidateLists, NDArray[np.uint64]], NDArray[np.bool_]]] = {
        "place": _mark_place,
        "stream": partial(_mark_undrawn, ranks=ranks),
    }
    best, n_tried = (-1.0, "place", 0, "test"), 0
    for seed in _SEEDS:
        for split, keys in _former_keys(few_ids, seed):
            for half, mark in marking.items():
                marks = mark(few, keys)
                excess = (marks & few.is_target).any(axis=1) - marks.sum(axis=1) / few.length
                n_tried += 1
                best = max(best, (float(excess.sum()), half, seed, split))
    _, half, seed, split = best
    keys = dict(_former_keys(ids, seed))[split]
    return FormerDraw(marking[half](lists, keys), seed, n_tried)


def _former_keys(ids: Sequence[str], seed: int) -> Iterator[tuple[str, NDArray[np.uint64]]]:
    """Yield each split that cases may be of, and the keys [n] of their draws."""
    matches = [_CASE_ID.fullmatch(case_id) for case_id in ids]
    names = [m[2] if m else case_id for m, case_id in zip(matches, ids, strict=True)]
    splits = {match[1] if match else "" for match in matches}
    for split in ("test", "valid"):
        if splits & {split, ""}:
            yield split, seeds.derive_each(names, "candidates", seed, split)


def _mark_place(lists: CandidateLists, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Mark the place to which the permutation of a list of this length takes the target."""
    columns = np.arange(lists.candidates.shape[1])
    hashes = seeds.splitmix(keys, columns + 1 + (1 << 32))
    is_before = (hashes < hashes[:, :1]) & (columns < lists.length[:, None])
    marks: NDArray[np.bool_] = is_before.sum(axis=1)[:, None] == columns
    return marks


def _mark_undrawn(
    lists: CandidateLists, keys: NDArray[np.uint64], ranks: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Mark the candidates that are not among the first draws of the uniform stream."""
    width = lists.candidates.shape[1]
    uniform = seeds.to_unit_interval(seeds.splitmix(keys, np.arange(1, width + width // 8 + 5)))
    drawn = np.sort((uniform * len(ranks)).astype(np.int64), axis=1)
    listed = ranks[lists.candidates]
    rows = np.arange(len(lists))[:, None] * len(ranks)
    is_drawn = np.isin(rows + listed, rows + drawn)
    marks: NDArray[np.bool_] = ~is_drawn & (lists.candidates != PADDING_ITEM)
    return marks


def _name_ranks(names: Sequence[str]) -> NDArray[np.int64]:
    """Return [n_items] the code that each item had in a catalogue, which is sorted by name."""
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    return ranks

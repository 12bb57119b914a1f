"""How far popularity alone tells targets from negatives."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchkit.data.audit.cases import AuditCases
from benchkit.data.audit.finding import AuditFinding
from benchkit.data.request_batch import PADDING_ITEM
from benchkit.stats.bootstrap import mean_interval
from benchkit.stats.clusters import find_clusters

WIDE_GAP_AUC = 0.8  # an AUC this far from 1/2, on either side, makes popularity a method to beat
_MAX_EXAMPLES = 5


def check_popularity(cases: AuditCases) -> Iterator[AuditFinding | None]:
    """Report the popularity gap: a property of all cases, and a warning when it is wide.

    `auc`: the chance that a target is more popular than one of its own negatives, ties by half,
    as the mean over cases; `low`, `high`: its 95 % bootstrap interval over users. Cases of a file
    name no users: each is taken as one of another user. count: cases in which no negative is more
    popular than the target.
    """
    values, first = popularity_gap(cases)
    if not len(values):
        return
    auc = float(values.mean())
    has_negative = _is_negative(cases).any(axis=1)
    clusters = None if cases.user is None else find_clusters(cases.user[has_negative])
    low, high = mean_interval(values, clusters=clusters)
    wide = max(auc, 1 - auc) >= WIDE_GAP_AUC
    side = "more" if auc >= 0.5 else "less"
    basis = "training" if cases.popularity is not None else "other cases"
    text = f"Targets are {side} popular than their negatives (counted from {basis}): "
    text += (
        f"ranking by {'popularity' if auc >= 0.5 else 'rarity'} alone is strong here, and a method"
        " must be compared with it."
        if wide
        else "popularity alone is a baseline of this strength."
    )
    rows = np.flatnonzero(first)
    yield AuditFinding(
        "popularity-gap",
        "note",
        len(rows),
        len(values),
        text,
        tuple(cases.ids[row] for row in rows[:_MAX_EXAMPLES]),
        {"auc": auc, "low": low, "high": high},
    )


def popularity_gap(cases: AuditCases) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return [n] the AUC of each case, and whether its target is the most popular (ties included).

    Cases without a negative are left out of both.
    """
    lists, count = cases.lists, audit_popularity(cases)
    # A case is no evidence of its own target's popularity.
    target_count = count[lists.target] - (cases.popularity is None)
    negative = _is_negative(cases)
    candidate_counts = count[lists.candidates]
    wins = (negative & (candidate_counts < target_count[:, None])).sum(axis=1)
    ties = (negative & (candidate_counts == target_count[:, None])).sum(axis=1)
    of = negative.sum(axis=1)
    some = of > 0
    return ((wins + ties / 2) / np.maximum(of, 1))[some], (wins + ties == of)[some]


def _is_negative(cases: AuditCases) -> NDArray[np.bool_]:
    """Return [n, width] whether a place in a list holds an item that is not the target."""
    negative: NDArray[np.bool_] = cases.lists.candidates != PADDING_ITEM
    return negative & ~cases.lists.is_target


def audit_popularity(cases: AuditCases) -> NDArray[np.float64]:
    """Return [n_items] training interactions; else, counts in targets and histories.

    The targets of known cases count, too.
    """
    if cases.popularity is not None:
        return cases.popularity.astype(np.float64)
    parts = [cases.lists.target]
    if cases.known is not None:
        parts.append(cases.known.target)
    if cases.history is not None:
        parts.append(cases.history.items)
    return np.bincount(np.concatenate(parts), minlength=len(cases.names)).astype(np.float64)

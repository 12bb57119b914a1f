"""Guesses at the target that look at no preference: at the history, and at the lists before."""

import numpy as np
from numpy.typing import NDArray

from benchkit.data.audit import null_distributions
from benchkit.data.audit.candidate_lists import isin_sorted, testable_mask
from benchkit.data.audit.cases import AuditCases, CandidateLists, CaseHistories
from benchkit.data.audit.finding import AuditFinding, FindingSeverity
from benchkit.data.audit.former_draw import find_former_draws
from benchkit.data.request_batch import PADDING_ITEM

_MAX_EXAMPLES = 5
_HISTORY = (
    "A candidate that stands in the user's history is the target more often than chance: who has"
    " an item again is asked among items that the user never had."
)
_REPLAY = (
    "The lists are drawn by the rule of benchkit before 0.2 with a seed that can be guessed:"
    " whoever draws again finds the target from the case id alone. Draw them anew."
)
_EARLIER = (
    "What a user chooses later is left out of the lists before: a candidate that stood in the"
    " user's last list is not the target."
)


def run_guess_tests(cases: AuditCases) -> list[AuditFinding]:
    """Return each test of a guess as a finding with its raw p, before any correction."""
    rows = np.flatnonzero(testable_mask(cases))
    if not len(rows):
        return []
    findings = [check_replay(cases, rows)]
    if cases.history is not None:
        findings.append(check_history_guess(cases, cases.history, rows))
    if cases.user is not None:
        findings.append(check_earlier_lists(cases, cases.user))
    return findings


def check_replay(cases: AuditCases, rows: NDArray[np.int64]) -> AuditFinding:
    """Test whether the draw of benchkit before 0.2 names the targets.

    count: cases whose target it names. `seed`: the seed of this draw.
    """
    ids = [cases.ids[row] for row in rows.tolist()]
    lists = CandidateLists(cases.lists.target[rows], cases.lists.candidates[rows])
    draw = find_former_draws(lists, ids, cases.names)
    test = marked_target_test(lists, draw.marks)
    p = min(1.0, draw.n_tried * test.p)
    return _make_guess_finding(
        "replayable-draw", "leak", lists, draw.marks, ids, _REPLAY, {"seed": float(draw.seed)},
        null_distributions.NullTest(test.statistic, p),
    )  # fmt: skip


def check_history_guess(
    cases: AuditCases, history: CaseHistories, rows: NDArray[np.int64]
) -> AuditFinding:
    """Test whether candidates that stand in the history are the target more often than chance.

    count: cases whose target stands in the history.
    """
    n_items = len(cases.names)
    lists = CandidateLists(cases.lists.target[rows], cases.lists.candidates[rows])
    past = np.unique(history.case * n_items + history.items)
    marks = isin_sorted(past, rows[:, None] * n_items + lists.candidates)
    marks &= lists.candidates != PADDING_ITEM
    ids = [cases.ids[row] for row in rows.tolist()]
    return _make_guess_finding(
        "target-in-history", "leak", lists, marks, ids, _HISTORY, {},
        marked_target_test(lists, marks),
    )  # fmt: skip


def check_earlier_lists(cases: AuditCases, user: NDArray[np.int64]) -> AuditFinding:
    """Test whether targets are left out of the list that the same user had before.

    The lists before are those of known cases, then those of earlier cases. A target stands in
    another user's list as often as it is drawn (`expected`, over all lists); where its own user's
    list was drawn without regard to what comes later, it stands there as often or more, because
    lists of users who had it cannot hold it.
    count: targets that stand in the list before. of: cases with a list before.
    """
    lists = cases.lists
    width = lists.candidates.shape[1]
    if cases.known is not None and cases.known_user is not None:
        width = max(width, cases.known.candidates.shape[1])
        target = np.concatenate([cases.known.target, lists.target])
        table = np.concatenate([_pad(cases.known.candidates, width), _pad(lists.candidates, width)])
        user = np.concatenate([cases.known_user, user])
    else:
        target, table = lists.target, lists.candidates
    order = np.argsort(user, kind="stable")
    follows = user[order[1:]] == user[order[:-1]]
    before, later = order[:-1][follows], order[1:][follows]
    first_case = len(user) - len(cases)
    before, later = before[later >= first_case], later[later >= first_case]
    negatives = np.where(table == target[:, None], PADDING_ITEM, table)[before]
    times = np.bincount(negatives[negatives != PADDING_ITEM], minlength=len(cases.names))
    stands = (negatives == target[later][:, None]).any(axis=1)
    expected = np.minimum(times[target[later]] / max(1, len(before)), 1.0)
    examples = [cases.ids[row - first_case] for row in later[stands][:_MAX_EXAMPLES].tolist()]
    return AuditFinding(
        "later-targets-left-out",
        "leak",
        int(stands.sum()),
        len(later),
        _EARLIER,
        tuple(examples),
        {"expected": float(expected.sum())},
        *null_distributions.count_test(int(stands.sum()), expected, "less"),
    )


def marked_target_test(
    lists: CandidateLists, marks: NDArray[np.bool_]
) -> null_distributions.NullTest:
    """Test whether the target is among the marked candidates [n, width] more often than chance."""
    is_hit = (marks & lists.is_target).any(axis=1)
    return null_distributions.count_test(
        int(is_hit.sum()), marks.sum(axis=1) / lists.length, "greater"
    )


def guess_hit_rate(lists: CandidateLists, marks: NDArray[np.bool_]) -> float:
    """Return the expected HR@1 of a draw among the marked candidates, of all where none is."""
    n_marked = marks.sum(axis=1)
    is_hit = (marks & lists.is_target).any(axis=1)
    return float(np.mean(np.where(n_marked, is_hit / np.maximum(n_marked, 1), 1 / lists.length)))


def _make_guess_finding(
    name: str,
    severity: FindingSeverity,
    lists: CandidateLists,
    marks: NDArray[np.bool_],
    ids: list[str],
    consequence: str,
    measures: dict[str, float],
    test: null_distributions.NullTest,
) -> AuditFinding:
    rows = np.flatnonzero((marks & lists.is_target).any(axis=1))
    figures = {"hr@1": guess_hit_rate(lists, marks), "chance": lists.chance, **measures}
    examples = tuple(ids[row] for row in rows[:_MAX_EXAMPLES].tolist())
    return AuditFinding(
        name, severity, len(rows), len(lists), consequence, examples, figures, *test
    )


def _pad(table: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    extra = width - table.shape[1]
    return np.pad(table, ((0, 0), (0, extra)), constant_values=PADDING_ITEM)

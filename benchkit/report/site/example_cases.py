"""Example predictions, of the same few cases for every method of a task."""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchkit.report.site.judge_verdicts import MethodVerdicts

MAX_EXAMPLES = 5  # cases per row
_MIN_EXAMPLES = 2
_MAX_ROWS = 100  # with more rows there are fewer examples each, to keep the page small
_MAX_FULL_SAMPLES = 2
_MAX_LETTERS = 900
_MAX_HISTORY = 8  # newest items
_TOP_ITEMS = 5


@dataclass(frozen=True)
class CaseInput:
    """The input of a case, from the frozen data, because run records name items only by id."""

    history: tuple[str, ...] = ()
    """Titles, oldest first."""
    candidates: tuple[str, ...] = ()
    """Item ids in their frozen order."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Titles of the candidates by id."""


# (task, fingerprint of its test data, case ids) -> inputs of the cases that are known
CaseInputLookup = Callable[[str, str, Sequence[str]], Mapping[str, CaseInput]]


def look_up_once(questions: CaseInputLookup) -> CaseInputLookup:
    """Return a lookup that remembers its answers: the rows of a task show the same cases."""
    known: dict[tuple[str, str, tuple[str, ...]], Mapping[str, CaseInput]] = {}

    def lookup(task: str, fingerprint: str, cases: Sequence[str]) -> Mapping[str, CaseInput]:
        key = (task, fingerprint, tuple(cases))
        if key not in known:
            known[key] = questions(task, fingerprint, cases)
        return known[key]

    return lookup


def examples_per_row(rows: int) -> int:
    """Return the number of examples per row on a page with `rows` rows."""
    return max(_MIN_EXAMPLES, min(MAX_EXAMPLES, MAX_EXAMPLES * _MAX_ROWS // max(1, rows)))


def select_example_cases(case_ids: Iterable[str], judged: Iterable[str], count: int) -> list[str]:
    """Choose `count` cases by a hash of their ids, only among judged ones if there are any.

    >>> select_example_cases(["a", "b", "c", "d"], ["d"], 2)
    ['d']
    >>> select_example_cases(["b", "a"], [], 1) == select_example_cases("ab", [], 1)
    True
    """
    known = set(case_ids)
    pool = known & set(judged) or known
    return sorted(pool, key=lambda case: hashlib.sha256(case.encode()).digest())[:count]


def build_examples(
    rows: Mapping[str, Mapping[str, Any]],
    ranks: Mapping[str, int],
    verdicts: Sequence[MethodVerdicts],
    questions: Mapping[str, CaseInput],
    cases: Sequence[str],
) -> list[dict[str, Any]]:
    """Return a run's answers to `cases` as the page shows them, without cases it does not have.

    Args:
        rows: Its answers by case (`records.PREDICTIONS_SCHEMA`).
        ranks: The target's rank by case.
        verdicts: Of its judges.
        questions: What cases showed.
        cases: The cases.
    """
    return [
        _example(rows[case], ranks.get(case), verdicts, questions.get(case, CaseInput()))
        for case in cases
        if case in rows
    ]


def _example(
    row: Mapping[str, Any],
    rank: int | None,
    verdicts: Sequence[MethodVerdicts],
    question: CaseInput,
) -> dict[str, Any]:
    case = row["case_id"]
    titles = dict(question.titles)
    history = list(question.history)
    judged = [
        (method_verdicts.label, method_verdicts.verdict_rows[case])
        for method_verdicts in verdicts
        if case in method_verdicts.verdict_rows
    ]
    for _, verdict in judged:  # records of judges have titles
        for item in ("item", "target"):
            if verdict.get(item) and verdict.get(name := _TITLE[item]):
                titles.setdefault(verdict[item], verdict[name])
        history = history or list(verdict.get("history") or ())
    target = row.get("target")
    fields: dict[str, Any] = {
        "case": case,
        "target": titles.get(target, target) if target else None,
        "rank": rank,
        "status": row["status"],
        "asked": row["history_length"],
        "history": [_cut(title, 120) for title in history[-_MAX_HISTORY:]],
        "top": _top(row["scores"], question, target),
        "rationale": _cut(row["rationale"]),
        "sampled_status": row.get("sampled_status"),
        "samples": [
            {
                "text": _cut(sample["text"]) if place < _MAX_FULL_SAMPLES else None,
                "item": titles.get(sample["item"], sample["item"]),
                "hit": sample["item"] is not None and sample["item"] == target,
                "status": sample["status"],
            }
            for place, sample in enumerate(row["samples"] or ())
        ],
        "judged": [{"judge": label, **_verdict(verdict)} for label, verdict in judged],
    }
    return {name: value for name, value in fields.items() if value not in (None, [])}


_TITLE = {"item": "title", "target": "target_title"}


def _verdict(verdict: Mapping[str, Any]) -> dict[str, Any]:
    fields = {
        "status": verdict["status"],
        "grades": verdict["grades"],
        "reason": _cut(verdict.get("reason"), 300),
        "rationale": _cut(verdict.get("rationale")),
    }
    return {name: value for name, value in fields.items() if value}


def _top(
    scores: Sequence[float] | None, question: CaseInput, target: str | None
) -> list[dict[str, Any]]:
    """Return the candidates with the highest scores, best first, ties in their frozen order."""
    if not scores or len(scores) != len(question.candidates):
        return []
    listed = [place for place, score in enumerate(scores) if score > -math.inf]
    order = sorted(listed, key=lambda place: -scores[place])[:_TOP_ITEMS]
    return [
        {
            "item": _cut(question.titles.get(item := question.candidates[place], item), 120),
            "score": f"{scores[place]:.4g}",
            "hit": item == target,
        }
        for place in order
    ]


def _cut(text: str | None, letters: int = _MAX_LETTERS) -> str | None:
    if text is None or len(text) <= letters:
        return text
    return f"{text[:letters].rstrip()} […]"

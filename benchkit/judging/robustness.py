"""Probes: what a judge's grade does when an exhibit is changed.

A grade should not change with neutral sentences at the end, with the history turned round, or with
the item's title put in front. It should not rise when the rationale is cut, and should fall when
the rationale is another user's. A judge is asked about the changed exhibits like about any others.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from benchkit import seeds
from benchkit.judging.text_segmentation import split_sentences
from benchkit.judging.verdicts import Judge, JudgeInput, Verdict
from benchkit.lm.cost_estimate import NO_COST, CostEstimate
from benchkit.stats.bootstrap import mean_interval
from benchkit.types import Catalog, RunContext

# They say nothing of any customer, item or kind of item, and nothing to a judge.
NEUTRAL_SENTENCES = (
    "This recommendation is given with care.",
    "It was made by looking at what is known.",
    "Many things were weighed before it was made.",
    "That is how it came about.",
    "There is little more to say at this point.",
    "All in all, these are the reasons for it.",
)
PROBE_COLUMNS = {
    "case": pl.String,
    "probe": pl.String,
    "criterion": pl.String,
    "before": pl.Float64,
    "after": pl.Float64,
}
PROBE_SUMMARY_COLUMNS = {
    "probe": pl.String,
    "criterion": pl.String,
    "expected": pl.String,
    "n": pl.Int64,
    "cases": pl.Int64,
    "shift": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "moved": pl.Float64,
    "up": pl.Int64,
    "down": pl.Int64,
    "unscored": pl.Int64,
}


@dataclass(frozen=True)
class Probe:
    """One change. expected: what a grade ought to do, in words.

    change: exhibits -> the changed ones, or None for one that the change leaves as it is.
    """

    name: str
    expected: str
    change: Callable[[Sequence[JudgeInput], Catalog, int], list[JudgeInput | None]]


def pad_rationale(exhibit: JudgeInput, count: int = len(NEUTRAL_SENTENCES)) -> JudgeInput:
    """With `count` neutral sentences after the rationale."""
    text = exhibit.rationale.rstrip()
    stop = "" if not text or re.search(r"[.!?…。！？][\"'”’)\]*]*$", text) else "."
    filler = " ".join(NEUTRAL_SENTENCES[i % len(NEUTRAL_SENTENCES)] for i in range(count))
    return replace(exhibit, rationale=f"{text}{stop} {filler}".strip())


def keep_first_sentence(exhibit: JudgeInput) -> JudgeInput:
    """With the first sentence of the rationale alone."""
    parts = split_sentences(exhibit.rationale)
    return replace(exhibit, rationale=parts[0]) if len(parts) > 1 else exhibit


def halve_rationale(exhibit: JudgeInput) -> JudgeInput:
    """With the first half of the rationale's words, at least one; the last sentence may be cut."""
    places = [match.end() for match in re.finditer(r"\S+", exhibit.rationale)]
    if len(places) < 2:
        return exhibit
    return replace(exhibit, rationale=exhibit.rationale[: places[len(places) // 2 - 1]])


def reverse_history(exhibit: JudgeInput) -> JudgeInput:
    """With the history in the opposite order."""
    request = replace(exhibit.request, history=exhibit.request.history[::-1])
    return replace(exhibit, request=request)


def prepend_item_title(exhibit: JudgeInput, catalog: Catalog) -> JudgeInput:
    """With the recommended item's title as a line before the rationale."""
    known = exhibit.item in catalog.index
    title = (catalog.text(exhibit.item) if known else None) or exhibit.item
    return replace(exhibit, rationale=f"{' '.join(title.split())}\n{exhibit.rationale}")


def exchange_rationales(exhibits: Sequence[JudgeInput], seed: int) -> list[JudgeInput | None]:
    """Each with the rationale of one about another user; None where there is none such.

    In a random order by user, each takes the rationale that lies half of the exhibits further on,
    or of the next one after it that fits: it is of another user, and not the same text.
    """
    rng = seeds.generator("another's rationale", seed, len(exhibits))
    shuffled = rng.permutation(len(exhibits)).tolist()
    users = {exhibits[place].request.user: rank for rank, place in enumerate(shuffled)}
    order = sorted(shuffled, key=lambda place: users[exhibits[place].request.user])
    found: list[JudgeInput | None] = [None] * len(exhibits)
    for rank, place in enumerate(order):
        exhibit = exhibits[place]
        for step in range(len(order)):
            other = exhibits[order[(rank + len(order) // 2 + step) % len(order)]]
            differs = other.rationale.split() != exhibit.rationale.split()
            if other.request.user != exhibit.request.user and differs:
                found[place] = replace(exhibit, rationale=other.rationale)
                break
    return found


def _each(
    change: Callable[[JudgeInput, Catalog], JudgeInput],
) -> Callable[[Sequence[JudgeInput], Catalog, int], list[JudgeInput | None]]:
    def all_of(exhibits: Sequence[JudgeInput], catalog: Catalog, _: int) -> list[JudgeInput | None]:
        pairs = ((exhibit, change(exhibit, catalog)) for exhibit in exhibits)
        return [None if changed == exhibit else changed for exhibit, changed in pairs]

    return all_of


PROBES = (
    Probe("padded", "no change", _each(lambda e, _: pad_rationale(e))),
    Probe("first sentence", "no rise", _each(lambda e, _: keep_first_sentence(e))),
    Probe("halved", "no rise", _each(lambda e, _: halve_rationale(e))),
    Probe("history reversed", "no change", _each(lambda e, _: reverse_history(e))),
    Probe("item first", "no change", _each(prepend_item_title)),
    Probe("another's rationale", "fall", lambda es, _, seed: exchange_rationales(es, seed)),
)


def run_probes(
    judge: Judge,
    exhibits: Sequence[JudgeInput],
    run: RunContext,
    probes: Sequence[Probe] = PROBES,
    seed: int = 0,
) -> pl.DataFrame:
    """What `judge` says of exhibits and of each as changed: a row a case, probe and criterion.

    Columns: `PROBE_COLUMNS`; a grade is null where the judge gave none. An exhibit that a probe leaves
    as it is has no row of it. The keys of exhibits must differ.
    """
    names = [criterion.name for criterion in judge.rubric.criteria]
    before = _judge_by_key(judge, exhibits, run)
    rows = []
    for probe, changed in _apply_probes(exhibits, run.catalog, probes, seed):
        after = _judge_by_key(judge, changed, run)
        rows += [
            (exhibit.key, probe.name, name, _grade(before[exhibit.key], name), _grade(says, name))
            for exhibit, says in ((exhibit, after[exhibit.key]) for exhibit in changed)
            for name in names
        ]
    return pl.DataFrame(rows, schema=PROBE_COLUMNS, orient="row")


def estimate_probes(
    judge: Judge,
    exhibits: Sequence[JudgeInput],
    run: RunContext,
    probes: Sequence[Probe] = PROBES,
    seed: int = 0,
) -> CostEstimate:
    """What `run_probes` would ask a language model for. Nothing is asked."""
    changed = (part for _, part in _apply_probes(exhibits, run.catalog, probes, seed))
    return sum((judge.estimate(part, run) for part in (exhibits, *changed)), NO_COST)


def _apply_probes(
    exhibits: Sequence[JudgeInput], catalog: Catalog, probes: Sequence[Probe], seed: int
) -> Iterator[tuple[Probe, list[JudgeInput]]]:
    """Each probe with the exhibits that it changes, as changed."""
    for probe in probes:
        given = probe.change(exhibits, catalog, seed)
        yield probe, [exhibit for exhibit in given if exhibit is not None]


def summarize_probes(table: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """One row a probe and criterion of a table of `run_probes`, in its order (`PROBE_SUMMARY_COLUMNS`).

    A case may be there several times, with answers of several methods, whose changes are alike.

    n: answers graded before and after; cases: of how many cases. shift: mean change of the grade,
    each case's being the mean over its answers, with its 95 % bootstrap interval over cases (null
    where n is 0). moved: share of grades that changed; up, down: how many rose and fell. unscored:
    answers without a grade before or after.
    """
    expected = {probe.name: probe.expected for probe in PROBES}
    rows = []
    for (probe, criterion), part in table.group_by(["probe", "criterion"], maintain_order=True):
        changes = part.select("case", change=pl.col("after") - pl.col("before")).drop_nulls()
        change = changes["change"].to_numpy()
        by_case = changes.group_by("case", maintain_order=True).mean()["change"].to_numpy()
        low, high = mean_interval(by_case, seed=seed)
        shift = float(by_case.mean()) if len(by_case) else math.nan
        moved = float((change != 0).mean()) if len(change) else math.nan
        up, down = int((change > 0).sum()), int((change < 0).sum())
        rows.append(
            (
                probe,
                criterion,
                expected.get(str(probe), ""),
                len(change),
                len(by_case),
                *(_none_if_nan(value) for value in (shift, low, high, moved)),
                up,
                down,
                len(part) - len(change),
            )
        )
    return pl.DataFrame(rows, schema=PROBE_SUMMARY_COLUMNS, orient="row")


def probes_to_markdown(summed: pl.DataFrame) -> str:
    """A `summarize_probes` as a Markdown table."""
    names = ("Probe", "Criterion", "Ought to")
    figures = ("Answers", "Cases", "Mean shift", "Moved", "Up", "Down", "Unscored")
    lines = [f"| {' | '.join((*names, *figures))} |"]
    lines.append(f"|{' --- |' * len(names)}{' --: |' * len(figures)}")
    lines += [f"| {' | '.join(cells)} |" for cells in _cells(summed)]
    note = (
        "Mean change of the grade with its 95 % bootstrap interval over cases; share of grades that"
        " moved."
    )
    return "\n".join([*lines, "", note, ""])


def _cells(summed: pl.DataFrame) -> Iterator[tuple[str, ...]]:
    for row in summed.iter_rows(named=True):
        shift, moved = "", ""
        if row["n"]:
            shift = f"{row['shift']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
            moved = f"{row['moved']:.1%}"
        counts = (str(row[name]) for name in ("up", "down", "unscored"))
        names = (row["probe"], row["criterion"], row["expected"], str(row["n"]), str(row["cases"]))
        yield (*names, shift, moved, *counts)


def _judge_by_key(
    judge: Judge, exhibits: Sequence[JudgeInput], run: RunContext
) -> dict[str, Verdict]:
    given = judge.judge(exhibits, run)
    return {verdict.key: verdict for _, verdict in zip(exhibits, given, strict=True)}


def _grade(verdict: Verdict, criterion: str) -> float | None:
    return verdict.grades.get(criterion) if verdict.status == "scored" else None


def _none_if_nan(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

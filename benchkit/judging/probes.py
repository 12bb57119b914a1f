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
from benchkit.judging.protocol import Exhibit, Judge, Verdict
from benchkit.judging.sentences import sentences
from benchkit.lm.estimate import NOTHING, Estimate
from benchkit.protocols import Catalog, RunContext
from benchkit.stats.bootstrap import mean_interval

# They say nothing of any customer, item or kind of item, and nothing to a judge.
FILLER = (
    "This recommendation is given with care.",
    "It was made by looking at what is known.",
    "Many things were weighed before it was made.",
    "That is how it came about.",
    "There is little more to say at this point.",
    "All in all, these are the reasons for it.",
)
COLUMNS = {
    "case": pl.String,
    "probe": pl.String,
    "criterion": pl.String,
    "before": pl.Float64,
    "after": pl.Float64,
}
SUMMARY = {
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
    change: Callable[[Sequence[Exhibit], Catalog, int], list[Exhibit | None]]


def padded(exhibit: Exhibit, count: int = len(FILLER)) -> Exhibit:
    """With `count` neutral sentences after the rationale."""
    text = exhibit.rationale.rstrip()
    stop = "" if not text or re.search(r"[.!?…。！？][\"'”’)\]*]*$", text) else "."
    filler = " ".join(FILLER[i % len(FILLER)] for i in range(count))
    return replace(exhibit, rationale=f"{text}{stop} {filler}".strip())


def first_sentence(exhibit: Exhibit) -> Exhibit:
    """With the first sentence of the rationale alone."""
    parts = sentences(exhibit.rationale)
    return replace(exhibit, rationale=parts[0]) if len(parts) > 1 else exhibit


def halved(exhibit: Exhibit) -> Exhibit:
    """With the first half of the rationale's words, at least one; the last sentence may be cut."""
    places = [match.end() for match in re.finditer(r"\S+", exhibit.rationale)]
    if len(places) < 2:
        return exhibit
    return replace(exhibit, rationale=exhibit.rationale[: places[len(places) // 2 - 1]])


def history_reversed(exhibit: Exhibit) -> Exhibit:
    """With the history in the opposite order."""
    request = replace(exhibit.request, history=exhibit.request.history[::-1])
    return replace(exhibit, request=request)


def item_first(exhibit: Exhibit, catalog: Catalog) -> Exhibit:
    """With the recommended item's title as a line before the rationale."""
    known = exhibit.item in catalog.index
    title = (catalog.text(exhibit.item) if known else None) or exhibit.item
    return replace(exhibit, rationale=f"{' '.join(title.split())}\n{exhibit.rationale}")


def anothers_rationale(exhibits: Sequence[Exhibit], seed: int) -> list[Exhibit | None]:
    """Each with the rationale of one about another user; None where there is none such.

    In a random order by user, each takes the rationale that lies half of the exhibits further on,
    or of the next one after it that fits: it is of another user, and not the same text.
    """
    rng = seeds.generator("another's rationale", seed, len(exhibits))
    shuffled = rng.permutation(len(exhibits)).tolist()
    users = {exhibits[place].request.user: rank for rank, place in enumerate(shuffled)}
    order = sorted(shuffled, key=lambda place: users[exhibits[place].request.user])
    found: list[Exhibit | None] = [None] * len(exhibits)
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
    change: Callable[[Exhibit, Catalog], Exhibit],
) -> Callable[[Sequence[Exhibit], Catalog, int], list[Exhibit | None]]:
    def all_of(exhibits: Sequence[Exhibit], catalog: Catalog, _: int) -> list[Exhibit | None]:
        pairs = ((exhibit, change(exhibit, catalog)) for exhibit in exhibits)
        return [None if changed == exhibit else changed for exhibit, changed in pairs]

    return all_of


PROBES = (
    Probe("padded", "no change", _each(lambda e, _: padded(e))),
    Probe("first sentence", "no rise", _each(lambda e, _: first_sentence(e))),
    Probe("halved", "no rise", _each(lambda e, _: halved(e))),
    Probe("history reversed", "no change", _each(lambda e, _: history_reversed(e))),
    Probe("item first", "no change", _each(item_first)),
    Probe("another's rationale", "fall", lambda es, _, seed: anothers_rationale(es, seed)),
)


def run_probes(
    judge: Judge,
    exhibits: Sequence[Exhibit],
    run: RunContext,
    probes: Sequence[Probe] = PROBES,
    seed: int = 0,
) -> pl.DataFrame:
    """What `judge` says of exhibits and of each as changed: a row a case, probe and criterion.

    Columns: `COLUMNS`; a grade is null where the judge gave none. An exhibit that a probe leaves
    as it is has no row of it. The keys of exhibits must differ.
    """
    names = [criterion.name for criterion in judge.rubric.criteria]
    before = _judged(judge, exhibits, run)
    rows = []
    for probe, changed in _changed(exhibits, run.catalog, probes, seed):
        after = _judged(judge, changed, run)
        rows += [
            (exhibit.key, probe.name, name, _grade(before[exhibit.key], name), _grade(says, name))
            for exhibit, says in ((exhibit, after[exhibit.key]) for exhibit in changed)
            for name in names
        ]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def estimated(
    judge: Judge,
    exhibits: Sequence[Exhibit],
    run: RunContext,
    probes: Sequence[Probe] = PROBES,
    seed: int = 0,
) -> Estimate:
    """What `run_probes` would ask a language model for. Nothing is asked."""
    changed = (part for _, part in _changed(exhibits, run.catalog, probes, seed))
    return sum((judge.estimate(part, run) for part in (exhibits, *changed)), NOTHING)


def _changed(
    exhibits: Sequence[Exhibit], catalog: Catalog, probes: Sequence[Probe], seed: int
) -> Iterator[tuple[Probe, list[Exhibit]]]:
    """Each probe with the exhibits that it changes, as changed."""
    for probe in probes:
        given = probe.change(exhibits, catalog, seed)
        yield probe, [exhibit for exhibit in given if exhibit is not None]


def summary(table: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """One row a probe and criterion of a table of `run_probes`, in its order (`SUMMARY`).

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
                *(_known(value) for value in (shift, low, high, moved)),
                up,
                down,
                len(part) - len(change),
            )
        )
    return pl.DataFrame(rows, schema=SUMMARY, orient="row")


def markdown(summed: pl.DataFrame) -> str:
    """A `summary` as a Markdown table."""
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


def _judged(judge: Judge, exhibits: Sequence[Exhibit], run: RunContext) -> dict[str, Verdict]:
    given = judge.judge(exhibits, run)
    return {verdict.key: verdict for _, verdict in zip(exhibits, given, strict=True)}


def _grade(verdict: Verdict, criterion: str) -> float | None:
    return verdict.grades.get(criterion) if verdict.status == "scored" else None


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

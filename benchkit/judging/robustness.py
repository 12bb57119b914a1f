"""Probes: what a judge's grade does when its input is changed.

A grade should not change with neutral sentences at the end, with the history turned round, or with
the item's title put in front. It should not rise when the rationale is cut, and should fall when
the rationale is another user's. A judge is asked about changed inputs like about any others.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from benchkit import seeds
from benchkit.faults import DEFAULT_MAX_FAULT_SHARE, FaultTally
from benchkit.judging.text_segmentation import split_sentences
from benchkit.judging.verdicts import SCORED, Judge, JudgeInput, Verdict
from benchkit.lm.cost_estimate import NO_COST, CostEstimate
from benchkit.stats.bootstrap import mean_interval
from benchkit.stats.clusters import count_clusters, find_clusters
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
    "user": pl.String,
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
    "users": pl.Int64,
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
    """One change to the inputs of a judge."""

    name: str
    expected: str
    """What a grade ought to do, in words."""
    change: Callable[[Sequence[JudgeInput], Catalog, int], list[JudgeInput | None]]
    """Inputs, catalogue and seed -> the changed inputs; None for one that it leaves as it is."""


def pad_rationale(judge_input: JudgeInput, count: int = len(NEUTRAL_SENTENCES)) -> JudgeInput:
    """Append `count` neutral sentences to the rationale."""
    text = judge_input.rationale.rstrip()
    stop = "" if not text or re.search(r"[.!?…。！？][\"'”’)\]*]*$", text) else "."
    filler = " ".join(NEUTRAL_SENTENCES[i % len(NEUTRAL_SENTENCES)] for i in range(count))
    return replace(judge_input, rationale=f"{text}{stop} {filler}".strip())


def keep_first_sentence(judge_input: JudgeInput) -> JudgeInput:
    """Cut the rationale after its first sentence."""
    parts = split_sentences(judge_input.rationale)
    return replace(judge_input, rationale=parts[0]) if len(parts) > 1 else judge_input


def halve_rationale(judge_input: JudgeInput) -> JudgeInput:
    """Cut the rationale after half of its words, at least one; the last sentence may be cut."""
    ends = [match.end() for match in re.finditer(r"\S+", judge_input.rationale)]
    if len(ends) < 2:
        return judge_input
    return replace(judge_input, rationale=judge_input.rationale[: ends[len(ends) // 2 - 1]])


def reverse_history(judge_input: JudgeInput) -> JudgeInput:
    """Put the history in the opposite order."""
    request = replace(judge_input.request, history=judge_input.request.history[::-1])
    return replace(judge_input, request=request)


def prepend_item_title(judge_input: JudgeInput, catalog: Catalog) -> JudgeInput:
    """Put the recommended item's title as a line before the rationale."""
    item = judge_input.item
    title = (catalog.text(item) if item in catalog.index else None) or item
    return replace(judge_input, rationale=f"{' '.join(title.split())}\n{judge_input.rationale}")


def exchange_rationales(inputs: Sequence[JudgeInput], seed: int) -> list[JudgeInput | None]:
    """Give each input the rationale of one about another user; None where there is none such.

    In a random order by user, each takes the rationale that lies half of the inputs further on,
    or of the next one after it that fits: it is of another user, and not the same text.
    """
    rng = seeds.generator("another's rationale", seed, len(inputs))
    shuffled = rng.permutation(len(inputs)).tolist()
    users = {inputs[i].request.user: rank for rank, i in enumerate(shuffled)}
    order = sorted(shuffled, key=lambda i: users[inputs[i].request.user])
    exchanged: list[JudgeInput | None] = [None] * len(inputs)
    for rank, i in enumerate(order):
        judge_input = inputs[i]
        for step in range(len(order)):
            other = inputs[order[(rank + len(order) // 2 + step) % len(order)]]
            differs = other.rationale.split() != judge_input.rationale.split()
            if other.request.user != judge_input.request.user and differs:
                exchanged[i] = replace(judge_input, rationale=other.rationale)
                break
    return exchanged


def _apply_to_each(
    change: Callable[[JudgeInput, Catalog], JudgeInput],
) -> Callable[[Sequence[JudgeInput], Catalog, int], list[JudgeInput | None]]:
    def apply(inputs: Sequence[JudgeInput], catalog: Catalog, _: int) -> list[JudgeInput | None]:
        pairs = ((before, change(before, catalog)) for before in inputs)
        return [None if after == before else after for before, after in pairs]

    return apply


PROBES = (
    Probe("padded", "no change", _apply_to_each(lambda e, _: pad_rationale(e))),
    Probe("first sentence", "no rise", _apply_to_each(lambda e, _: keep_first_sentence(e))),
    Probe("halved", "no rise", _apply_to_each(lambda e, _: halve_rationale(e))),
    Probe("history reversed", "no change", _apply_to_each(lambda e, _: reverse_history(e))),
    Probe("item first", "no change", _apply_to_each(prepend_item_title)),
    Probe("another's rationale", "fall", lambda es, _, seed: exchange_rationales(es, seed)),
)


def run_probes(
    judge: Judge,
    inputs: Sequence[JudgeInput],
    run: RunContext,
    probes: Sequence[Probe] = PROBES,
    seed: int = 0,
) -> pl.DataFrame:
    """Judge the inputs, and each as every probe changes it.

    The keys of inputs must differ. Returns a row a case, probe and criterion (`PROBE_COLUMNS`); a
    grade is null where the judge gave none. An input that a probe leaves as it is has no row of it.
    """
    names = [criterion.name for criterion in judge.rubric.criteria]
    users = {judge_input.key: judge_input.request.user for judge_input in inputs}
    before = _judge_by_key(judge, inputs, run)
    rows = []
    for probe, changed in _apply_probes(inputs, run.catalog, probes, seed):
        for key, after in _judge_by_key(judge, changed, run).items():
            for name in names:
                grades = _grade(before[key], name), _grade(after, name)
                rows.append((key, users[key], probe.name, name, *grades))
    return pl.DataFrame(rows, schema=PROBE_COLUMNS, orient="row")


def estimate_probes(
    judge: Judge,
    inputs: Sequence[JudgeInput],
    run: RunContext,
    probes: Sequence[Probe] = PROBES,
    seed: int = 0,
) -> CostEstimate:
    """Estimate what `run_probes` would ask a language model for, without asking."""
    changed = (part for _, part in _apply_probes(inputs, run.catalog, probes, seed))
    return sum((judge.estimate(part, run) for part in (inputs, *changed)), NO_COST)


def _apply_probes(
    inputs: Sequence[JudgeInput], catalog: Catalog, probes: Sequence[Probe], seed: int
) -> Iterator[tuple[Probe, list[JudgeInput]]]:
    """Yield each probe with the inputs that it changes, as changed."""
    for probe in probes:
        changed = probe.change(inputs, catalog, seed)
        yield probe, [judge_input for judge_input in changed if judge_input is not None]


def summarize_probes(table: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """Summarize a table of `run_probes`: one row a probe and criterion, in its order.

    A case may be there several times, with answers of several methods, whose changes are alike.

    Returns `PROBE_SUMMARY_COLUMNS`: n: answers graded before and after; cases, users: of how many.
    shift: mean change of the grade, each case's being the mean over its answers, with its 95 %
    bootstrap interval over users (null where n is 0). moved: share of grades that changed; up,
    down: how many rose and fell. unscored: answers without a grade before or after.
    """
    expected = {probe.name: probe.expected for probe in PROBES}
    rows = []
    for (probe, criterion), part in table.group_by(["probe", "criterion"], maintain_order=True):
        shifts = pl.col("after") - pl.col("before")
        changes = part.select("case", "user", change=shifts).drop_nulls("change")
        change = changes["change"].to_numpy()
        cases = changes.group_by("case", maintain_order=True).agg(
            pl.col("change").mean(), pl.col("user").first()
        )
        by_case, clusters = cases["change"].to_numpy(), find_clusters(cases["user"].to_list())
        low, high = mean_interval(by_case, seed=seed, clusters=clusters)
        shift = float(by_case.mean()) if len(by_case) else math.nan
        moved = float((change != 0).mean()) if len(change) else math.nan
        figures = [None if math.isnan(value) else value for value in (shift, low, high, moved)]
        counts = int((change > 0).sum()), int((change < 0).sum()), len(part) - len(change)
        names = probe, criterion, expected.get(str(probe), "")
        n_users = count_clusters(clusters, len(by_case))
        rows.append((*names, len(change), len(by_case), n_users, *figures, *counts))
    return pl.DataFrame(rows, schema=PROBE_SUMMARY_COLUMNS, orient="row")


def probes_to_markdown(summary: pl.DataFrame) -> str:
    """Return a table of `summarize_probes` in Markdown."""
    names = ("Probe", "Criterion", "Ought to")
    figures = ("Answers", "Cases", "Users", "Mean shift", "Moved", "Up", "Down", "Unscored")
    lines = [f"| {' | '.join((*names, *figures))} |"]
    lines.append(f"|{' --- |' * len(names)}{' --: |' * len(figures)}")
    for row in summary.iter_rows(named=True):
        shift, moved = "", ""
        if row["n"]:
            shift = f"{row['shift']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
            moved = f"{row['moved']:.1%}"
        cells = [
            str(row[name]) for name in ("probe", "criterion", "expected", "n", "cases", "users")
        ]
        cells += [shift, moved, *(str(row[name]) for name in ("up", "down", "unscored"))]
        lines.append(f"| {' | '.join(cells)} |")
    note = (
        "Mean change of the grade over cases, with its 95 % bootstrap interval over users; share of"
        " grades that moved."
    )
    return "\n".join([*lines, "", note, ""])


def _judge_by_key(
    judge: Judge, inputs: Sequence[JudgeInput], run: RunContext
) -> dict[str, Verdict]:
    """Return the verdicts. Raises EngineError if too many lack an answer of the judge's engine."""
    faults = FaultTally(len(inputs), DEFAULT_MAX_FAULT_SHARE, "judgements")
    verdicts = {}
    for judge_input, verdict in zip(inputs, judge.judge(inputs, run), strict=True):
        verdicts[judge_input.key] = verdict
        if verdict.fault:
            faults.add(verdict.fault)
    return verdicts


def _grade(verdict: Verdict, criterion: str) -> float | None:
    return verdict.grades.get(criterion) if verdict.status == SCORED else None

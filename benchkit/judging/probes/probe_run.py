"""Ask a judge about answers as they are, and as probes change them."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from benchkit.faults import DEFAULT_MAX_FAULT_SHARE, FaultTally
from benchkit.judging.probes.probe import PROBES, Probe
from benchkit.judging.rubric import Criterion, Rubric
from benchkit.judging.validation import validate_verdicts
from benchkit.judging.verdicts import SCORED, Judge, JudgeInput, Verdict
from benchkit.lm.cost_estimate import NO_COST, CostEstimate
from benchkit.types import RunContext

PROBE_COLUMNS = {
    "case": pl.String,
    "user": pl.String,
    "probe": pl.String,
    "expected": pl.String,
    "criterion": pl.String,
    "before": pl.Float64,
    "after": pl.Float64,
    "step": pl.Float64,
    "span": pl.Float64,
}
GRADE_COLUMNS = {
    "case": pl.String,
    "user": pl.String,
    "criterion": pl.String,
    "grade": pl.Float64,
    "step": pl.Float64,
    "span": pl.Float64,
}


def run_probes(
    judge: Judge,
    inputs: Sequence[JudgeInput],
    run: RunContext,
    probes: Sequence[Probe] = PROBES,
    seed: int = 0,
    before: Mapping[str, Verdict] | None = None,
) -> pl.DataFrame:
    """Judge the inputs, and each as every probe changes it.

    The keys of inputs must differ. `before` are their verdicts by key, if there are. Returns a row
    a case, probe and criterion (`PROBE_COLUMNS`); a grade is null where the judge gave none, `step`
    is the least difference of two grades and `span` that of the lowest and the highest. An input
    that a probe leaves as it is has no row of it, and a probe that this judge cannot be asked none
    at all.
    """
    if before is None:
        before = judge_by_key(judge, inputs, run)
    users = {judge_input.key: judge_input.request.user for judge_input in inputs}
    scales = describe_scales(judge.rubric)
    rows = []
    for probe, changed_judge, changed in _apply_probes(judge, inputs, run, probes, seed):
        for key, after in judge_by_key(changed_judge, changed, run).items():
            for name, scale in scales.items():
                grades = read_grade(before[key], name), read_grade(after, name)
                rows.append((key, users[key], probe.name, probe.expected, name, *grades, *scale))
    return pl.DataFrame(rows, schema=PROBE_COLUMNS, orient="row")


def tabulate_grades(
    judge: Judge, inputs: Sequence[JudgeInput], verdicts: Mapping[str, Verdict]
) -> pl.DataFrame:
    """Return what the judge said of inputs: a row a case and criterion (`GRADE_COLUMNS`)."""
    rows = [
        (e.key, e.request.user, name, read_grade(verdicts[e.key], name), *scale)
        for e in inputs
        for name, scale in describe_scales(judge.rubric).items()
    ]
    return pl.DataFrame(rows, schema=GRADE_COLUMNS, orient="row")


def estimate_probes(
    judge: Judge,
    inputs: Sequence[JudgeInput],
    run: RunContext,
    probes: Sequence[Probe] = PROBES,
    seed: int = 0,
) -> CostEstimate:
    """Estimate what `run_probes` would ask a language model for, without asking."""
    changed = _apply_probes(judge, inputs, run, probes, seed)
    costs = (changed_judge.estimate(part, run) for _, changed_judge, part in changed)
    return sum(costs, NO_COST + judge.estimate(inputs, run))


def _apply_probes(
    judge: Judge,
    inputs: Sequence[JudgeInput],
    run: RunContext,
    probes: Sequence[Probe],
    seed: int,
) -> Iterator[tuple[Probe, Judge, list[JudgeInput]]]:
    """Yield each probe with the judge and the inputs that it changes, as changed."""
    for probe in probes:
        changed_judge = probe.change_judge(judge)
        if changed_judge is None:
            continue
        changed = probe.change(inputs, run.catalog, seed)
        yield probe, changed_judge, [one for one in changed if one is not None]


def judge_by_key(
    judge: Judge, inputs: Sequence[JudgeInput], run: RunContext, noun: str = "case"
) -> dict[str, Verdict]:
    """Return the verdicts by the keys of inputs, which an error calls by `noun`.

    Raises:
        MethodError: A verdict is not of its input, or has a grade that the rubric does not have.
        EngineError: Too many verdicts lack an answer of the judge's engine.
    """
    faults = FaultTally(len(inputs), DEFAULT_MAX_FAULT_SHARE, "judgements")
    verdicts = {}
    for verdict in validate_verdicts(judge.judge(inputs, run), inputs, judge.rubric, noun):
        verdicts[verdict.key] = verdict
        if verdict.fault:
            faults.add(verdict.fault)
    return verdicts


def read_grade(verdict: Verdict, criterion: str) -> float | None:
    """Return the grade of a criterion, None where the judge gave none."""
    return verdict.grades.get(criterion) if verdict.status == SCORED else None


def describe_scales(rubric: Rubric) -> dict[str, tuple[float, float]]:
    """Return the step between grades and the span of the scale, by criterion.

    >>> from benchkit.judging.rubric import load_rubric
    >>> describe_scales(load_rubric("rationale-0-3"))
    {'rating': (1.0, 3.0)}
    """
    step = 0.5 if rubric.half_grades else 1.0

    def span(criterion: Criterion) -> float:
        return float(criterion.high - criterion.low)

    return {criterion.name: (step, span(criterion)) for criterion in rubric.criteria}

"""Judge the rationales of runs that are in the store."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from rich.markup import escape

from benchkit.api.execution import open_handler
from benchkit.api.results import Results
from benchkit.api.run_report import RunReport
from benchkit.api.stored_results import load_results
from benchkit.api.suites import as_names, resolve_suite
from benchkit.config.judging import JudgeSpec, JudgingSpec
from benchkit.config.loading import read_toml
from benchkit.config.suite import Suite
from benchkit.config.suite_code import check_code
from benchkit.config.suite_files import locate_judges
from benchkit.errors import ConfigError, StoreError
from benchkit.judging.judge_job import make_judge_jobs
from benchkit.judging.judgeable_runs import JudgeableRun, find_judgeable_runs, find_missing_runs
from benchkit.judging.probes.judge_probes import probe_judges
from benchkit.judging.reply_file import read_replies
from benchkit.judging.runner import (
    JudgeCost,
    JudgeResult,
    estimate_judge_costs,
    judge_runs,
)
from benchkit.judging.verdicts import JudgeOfRuns
from benchkit.key_access import allow_keys as allow_key_pairs
from benchkit.lm.cost_estimate import ESTIMATE_NOTE, NO_COST, CostEstimate
from benchkit.lm.data_parallel.engine_factory import EngineFactory, use_engine_factory
from benchkit.lm.engines.batch_settings import ask_by_batches, batch_shares
from benchkit.runs.executors import choose_engines
from benchkit.runs.progress import EventHandler
from benchkit.runs.records import PlannedJudge
from benchkit.runs.store import Store, find_replaced_judges


@dataclass(frozen=True)
class JudgingPlan:
    """What is to be judged, and by whom: the answer of `plan_judging`.

    Attributes:
        suite: The suite that was run.
        name: Its name in the store.
        judging: The judges and how many cases they see.
        targets: The runs whose rationales are judged.
        store: The run store.
        engines: What makes the judges' engines; None for those of this process.
        missing: (task, method) -> why none of its runs is among them.
    """

    suite: Suite
    name: str
    judging: JudgingSpec
    targets: tuple[JudgeableRun, ...]
    store: Store
    engines: EngineFactory | None = None
    missing: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def estimate(self, probe: int | None = None, again: bool = False) -> Iterator[str]:
        """Say what judging, or probing so many cases, would take; nothing is asked.

        Yields a line a run, then the sums, then what the estimate rests on.
        """
        with use_engine_factory(self.engines):
            yield from describe_costs(
                estimate_judge_costs(self.store, self.targets, self.judging, probe, again)
            )
        for share in batch_shares([judge.config for judge in self.judging.judges]):
            yield f"by the Batch endpoint, at {share:.0%} of the prices"

    def probe(self, cases: int) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Change `cases` answers of each method, and return how grades move; nothing is stored.

        Returns the tests of all probes and judges, and what could not be measured.
        """
        with use_engine_factory(self.engines):
            return probe_judges(self.store, self.targets, self.judging, cases)

    def replaced_judges(self) -> list[PlannedJudge]:
        """Return the judges whose place in the tables these take."""
        record = self.store.plan(self.name)
        planned = [job.plan_entry for job in make_judge_jobs(self.judging)]
        return find_replaced_judges(planned, record.judges if record else [])


def plan_judging(
    suite: str | Path | Suite,
    *,
    by: str = "",
    label: str = "",
    config: Mapping[str, Any] | None = None,
    cases: int | None = None,
    methods: str | Iterable[str] = (),
    datasets: str | Iterable[str] = (),
    limit_users: int | None = None,
    store: str | Path = "runs",
    data: str | Path = "data",
    trust: bool = False,
    batch: bool = False,
    executor: str = "",
    executor_options: Iterable[str] = (),
    replies: str | Path | None = None,
    for_pairs: bool = False,
) -> JudgingPlan:
    """Find the runs to judge and check the judges' settings; see `judge`.

    for_pairs: whether the judges are to compare answers, for which some rubrics are made.

    Raises:
        ConfigError: There is no such judge, or its settings are wrong.
        StoreError: The suite has no complete run.
    """
    engines = choose_engines(executor, tuple(executor_options))
    resolved = locate_judges(resolve_suite(suite, trust), Path(data))
    settings = dict(config or {})
    if replies is not None:
        by, label, settings = _reply_judge(Path(replies), by, label, settings)
    judging = _judging_spec(resolved, by, label, settings, cases)
    if batch:
        judges = [judge.model_dump() for judge in judging.judges]
        judging = judging.model_validate(
            {**judging.model_dump(), "judges": ask_by_batches(judges, f"suite {resolved.name!r}")}
        )
    records = Store(Path(store))
    name = resolved.name if limit_users is None else f"{resolved.name}@{limit_users}users"
    selected = as_names(methods), as_names(datasets)
    targets = find_judgeable_runs(records, resolved, name, Path(data), *selected)
    if not targets:
        raise StoreError(
            f"store {store}: no complete run of suite {name!r} to judge",
            f"benchkit run --suite {suite} --out {store}",
        )
    _check_runs(records, resolved, name, Path(data), judging, for_pairs)
    missing = find_missing_runs(records, name, *selected)
    return JudgingPlan(resolved, name, judging, tuple(targets), records, engines, missing)


def judge(
    suite: str | Path | Suite,
    *,
    by: str = "",
    label: str = "",
    config: Mapping[str, Any] | None = None,
    cases: int | None = None,
    methods: str | Iterable[str] = (),
    datasets: str | Iterable[str] = (),
    limit_users: int | None = None,
    again: bool = False,
    store: str | Path = "runs",
    data: str | Path = "data",
    trust: bool = False,
    batch: bool = False,
    executor: str = "",
    executor_options: Iterable[str] = (),
    replies: str | Path | None = None,
    allow_keys: Iterable[str] = (),
    progress: bool | EventHandler = True,
    on_outcome: Callable[[Any], None] | None = None,
) -> Results:
    """Grade the rationales of complete runs, and return the suite's results with the grades.

    Args:
        suite: A suite that was run: its name, its TOML file, or a `Suite`.
        by: A judge by name or `FILE.py:Class`; the suite's own judges by default.
        label: What the judge is called in tables.
        config: Settings of that judge, e.g. {"rubric": "rationale-0-3"}.
        cases: Cases of a task, the same for every method.
        methods: Labels; all by default.
        datasets: Tasks; all by default.
        limit_users: Judge the runs of `SUITE@Nusers`.
        again: Judge again, even where a verdict is stored.
        store: Folder of the run records.
        data: Folder of the prepared datasets.
        trust: Let code run that a suite file names, wherever the file is from (see `run`).
        batch: Let judges ask servers by the Batch endpoint: at half the price, within a day.
        executor: Where language models of judges are asked: "inline", in this process, or "ray", in
            several at once on a cluster. The grades and the stored answers are the same.
        executor_options: Options of ray, e.g. ["address=auto", "actors=8"].
        replies: Instead of a judge, a file of replies that one gave elsewhere
            (`benchkit.judging.reply_file`), read by the rubric in `config`.
        allow_keys: Which API key may go to which server, e.g. ["MY_KEY=gpu01"] (see `run`).
        progress: Show progress on the screen, or hand every event to a function.
        on_outcome: Called with the outcome of each judge and run.

    Raises:
        ConfigError: There is no such judge, or its settings are wrong.
        StoreError: The suite has no complete run.

    Example:
        >>> import benchkit as bk
        >>> bk.judge("quickstart", by="heuristic", store="nowhere")
        Traceback (most recent call last):
        ...
        benchkit.errors.StoreError: store nowhere: suite 'quickstart' has not been run
          hint: benchkit run --suite quickstart --out nowhere
    """
    with allow_key_pairs(allow_keys):
        planned = plan_judging(
            suite, by=by, label=label, config=config, cases=cases, methods=methods,
            datasets=datasets, limit_users=limit_users, store=store, data=data, trust=trust,
            batch=batch, executor=executor, executor_options=executor_options, replies=replies,
        )  # fmt: skip
        return execute_judging(
            planned, again=again, data=data, progress=progress, on_outcome=on_outcome
        )


def _reply_judge(
    path: Path, by: str, label: str, settings: dict[str, Any]
) -> tuple[str, str, dict[str, Any]]:
    """Return name, label and settings of the judge of a file, called as the file says."""
    if by:
        raise ConfigError("a judge beside the replies of one", "leave out --by or --replies")
    judge = read_replies(path)[0].judge.replace("/", "-") or path.stem
    return "replies", label or judge, {**settings, "replies": str(path)}


def _check_runs(
    records: Store, suite: Suite, name: str, data: Path, judging: JudgingSpec, for_pairs: bool
) -> None:
    """Raise ConfigError where a judge has verdicts of answers that no run of the suite gave."""
    for job in make_judge_jobs(judging, for_pairs):
        judge: object = job.judge
        if isinstance(judge, JudgeOfRuns):
            runs = find_judgeable_runs(records, suite, name, data)
            judge.check_runs(
                (run.manifest, frozenset(run.run.predictions()["case_id"])) for run in runs
            )


def execute_judging(
    planned: JudgingPlan,
    *,
    again: bool = False,
    data: str | Path = "data",
    progress: bool | EventHandler = True,
    on_outcome: Callable[[Any], None] | None = None,
) -> Results:
    """Carry out a `JudgingPlan`; what was judged or paid for before is kept."""
    record = planned.store.plan(planned.name)
    if record is None:
        raise StoreError(f"suite {planned.name!r} has left the store", "run it again")
    judges = [job.plan_entry for job in make_judge_jobs(planned.judging)]
    planned.store.update_plan(record.model_copy(update={"judges": judges}))
    computed = failed = 0
    with open_handler(progress) as handler, use_engine_factory(planned.engines):
        outcomes = judge_runs(
            planned.store, planned.targets, planned.judging, handler, again,
            planned.suite.max_fault_share,
        )  # fmt: skip
        for outcome in outcomes:
            computed += outcome.computed
            failed += outcome.manifest is not None and outcome.manifest.status == "failed"
            if on_outcome is not None:
                on_outcome(outcome)
    report = RunReport(n_runs=0, n_computed=0, n_failed=failed, n_judgements=computed)
    return load_results(planned.store.root, planned.name, data=data, run_report=report)


def describe_costs(costs: Iterable[JudgeCost]) -> Iterator[str]:
    """Yield a line a run, then the sums of each judge and of all, then what they rest on."""
    totals: dict[str, list[CostEstimate]] = {}
    for label, target, cost, judged in costs:
        totals.setdefault(label, []).append(cost)
        yield f"{target.title} / {label}: {'judged already' if judged else cost}"
    for label, parts in totals.items():
        if len(parts) > 1:
            yield f"all {len(parts)} runs / {label}: {sum(parts, NO_COST)}"
    total = sum((cost for parts in totals.values() for cost in parts), NO_COST)
    if len(totals) > 1:
        yield f"all judges: {total}"
    if total.calls and total.likely:
        yield ESTIMATE_NOTE


def describe_judging(outcome: JudgeResult) -> Iterator[str]:
    """Yield what a user must know of one outcome, in rich's markup: skipped runs, warnings."""
    title = escape(outcome.judgeable_run.title)
    if outcome.manifest is None:
        yield f"left out  {title} ({escape(outcome.reason)})"
        return
    for warning in outcome.manifest.warnings:
        yield f"[yellow]warning[/] {title}: {escape(warning)}"


def read_judge_settings(path: Path | None, rubric: str = "", trust: bool = False) -> dict[str, Any]:
    """Read a judge's settings from a TOML file; `rubric` wins over the file's.

    With `trust`, code that the file names may run wherever the file is from.
    """
    values: dict[str, Any] = {} if path is None else read_toml(path)
    if path is not None:
        check_code(path, values, trust=trust)
    return {**values, "rubric": rubric} if rubric else values


def _judging_spec(
    suite: Suite, by: str, label: str, settings: dict[str, Any], cases: int | None
) -> JudgingSpec:
    spec = suite.judging
    if by:
        answers = suite.judgeable_answers if spec is None else spec.answers
        judge = JudgeSpec(judge=by, label=label, config=settings)
        spec = JudgingSpec(
            judges=(judge,), answers=answers, **({} if spec is None else {"cases": spec.cases})
        )
    elif settings or label:
        raise ConfigError("settings without a judge", "name it with --by")
    if spec is None:
        raise ConfigError(
            f"suite {suite.name!r} names no judge", "name one with --by (`benchkit ls judges`)"
        )
    return spec if cases is None else spec.model_copy(update={"cases": cases})

"""Plan the runs of a suite, and compute those that are missing."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchkit import cards
from benchkit.cards import Card
from benchkit.config.folder_names import find_wrong_folders
from benchkit.config.suite import MethodSpec, Suite, TaskSpec
from benchkit.config.suite_files import find_files, locate_judges, locate_row
from benchkit.config.suite_paths import shorten_paths
from benchkit.data.answer_keys import folders_with_answers
from benchkit.data.preparation.cache import load_or_prepare
from benchkit.errors import ConfigError, DamageError, check_unique, unknown_name_error
from benchkit.evaluation.lookup import find_protocol
from benchkit.interactive import is_live
from benchkit.judging.judge_job import make_judge_jobs
from benchkit.processes.inspection import MethodDescription, describe_method
from benchkit.processes.recommender import UNISOLATED
from benchkit.runs.estimates.announcement import announce_costs
from benchkit.runs.estimates.time_left import SuiteClock
from benchkit.runs.executors import LOCAL_EXECUTORS, make_executor
from benchkit.runs.job import Job, Outcome
from benchkit.runs.options import RunOptions
from benchkit.runs.progress import EventHandler, RunEvent
from benchkit.runs.records import PlannedJudge, PlannedRow, PlanRecord
from benchkit.runs.run_linking import take_stored_runs
from benchkit.runs.settings.dataset_names import (
    check_dataset_files,
    depends_on_dataset,
    fill_dataset,
)
from benchkit.runs.settings.profiles import (
    ModelProfile,
    apply_model,
    apply_profile,
    choose_profile,
)
from benchkit.runs.store import Store
from benchkit.types import Capability


@dataclass(frozen=True)
class RunPlan:
    """The jobs of a suite under some options."""

    suite: Suite
    name: str
    jobs: tuple[Job, ...]
    skipped: tuple[PlannedRow, ...]
    options: RunOptions
    judges: tuple[PlannedJudge, ...] = ()

    def to_record(self) -> PlanRecord:
        """Return the record that reports start from."""
        rows = [
            PlannedRow(
                task=job.task, label=job.method.name, family=job.card.family, seed=job.seed,
                unsupported=_unsupported_protocols(self.suite, job.protocols),
                caveats=job.caveats, run_id=job.run_id, row_id=job.row_id,
            )
            for job in self.jobs
        ]  # fmt: skip
        rows += self.skipped
        labels = [method.name for method in self.suite.methods]
        return PlanRecord(
            suite=self.name,
            title=self.suite.title,
            primary=self.suite.primary,
            metrics=[metric.name for metric in self.suite.task_metrics()],
            popular_share=self.suite.popular_share,
            history_buckets=list(self.suite.history_buckets),
            relative_drops=list(self.suite.drops),
            protocols=[protocol.name for protocol in self.suite.protocol_objects()],
            tasks=[task.name for task in self.suite.tasks],
            labels=list(dict.fromkeys([*labels, *(row.label for row in rows)])),
            rows=[row.model_copy(update={"in_suite": row.label in labels}) for row in rows],
            judges=list(self.judges),
            published=list(self.suite.published),
            relative_to=self.suite.relative_to,
            titles=self.suite.titles_from_files(),
        )


@dataclass(frozen=True)
class _PlannedMethod:
    """A method of a suite, with what is known of it once it is constructed."""

    spec: MethodSpec
    card: Card
    description: MethodDescription

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader must know of its rows."""
        config = self.spec.config
        declared = tuple(shorten_paths(text, config) for text in self.description.caveats)
        return (*declared, UNISOLATED) if is_live(self.card.target) else declared


def plan_runs(suite: Suite, options: RunOptions) -> RunPlan:
    """Return the jobs of a suite, after a check of every name and hyper-parameter."""
    profile = choose_profile(suite, options.profile, options.device)
    suite = apply_profile(suite, profile)
    name = suite.name if options.limit_users is None else f"{suite.name}@{options.limit_users}users"
    suite = locate_judges(suite, options.data)
    jobs: list[Job] = []
    skipped: list[PlannedRow] = []
    hidden = folders_with_answers(options.store, options.data) if options.confine else ()
    selected = _select_methods(suite, options.methods, profile)
    tasks = _select_tasks(suite, options.datasets)
    check_dataset_files(selected, tasks, suite.name, find_files(suite, options.data))
    methods = [
        _plan_method(suite, spec, card, tasks, options.data, hidden) for spec, card in selected
    ]
    labels = [spec.name for spec, _ in selected]
    check_unique("method", labels)
    for error in find_wrong_folders("method label", labels):
        raise error
    judges = [job.plan_entry for job in make_judge_jobs(suite.judging)]
    for task in tasks:
        for (_, card), by_dataset in zip(selected, methods, strict=True):
            method = by_dataset[task.train_dataset(card.family)]
            seeds = options.seeds or suite.seeds
            protocols = select_protocols(suite.protocols, method.description.capabilities)
            if reason := _skip_reason(suite, task, method):
                skipped += [
                    PlannedRow(
                        task=task.name, label=method.spec.name, family=method.card.family,
                        seed=seed, unsupported=_unsupported_protocols(suite, protocols),
                        caveats=method.caveats, skip_reason=reason,
                    )
                    for seed in seeds
                ]  # fmt: skip
                continue
            jobs += [
                _make_job(suite, name, task, method, protocols, seed, options) for seed in seeds
            ]
    return RunPlan(suite, name, tuple(jobs), tuple(skipped), options, tuple(judges))


def execute_plan(plan: RunPlan, emit: EventHandler) -> Iterator[Outcome]:
    """Compute what is missing; yield every outcome, those of complete runs first."""
    options = plan.options
    executor = make_executor(options.executor, options.jobs, options.executor_options)
    store = Store(plan.options.store).create()
    complete, todo = take_stored_runs(plan.jobs, emit)
    datasets = {spec.name: spec for job in todo for spec in (job.train, job.test)}
    # Before the plan is recorded: data that cannot be read leave the earlier tables as they are.
    for spec in datasets.values():
        load_or_prepare(spec, plan.options.data)
    try:
        store.plan(plan.name)
    except DamageError as error:
        emit(RunEvent("damaged", f"plan of suite {plan.name}", note=error.row_status))
    store.update_plan(plan.to_record(), whole=plan.options.is_full_suite)
    yield from complete
    here = options.executor in LOCAL_EXECUTORS
    todo = announce_costs(todo, options.jobs, emit, here)
    clock = SuiteClock(plan.name, len(plan.jobs), todo, options.jobs, here)
    several = len(plan.jobs) > 1
    if several:
        emit(clock.event())
    expected = Counter(job.run_id for job in todo)  # one method under two labels is one run id
    for outcome in executor.execute(todo, emit) or ():
        run_id = outcome.job.run_id if isinstance(outcome, Outcome) else None
        if not run_id or not expected[run_id]:
            raise _executor_error(f"yielded {outcome!r:.60}, which is no outcome that is due")
        expected[run_id] -= 1
        event = clock.finish(run_id)
        if several:
            emit(event)
        yield outcome
    if missing := expected.total():
        raise _executor_error(f"gave no outcome of {missing} of {len(todo)} runs")


def _executor_error(what: str) -> ConfigError:
    return ConfigError(
        f"the executor {what}",
        "yield one outcome a job; benchkit.testing.executors.ExecutorContract tests it",
    )


def _select_methods(
    suite: Suite, names: Sequence[str | MethodSpec], profile: ModelProfile
) -> list[tuple[MethodSpec, Card]]:
    listed = {method.name: method for method in suite.methods}
    if not names:
        chosen = list(suite.methods)
    else:
        chosen = []
        for name in names:
            row = name if isinstance(name, MethodSpec) else listed.get(name)
            chosen.append(apply_model(row or MethodSpec(method=str(name)), suite, profile))
    result = []
    for method in chosen:
        try:
            result.append((method, cards.find_card(method.method)))
        except ConfigError as error:
            if method.name in listed or ":" in method.method:
                raise
            known = [*listed, *(name for name in cards.list_cards() if "*" not in name)]
            raise unknown_name_error("method", method.method, known) from error
    return result


def _select_tasks(suite: Suite, names: Sequence[str]) -> list[TaskSpec]:
    listed = {task.name: task for task in suite.tasks}
    check_unique("dataset", names)
    for name in names:
        if name not in listed:
            raise unknown_name_error(f"dataset of suite {suite.name!r}:", name, listed)
    return [listed[name] for name in names] if names else list(suite.tasks)


def select_protocols(
    protocols: Sequence[str], capabilities: Collection[Capability]
) -> tuple[str, ...]:
    """Return those of `protocols` that a method with these capabilities can be asked under."""
    return tuple(spec for spec in protocols if find_protocol(spec).supports(capabilities))


def _plan_method(
    suite: Suite,
    spec: MethodSpec,
    card: Card,
    tasks: Sequence[TaskSpec],
    data: Path,
    hidden: Sequence[Path],
) -> dict[str, _PlannedMethod]:
    """Return the method for each dataset that it trains on, with its settings for that one."""
    methods: dict[str, _PlannedMethod] = {}
    for dataset in dict.fromkeys(task.train_dataset(card.family) for task in tasks):
        if methods and not depends_on_dataset(spec.config):
            methods[dataset] = next(iter(methods.values()))
            continue
        filled = spec.model_copy(update={"config": fill_dataset(spec.config, dataset)})
        located = locate_row(suite, filled, data)
        description = describe_method(card, located.config, hidden)
        methods[dataset] = _PlannedMethod(located, card, description)
    return methods


def _unsupported_protocols(suite: Suite, able: Collection[str]) -> tuple[str, ...]:
    return tuple(find_protocol(spec).name for spec in suite.protocols if spec not in able)


def _skip_reason(suite: Suite, task: TaskSpec, method: _PlannedMethod) -> str | None:
    """Return why the method cannot do the task here, None if it can."""
    if method.card.missing_packages:
        return f"not installed: {', '.join(method.card.missing_packages)}"
    lacking = []
    if not select_protocols(suite.protocols, method.description.capabilities):
        needs = [need for protocol in suite.protocol_objects() for need in sorted(protocol.needs)]
        lacking.append(" or ".join(dict.fromkeys(needs)))
    needed: list[Capability] = [*task.requires]
    if task.train_dataset(method.card.family) != task.test:
        needed.append("zero_shot")
    lacking += [name for name in needed if name not in method.description.capabilities]
    return f"not applicable: needs {', '.join(dict.fromkeys(lacking))}" if lacking else None


def _make_job(
    suite: Suite,
    name: str,
    task: TaskSpec,
    method: _PlannedMethod,
    protocols: tuple[str, ...],
    seed: int,
    options: RunOptions,
) -> Job:
    return Job(
        suite=name,
        task=task.name,
        method=method.spec,
        card=method.card,
        train=suite.dataset(task.train_dataset(method.card.family)),
        test=suite.dataset(task.test),
        protocols=protocols,
        decoding=suite.decoding,
        component=method.description.identity,
        caveats=method.caveats,
        metrics=task.metrics or suite.metrics,
        popular_share=suite.popular_share,
        seed=seed,
        limit_users=options.limit_users,
        device=options.device,
        threads=options.threads,
        store=options.store,
        data=options.data,
        overwrite=options.overwrite,
        max_fault_share=suite.max_fault_share,
        confine=options.confine,
    )

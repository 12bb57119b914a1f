"""benchkit judge"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchkit.cli.csv_option import split_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchkit.config.suite import JudgingSpec, Suite
    from benchkit.judging.runner import JudgeCost


def judge_command(
    suite: Annotated[str, typer.Option(help="A suite that was run: a name, or its TOML file.")],
    by: Annotated[
        str, typer.Option(help="A judge by name or FILE.py:Class, instead of the suite's judges.")
    ] = "",
    config: Annotated[
        Path | None,
        typer.Option(
            help="Settings of that judge, as TOML. A max_cost holds for one call, and for each"
            " judge of a suite or panel by itself."
        ),
    ] = None,
    rubric: Annotated[
        str, typer.Option(help="Its rubric: a name, or a TOML file (`benchkit ls rubrics`).")
    ] = "",
    label: Annotated[str, typer.Option(help="What it is called in tables.")] = "",
    cases: Annotated[
        int | None, typer.Option(min=1, help="Cases of a task, the same for every method.")
    ] = None,
    method: Annotated[str, typer.Option(help="Only these methods, comma-separated.")] = "",
    dataset: Annotated[str, typer.Option(help="Only these datasets, comma-separated.")] = "",
    limit_users: Annotated[
        int | None, typer.Option(min=1, help="Judge the runs of SUITE@Nusers.")
    ] = None,
    estimate: Annotated[
        bool,
        typer.Option(
            help="Print calls, tokens and cost of judging, or of --probe: what is likely, and what"
            " it is at most. Ask nothing."
        ),
    ] = False,
    probe: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Grade nothing; see how far changes move the grades of so many"
            " answers of each method.",
        ),
    ] = None,
    again: Annotated[bool, typer.Option(help="Judge once more what is judged.")] = False,
    out: Annotated[Path, typer.Option(help="The run store.")] = Path("runs"),
    data: Annotated[Path, typer.Option(help="Where prepared datasets are kept.")] = Path("data"),
) -> None:
    """Grade the rationales of runs that are complete; what was judged or paid for is kept."""
    from benchkit.config.suite import load_suite
    from benchkit.errors import StoreError
    from benchkit.judging.judgeable_runs import find_judgeable_runs
    from benchkit.judging.robustness import probes_to_markdown
    from benchkit.judging.runner import (
        estimate_judge_costs,
        judge_runs,
        make_judge_jobs,
        probe_judges,
    )
    from benchkit.report.core.collect import collect_results
    from benchkit.report.core.text_table import print_tables, wide_console
    from benchkit.report.grades.tables import grade_tables
    from benchkit.runs.progress import make_reporter
    from benchkit.runs.store import Store, find_replaced_judges

    settings = _read_judge_settings(config, rubric)
    asked = load_suite(suite)
    judging = _make_judging_spec(asked, by, label, settings, cases)
    store = Store(out)
    name = asked.name if limit_users is None else f"{asked.name}@{limit_users}users"
    found = find_judgeable_runs(store, asked, name, data, split_names(method), split_names(dataset))
    if not found:
        raise StoreError(
            f"store {out}: no complete run of suite {name!r} to judge",
            f"benchkit run --suite {suite} --out {out}",
        )
    console = wide_console()
    if estimate:
        for line in _format_estimates(estimate_judge_costs(store, found, judging, probe, again)):
            typer.echo(line)
        return
    if probe is not None:
        for judge_name, moved in probe_judges(store, found, judging, probe):
            typer.echo(f"{judge_name}\n\n{probes_to_markdown(moved)}")
        return
    plan = store.plan(name)
    assert plan is not None  # noqa: S101 - its runs were found
    planned = [sitting.plan_entry for sitting in make_judge_jobs(judging)]
    for old in find_replaced_judges(planned, plan.judges):
        typer.echo(
            f"replaces judge {old.label!r} (rubric {old.rubric}) in the tables; keep both with"
            " --label"
        )
    store.update_plan(plan.model_copy(update={"judges": planned}))
    failed = 0
    with make_reporter(console) as shown:
        for outcome in judge_runs(store, found, judging, shown.handle, again):
            failed += outcome.manifest is not None and outcome.manifest.status == "failed"
            if outcome.manifest is None:
                console.print(
                    f"left out  {outcome.judgeable_run.title} ({outcome.reason})", highlight=False
                )
            for warning in outcome.manifest.warnings if outcome.manifest else ():
                console.print(f"[yellow]warning[/] {outcome.judgeable_run.title}: {warning}")
    grades = collect_results(store, name).grades
    print_tables(console, list(grade_tables(asked.title, grades)))
    console.print(
        f"write them: benchkit report --suite {name} --out {out} --leaderboards leaderboards"
    )
    if failed:
        raise typer.Exit(1)


def _format_estimates(estimates: "Iterable[JudgeCost]") -> "Iterator[str]":
    """A line a run, then what a judge and all judges take for all, and what that rests on."""
    from benchkit.lm.cost_estimate import ESTIMATE_NOTE, NO_COST, CostEstimate

    totals: dict[str, list[CostEstimate]] = {}
    for label, target, cost, judged in estimates:
        totals.setdefault(label, []).append(cost)
        yield f"{target.title} / {label}: {'judged already' if judged else cost}"
    for label, costs in totals.items():
        if len(costs) > 1:
            yield f"all {len(costs)} runs / {label}: {sum(costs, NO_COST)}"
    together = sum((cost for costs in totals.values() for cost in costs), NO_COST)
    if len(totals) > 1:
        yield f"all judges: {together}"
    if together.calls and together.likely:
        yield ESTIMATE_NOTE


def _make_judging_spec(
    suite: "Suite", by: str, label: str, settings: dict[str, Any], cases: int | None
) -> "JudgingSpec":
    from benchkit.config.suite import JudgeSpec, JudgingSpec
    from benchkit.errors import ConfigError

    answers = "sampled" if "sampled" in suite.protocols else "scored"
    spec = suite.judging
    if by:
        judges = (JudgeSpec(judge=by, label=label, config=settings),)
        spec = JudgingSpec(
            judges=judges,
            answers=spec.answers if spec else answers,
            cases=spec.cases if spec else JudgingSpec.model_fields["cases"].default,
        )
    elif settings or label:
        raise ConfigError("settings without a judge", "name it with --by")
    if spec is None:
        raise ConfigError(
            f"suite {suite.name!r} names no judge", "name one with --by (`benchkit ls judges`)"
        )
    return spec if cases is None else spec.model_copy(update={"cases": cases})


def _read_judge_settings(path: Path | None, rubric: str) -> dict[str, Any]:
    from benchkit.config.loading import read_toml

    values = {} if path is None else read_toml(path)
    return {**values, "rubric": rubric} if rubric else values

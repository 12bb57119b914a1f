"""benchkit run"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli.csv_option import split_names


class OverwriteOption(StrEnum):
    """Which finished runs are done again."""

    never = "never"
    failed = "failed"
    always = "always"


def run_command(
    suite: Annotated[str, typer.Option(help="A suite by name, or the path of a TOML file.")],
    method: Annotated[
        str, typer.Option(help="Only these methods, comma-separated; FILE.py:Class works, too.")
    ] = "",
    dataset: Annotated[str, typer.Option(help="Only these datasets, comma-separated.")] = "",
    seed: Annotated[str, typer.Option(help="Seeds instead of the suite's, comma-separated.")] = "",
    limit_users: Annotated[
        int | None,
        typer.Option(min=1, help="Ask only so many users; kept apart as SUITE@Nusers."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time, each in its own process.")] = 1,
    executor: Annotated[
        str,
        typer.Option(
            help="Where runs are computed: inline, processes, an entry point, FILE.py:Class."
            " By default processes where --jobs is more than 1."
        ),
    ] = "",
    threads: Annotated[
        int, typer.Option(min=1, help="Threads of one run; part of its identity.")
    ] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "cpu",
    overwrite: Annotated[
        OverwriteOption, typer.Option(help="Which finished runs are done again.")
    ] = OverwriteOption.never,
    out: Annotated[Path, typer.Option(help="The run store.")] = Path("runs"),
    data: Annotated[Path, typer.Option(help="Where prepared datasets are kept.")] = Path("data"),
    dry_run: Annotated[bool, typer.Option(help="Show what would run, and stop.")] = False,
    leaderboards: Annotated[
        Path, typer.Option(help="Tables, plots and the page are written to LEADERBOARDS/SUITE.")
    ] = Path("leaderboards"),
) -> None:
    """Run a suite: what is complete is kept, what was interrupted is done again."""
    from benchkit.cli.case_lookup import make_case_lookup
    from benchkit.config.suite import load_suite
    from benchkit.judging.judgeable_runs import find_judgeable_runs
    from benchkit.judging.runner import judge_runs
    from benchkit.report.core.collect import collect_results
    from benchkit.report.core.text_table import wide_console
    from benchkit.report.leaderboard.tables import print_results
    from benchkit.report.leaderboard.writer import write_leaderboard
    from benchkit.runs import plan
    from benchkit.runs.progress import make_reporter
    from benchkit.runs.store import Store, slug

    console = wide_console()
    options = plan.RunOptions(
        methods=split_names(method),
        datasets=split_names(dataset),
        seeds=_parse_seeds(seed),
        limit_users=limit_users,
        jobs=jobs,
        executor=executor,
        threads=threads,
        device=device,
        overwrite=overwrite.value,
        store=out,
        data=data,
    )
    work = plan.plan_runs(load_suite(suite), options)
    if dry_run:
        _print_plan(console, work)
        return
    computed, failed = 0, sum("not installed" in str(row.skip_reason) for row in work.skipped)
    with make_reporter(console) as shown:
        for outcome in plan.execute_plan(work, shown.handle):
            computed += outcome.computed
            if outcome.manifest.status == "failed":
                failed += 1
                if not outcome.computed:
                    console.print(
                        f"[red]failed[/] {outcome.job.title}, earlier: "
                        "run it again with --overwrite failed"
                    )
        judgements = 0
        ids = {job.run_id for job in work.jobs}
        found = find_judgeable_runs(Store(out), work.suite, work.name, data) if work.judges else []
        mine = [target for target in found if target.manifest.run_id in ids]
        for judged in judge_runs(Store(out), mine, work.suite.judging, shown.handle):
            judgements += judged.computed
            failed += judged.manifest is not None and judged.manifest.status == "failed"
    console.print(f"{len(work.jobs)} runs, {computed} computed now", highlight=False)
    if work.judges:
        console.print(f"{judgements} judgements made now", highlight=False)
    store = Store(out)
    results = collect_results(store, work.name)
    print_results(console, results)
    folder = leaderboards / slug(work.name)
    for path in write_leaderboard(results, store, folder, make_case_lookup(data)):
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _print_plan(console: "Console", work: "Work") -> None:  # type: ignore[name-defined]  # noqa: F821
    from benchkit.runs.store import Store

    store = Store(work.options.store)
    for job in work.jobs:
        manifest = store.run(job.suite, job.task, job.method.name, job.run_id).manifest()
        state = manifest.status if manifest else "to run"
        console.print(f"{state:9} {job.title}  {job.run_id}", highlight=False, soft_wrap=True)
    for row in work.skipped:
        console.print(f"left out  {row.task} / {row.label}  ({row.skip_reason})", highlight=False)


def _parse_seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(name) for name in split_names(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no list of integers", param_hint="--seed") from None

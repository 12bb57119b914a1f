"""benchkit judge"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchkit.cli.lists import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchkit.config import JudgingSpec, Suite
    from benchkit.judging.work import Estimated


def judge(
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
    from benchkit.config import load_suite
    from benchkit.errors import StoreError
    from benchkit.judging.probes import markdown
    from benchkit.judging.targets import targets
    from benchkit.judging.work import estimates, judge_all, probed, sittings
    from benchkit.log import reporter
    from benchkit.report.grade_tables import grids
    from benchkit.report.grid import show
    from benchkit.report.rows import collect
    from benchkit.report.terminal import wide_console
    from benchkit.store import Store, superseded

    settings = _settings(config, rubric)
    asked = load_suite(suite)
    judging = _judging(asked, by, label, settings, cases)
    store = Store(out)
    name = asked.name if limit_users is None else f"{asked.name}@{limit_users}users"
    found = targets(store, asked, name, data, names(method), names(dataset))
    if not found:
        raise StoreError(
            f"store {out}: no complete run of suite {name!r} to judge",
            f"benchkit run --suite {suite} --out {out}",
        )
    console = wide_console()
    if estimate:
        for line in _estimated(estimates(store, found, judging, probe, again)):
            typer.echo(line)
        return
    if probe is not None:
        for judge_name, moved in probed(store, found, judging, probe):
            typer.echo(f"{judge_name}\n\n{markdown(moved)}")
        return
    plan = store.plan(name)
    assert plan is not None  # noqa: S101 - its runs were found
    planned = [sitting.planned for sitting in sittings(judging)]
    for old in superseded(planned, plan.judges):
        typer.echo(
            f"replaces judge {old.label!r} (rubric {old.rubric}) in the tables; keep both with"
            " --label"
        )
    store.update_plan(plan.model_copy(update={"judges": planned}))
    failed = 0
    with reporter(console) as shown:
        for outcome in judge_all(store, found, judging, shown.handle, again):
            failed += outcome.manifest is not None and outcome.manifest.status == "failed"
            if outcome.manifest is None:
                console.print(f"left out  {outcome.target.title} ({outcome.why})", highlight=False)
            for warning in outcome.manifest.warnings if outcome.manifest else ():
                console.print(f"[yellow]warning[/] {outcome.target.title}: {warning}")
    grades = collect(store, name).grades
    show(console, list(grids(asked.title, grades)))
    console.print(
        f"write them: benchkit report --suite {name} --out {out} --leaderboards leaderboards"
    )
    if failed:
        raise typer.Exit(1)


def _estimated(estimates: "Iterable[Estimated]") -> "Iterator[str]":
    """A line a run, then what a judge and all judges take for all, and what that rests on."""
    from benchkit.lm.estimate import LIKELY, NOTHING, Estimate

    totals: dict[str, list[Estimate]] = {}
    for label, target, cost, judged in estimates:
        totals.setdefault(label, []).append(cost)
        yield f"{target.title} / {label}: {'judged already' if judged else cost}"
    for label, costs in totals.items():
        if len(costs) > 1:
            yield f"all {len(costs)} runs / {label}: {sum(costs, NOTHING)}"
    together = sum((cost for costs in totals.values() for cost in costs), NOTHING)
    if len(totals) > 1:
        yield f"all judges: {together}"
    if together.calls and together.likely:
        yield LIKELY


def _judging(
    suite: "Suite", by: str, label: str, settings: dict[str, Any], cases: int | None
) -> "JudgingSpec":
    from benchkit.config import JudgeSpec, JudgingSpec
    from benchkit.errors import ConfigError

    answers = "sampled" if "sampled" in suite.protocols else "scored"
    spec = suite.judging
    if by:
        judges = (JudgeSpec(judge=by, label=label, config=settings),)
        spec = JudgingSpec(
            judges=judges,
            answers=spec.answers if spec else answers,  # type: ignore[arg-type]
            cases=spec.cases if spec else JudgingSpec.model_fields["cases"].default,
        )
    elif settings or label:
        raise ConfigError("settings without a judge", "name it with --by")
    if spec is None:
        raise ConfigError(
            f"suite {suite.name!r} names no judge", "name one with --by (`benchkit ls judges`)"
        )
    return spec if cases is None else spec.model_copy(update={"cases": cases})


def _settings(path: Path | None, rubric: str) -> dict[str, Any]:
    import tomllib

    from benchkit.errors import ConfigError

    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: {error}", "correct the TOML, or the path") from None
    return {**values, "rubric": rubric} if rubric else values

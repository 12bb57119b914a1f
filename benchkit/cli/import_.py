"""benchkit import"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchkit.cli import options
from benchkit.console import echo
from benchkit.count_text import count_text

if TYPE_CHECKING:
    from benchkit.interop.external_runs import ImportResult


def import_command(
    suite: options.SuiteOption,
    file: Annotated[
        Path | None,
        typer.Option(help="Predictions: .csv, .jsonl, .parquet, .run ..., with its .meta.json."),
    ] = None,
    run: options.RunFolderOption = None,
    dataset: options.OneDatasetOption = "",
    label: options.LabelOption = "",
    family: options.FamilyOption = "external",
    paper: options.PaperOption = "",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the predictions; each has a file.")] = 0,
    cases_hash: options.CasesHashOption = "",
    allow_missing: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the cases that FILE may lack; they are misses."),
    ] = 0.05,
    partial: options.PartialOption = False,
    limit_users: options.LimitUsersOption = None,
    trust: options.TrustOption = False,
    out: options.StoreOption = Path("runs"),
    data: options.DataFolderOption = Path("data"),
    leaderboards: options.RenewedOption = Path("leaderboards"),
) -> None:
    """Score results made elsewhere, and show them beside the runs of a suite, marked as external.

    FILE answers the cases that `benchkit data cases` writes: a case_id and scores (in the order of
    the candidates), a ranking (item ids) or samples (texts), or rows of case_id, item and score.
    What a ranking does not list was not retrieved: such a target is a miss.
    """
    from benchkit.api.report import renew_leaderboard
    from benchkit.api.stored_results import load_results
    from benchkit.config.suite import load_suite
    from benchkit.interop import prediction_import
    from benchkit.interop.evaluation_task import load_task
    from benchkit.interop.run_import import import_run
    from benchkit.runs.store import Store

    if (file is None) == (run is None):
        raise typer.BadParameter("name either a --file or a --run")
    store, loaded_suite = Store(out), load_suite(suite, trust=trust)
    if run is not None:
        imported = import_run(run, loaded_suite, store, data, dataset, label)
        _print_import(imported, 0)
    else:
        place = load_task(loaded_suite, dataset, data, limit_users)
        source = prediction_import.PredictionsFile(
            Path(file or ""), label, family, paper, seed, cases_hash, allow_missing, partial
        )
        imported, answers = prediction_import.import_predictions(source, place, store)
        partial_note = prediction_import.describe_partial(place, answers)
        _print_import(imported, len(answers.missing), partial_note)
    renew_leaderboard(load_results(out, imported.manifest.suite, data=data), leaderboards, out)


def _print_import(imported: "ImportResult", missing: int, note: str = "") -> None:
    manifest = imported.manifest
    prefix = "imported" if imported.computed else "was imported already:"
    echo(f"{prefix} {manifest.label} on {manifest.task}, run {manifest.run_id}")
    for line in manifest.summary:
        chance = "" if line.chance is None else f"  (chance {line.chance:.3f})"
        echo(f"  {line.protocol} {line.metric} {line.mean:.3f}{chance}")
    unanswered = f"{count_text(missing, 'case')} without an answer, a miss each" if missing else ""
    for warning in filter(None, (unanswered, note)):
        echo(warning, fg="yellow", err=True)

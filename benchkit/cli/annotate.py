"""benchkit annotate"""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchkit.judging.annotation.batch import AnnotationBatch
    from benchkit.judging.annotation.labels import AnnotationLabels
    from benchkit.judging.annotation.population import Population
    from benchkit.report.core.text_table import TextTable


def annotate_command(
    more: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="More paths for --judgements, or for --read."),
    ] = None,
    judgements: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH [PATH]...",
            help="What to sample from: judgements (.parquet), folders of runs, or a store with"
            " --suite.",
        ),
    ] = None,
    read: Annotated[
        list[Path] | None,
        typer.Option(metavar="CSV [CSV]...", help="Instead: exports of pages, to be read back."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the pages; with --read, the file of labels.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="--read: key.json of the pages.")] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Answers in the sample.")] = 250,
    annotators: Annotated[int, typer.Option(min=1, help="Pages, one a person.")] = 2,
    overlap: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the answers that everybody sees.")
    ] = 1.0,
    balanced: Annotated[
        bool,
        typer.Option(
            "--balanced",
            help="As many answers of each grade that the judge gave, so that rare grades are seen;"
            " benchkit agree then weights them back.",
        ),
    ] = False,
    suite: Annotated[str, typer.Option(help="The suite of a store.")] = "",
    judge: Annotated[
        str,
        typer.Option(
            help="Only judgements by this judge (its label); by default by the suite's first judge"
            " and those with the same rubric."
        ),
    ] = "",
    rubric: Annotated[
        str,
        typer.Option(help="What people grade by: a name or a TOML file; by default as the judge."),
    ] = "",
    seed: Annotated[int, typer.Option(help="Of the sample and the order.")] = 0,
) -> None:
    """Make pages on which people grade what judges graded, blind; read their labels back.

    Answers are drawn at random, as many of each method in each task as far as there are so many.
    Give each person one page, and nobody key.json. People see the whole history; a judge may have
    been shown less of it, by its settings.
    """
    from benchkit.errors import ConfigError

    paths = [*(judgements or []), *(read or []), *(more or [])]
    if bool(judgements) == bool(read):
        raise ConfigError(
            "--judgements and --read cannot go together" if read else "nothing to annotate",
            "--judgements PATH --out FOLDER to make pages, or --read CSV --key key.json --out FILE",
        )
    if out is None:
        raise ConfigError("it is not said where to write", "name it with --out")
    if read:
        if key is None:
            raise ConfigError("labels cannot be read without their key", "--key FOLDER/key.json")
        _import_labels(paths, key, out)
        return
    from benchkit.judging.annotation.batch import make_batch
    from benchkit.judging.annotation.population import collect_population, find_judgements
    from benchkit.judging.rubric import load_rubric

    people = load_rubric(rubric) if rubric else None
    population = collect_population(find_judgements(paths, suite, judge), people)
    batch = make_batch(population, n, annotators, overlap, seed, balanced=balanced)
    written = batch.write(out)
    _print_batch(batch, population, balanced)
    for path in written:
        typer.echo(f"wrote {path}", err=True)


def _print_batch(batch: "AnnotationBatch", population: "Population", balanced: bool) -> None:
    key, size = batch.key, len(population.answers)
    for label, own in population.skipped_judges.items():
        typer.echo(
            f"judge {label} is left out, as its rubric is {own.name}; take it instead with"
            f" --judge {shlex.quote(label)}"
        )
    for label, judge in key.judges.items():
        typer.echo(f"judge {label}, rubric {judge.rubric}")
    hands = ", ".join(f"{name} {len(ids)}" for name, ids in key.annotators.items())
    typer.echo(f"batch {key.batch}: {len(key.items)} of {size} judged answers ({hands})")
    if size < key.asked:
        typer.echo(f"all that there are; {key.asked} were asked for")
    empty = sum(not stratum.drawn for stratum in key.strata)
    parts = "task, method and the judge's grade" if balanced else "task and method"
    typer.echo(f"{len(key.strata)} strata ({parts}), {empty} without a draw; weights in key.json")
    for label, judge in key.judges.items():
        if missing := [c.name for c in key.rubric.criteria if c.name not in judge.comparable]:
            typer.echo(
                f"judge {label} graded by {judge.rubric}: not compared on {', '.join(missing)}"
            )
    typer.echo(
        "people see the whole history; a language model that judged may have seen the last part of"
        " it only, with reviews cut short (its settings history and review_chars)"
    )
    typer.echo("send each person one page; keep key.json: it names the methods and the grades")


def _import_labels(paths: list[Path], key: Path, out: Path) -> None:
    from benchkit.judging.annotation.batch_key import read_key
    from benchkit.judging.annotation.labels import read_annotation_labels, write_annotation_labels
    from benchkit.report.core.text_table import print_tables, wide_console

    known = read_key(key)
    labels = read_annotation_labels(paths, known)
    written = write_annotation_labels(labels, known, out)
    print_tables(wide_console(), [_progress_table(labels, known.batch)])
    for path in written:
        typer.echo(f"wrote {path}", err=True)
    for path in written[1:] or written:
        typer.echo(f"next: benchkit agree {path}", err=True)


def _progress_table(labels: "AnnotationLabels", batch: str) -> "TextTable":
    """How far each annotator got, and what was replaced."""
    from benchkit.report.core.text_table import TextTable

    head = ("Annotator", "Name", "Assigned", "Complete", "Partial", "Skipped", "Untouched",
            "Notes", "Median s")  # fmt: skip
    lines = tuple(
        (p.annotator, p.name, *map(str, (p.assigned, p.complete, p.partial, p.skipped)),
         *map(str, (p.untouched, p.notes)), "" if p.seconds is None else f"{p.seconds:.0f}")
        for p in labels.progress
    )  # fmt: skip
    people = sum(not str(row[1]).startswith("judge:") for row in labels.rows)
    notes = [f"{people} grades by people, {len(labels.rows) - people} by judges."]
    if labels.n_repeated:
        notes.append(
            f"{labels.n_repeated} rows were given more than once, {labels.n_changed} of them with"
            " another grade; the last one read counts."
        )
    return TextTable(f"Labels of batch {batch}", head, lines, tuple(notes))

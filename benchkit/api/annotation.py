"""Pages on which people grade, and the labels that come back."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchkit.api.catalog import select_datasets
from benchkit.count_text import count_text
from benchkit.data.preparation.cache import load_or_prepare
from benchkit.errors import ConfigError
from benchkit.judging.annotation.batch import AnnotationBatch, make_batch
from benchkit.judging.annotation.batch_key import read_key
from benchkit.judging.annotation.labels import (
    AnnotationLabels,
    read_annotation_labels,
    write_annotation_labels,
)
from benchkit.judging.annotation.pairs import PairBatch, make_pair_batch
from benchkit.judging.annotation.population import (
    Population,
    collect_population,
    find_judgements,
)
from benchkit.judging.annotation.synthetic_exports import write_synthetic_exports
from benchkit.judging.annotation.teacher_scores import RationaleFile, collect_rationales
from benchkit.judging.rubric import load_rubric
from benchkit.report.calibration.judged_answers import plan_answers
from benchkit.report.calibration.people_labels import read_people_labels, unmatched_error
from benchkit.report.calibration.plan_table import plan_tables
from benchkit.report.core.text_table import TextTable
from benchkit.runs.settings.dataset_names import fill_dataset
from benchkit.stats.agreement.synthetic_raters import SYNTHETIC
from benchkit.stats.calibration.label_plan import DEFAULT_CORRELATION, plan_labels


def make_annotation_pages(
    judgements: Sequence[Path],
    out: Path,
    *,
    rationales: str = "",
    suite: str = "",
    datasets: Sequence[str] = (),
    judge: str = "",
    rubric: str = "",
    n: int = 250,
    annotators: int = 2,
    overlap: float = 1.0,
    balanced: bool = False,
    seed: int = 0,
    data: Path = Path("data"),
    trust: bool = False,
    pairs: bool = False,
    synthetic: float | None = None,
) -> tuple[list[Path], list[str]]:
    """Write one page an annotator and the key, and return the paths and what to know of them.

    People grade what judges graded or, with `rationales`, what a teacher scored.

    Args:
        judgements: What to sample from: judgements (.parquet), folders of runs, or a store.
        out: Folder for the pages.
        rationales: A file that `benchkit rationales` wrote, instead of judgements; `{dataset}` in
            it stands for the name of each dataset.
        suite: The suite of a store, or the one that the rationales were written for.
        datasets: Only answers of these datasets.
        judge: Only judgements by this judge (its label).
        rubric: What people grade by; by default as the judge, or as a teacher: coherence, 1 to 7.
        n: Answers in the sample.
        annotators: Pages, one a person.
        overlap: Share of the answers that everybody sees.
        balanced: As many answers of each grade that the judge gave.
        seed: Of the sample and the order.
        data: Folder of the prepared datasets, for rationales.
        trust: Whether code that their suite names may run wherever it is from.
        pairs: Ask which of two methods' answers to a case is better, instead of grades.
        synthetic: Also write exports of generated annotators, who depart from the judge's grades by
            normal noise of this standard deviation.
    """
    if pairs and (rubric or balanced or synthetic is not None):
        raise ConfigError(
            "pairs have no rubric and no grades", "leave out --rubric, --balanced and --synthetic"
        )
    scale = load_rubric(rubric) if rubric else None
    if rationales:
        files = _find_rationale_files(rationales, suite, datasets, data, trust)
        population = collect_rationales(files, scale)
    else:
        population = collect_population(find_judgements(judgements, suite, judge, datasets), scale)
    if pairs:
        of_pairs = make_pair_batch(population, n, annotators, overlap, seed)
        return of_pairs.write(out), list(_describe_pairs(of_pairs))
    batch = make_batch(population, n, annotators, overlap, seed, balanced=balanced)
    paths, lines = batch.write(out), list(_describe_batch(batch, population, balanced))
    if synthetic is not None:
        paths += write_synthetic_exports(batch.key, out, synthetic)
        lines.append(
            f"{SYNTHETIC} exports: generated annotators, the judge's grades with normal noise of"
            f" standard deviation {synthetic:g}; they say nothing of people"
        )
    return paths, lines


def read_annotations(exports: Sequence[Path], key: Path, out: Path) -> tuple[list[Path], TextTable]:
    """Read exports of the pages back, write the labels, and return the paths and the progress."""
    batch_key = read_key(key)
    labels = read_annotation_labels(exports, batch_key)
    return write_annotation_labels(labels, batch_key, out), _progress_table(labels, batch_key.batch)


def plan_annotation(
    judgements: Sequence[Path],
    half_width: float,
    labels: Sequence[Path] = (),
    suite: str = "",
    judge: str = "",
    correlation: float = DEFAULT_CORRELATION,
    datasets: Sequence[str] = (),
) -> list[TextTable]:
    """Return how many labels of people corrected means need, by method, as tables.

    Args:
        judgements: What would be sampled from, as for `make_annotation_pages`.
        half_width: Of the 95 % intervals, in grades.
        labels: Labels that there are, which say how well the judge predicts people.
        suite: The suite of a store.
        judge: Only judgements by this judge.
        correlation: Of people's grades with the judge's, used without labels.
        datasets: Only answers of these datasets.

    Raises:
        ConfigError: No judgements, or a half-width or correlation that cannot be.
        DataError: No label is of an answer in the judgements, by the criterion of the plan.
    """
    if not judgements:
        raise ConfigError("--plan needs what a judge graded", "--judgements PATH")
    if not half_width > 0:
        raise ConfigError(f"half-width {half_width:g} is not positive", "as --half-width 0.1")
    if not 0 <= correlation < 1:
        raise ConfigError(f"a correlation of {correlation:g} says nothing", "as --correlation 0.5")
    people = read_people_labels(labels) if labels else None
    to_plan = find_judgements(judgements, suite, judge, datasets)
    parts = list(plan_answers(to_plan, people))
    if people is not None and not any(len(part.grades) for part in parts):
        raise unmatched_error(people, [part.manifest.rubric for part in to_plan])
    tables = []
    for part in parts:
        plan = plan_labels(part.groups, half_width, correlation=correlation)
        tables += plan_tables(part, plan, correlation)
    return tables


def _find_rationale_files(
    pattern: str, suite: str, datasets: Sequence[str], data: Path, trust: bool
) -> list[RationaleFile]:
    """Return the file of each dataset. Raises ConfigError where one file is to be of several."""
    if not suite:
        raise ConfigError(
            "which suite the rationales were written for is not said", "name it with --suite"
        )
    specs = select_datasets(suite, datasets, trust)
    paths = [Path(fill_dataset(pattern, spec.name)) for spec in specs]
    if len(set(paths)) < len(specs):
        known = ", ".join(spec.name for spec in specs)
        raise ConfigError(
            f"{pattern} is one file, and there are several datasets: {known}",
            "name one with --dataset, or all files at once by {dataset} in the name",
        )
    return [
        RationaleFile(path, Path(suite).stem, load_or_prepare(spec, data).train_view())
        for path, spec in zip(paths, specs, strict=True)
    ]


def _describe_batch(
    batch: AnnotationBatch, population: Population, balanced: bool
) -> Iterator[str]:
    key, size = batch.key, len(population.answers)
    for label, rubric in population.skipped_judges.items():
        yield (
            f"judge {label} is left out, as its rubric is {rubric.name}; take it instead with"
            f" --judge {shlex.quote(label)}"
        )
    for label, judge in key.judges.items():
        yield f"judge {label}, rubric {judge.rubric}"
    shares = ", ".join(f"{name} {len(ids)}" for name, ids in key.annotators.items())
    yield f"batch {key.batch}: {len(key.items)} of {size} judged answers ({shares})"
    if size < key.n_requested:
        yield f"these are all there are; {key.n_requested} were asked for"
    empty = sum(not stratum.drawn for stratum in key.strata)
    parts = "task, method and the judge's grade" if balanced else "task and method"
    yield f"{len(key.strata)} strata ({parts}), {empty} without a draw; weights in key.json"
    for label, judge in key.judges.items():
        if missing := [c.name for c in key.rubric.criteria if c.name not in judge.comparable]:
            yield f"judge {label} graded by {judge.rubric}: not compared on {', '.join(missing)}"
    yield (
        "people see the whole history; a language model that judged may have seen the last part of"
        " it only, with reviews cut short (its settings history and review_chars)"
    )
    yield "send each person one page; keep key.json: it names the methods and the grades"


def _describe_pairs(batch: PairBatch) -> Iterator[str]:
    key = batch.key
    shares = ", ".join(f"{name} {len(ids)}" for name, ids in key.annotators.items())
    size = sum(stratum.size for stratum in key.strata)
    yield f"batch {key.batch}: {len(key.pairs)} of {size} pairs of answers ({shares})"
    if size < key.n_requested:
        yield f"these are all there are; {key.n_requested} were asked for"
    yield f"{len(key.strata)} strata (task and two methods); which is A is shuffled for each case"
    yield "send each person one page; keep key.json: it names the methods"


def _progress_table(labels: AnnotationLabels, batch: str) -> TextTable:
    """Return a table of how far each annotator got, and what was replaced."""
    header = ("Annotator", "Name", "Assigned", "Complete", "Partial", "Skipped", "Untouched",
              "Notes", "Median s")  # fmt: skip
    rows = []
    for p in labels.progress:
        counts = (p.assigned, p.complete, p.partial, p.skipped, p.untouched, p.notes)
        seconds = "" if p.seconds is None else f"{p.seconds:.0f}"
        rows.append((p.annotator, p.name, *map(str, counts), seconds))
    people = sum(not str(row[1]).startswith("judge:") for row in labels.rows)
    notes = [f"{count_text(people, 'grade')} by people, {len(labels.rows) - people} by judges."]
    if labels.n_repeated:
        notes.append(
            f"Given more than once: {count_text(labels.n_repeated, 'row')},"
            f" {labels.n_changed} with another grade; the last one read counts."
        )
    return TextTable(f"Labels of batch {batch}", header, tuple(rows), tuple(notes))

"""What one judge graded, beside people's grades of some of it: from a store, or from a file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import polars as pl

from benchkit.count_text import count_text
from benchkit.data.dataset_statistics import is_marked_synthetic, mark_synthetic
from benchkit.errors import DataError
from benchkit.report.agreement.ratings_io import RatingsTable
from benchkit.report.calibration.people_labels import PeopleLabels, no_labels
from benchkit.report.grades.answers import answer_grades
from benchkit.report.grades.judge_caveats import combine_caveats, describe_namesakes
from benchkit.runs.records import JUDGE_PREFIX, JudgementManifest
from benchkit.runs.store import Run
from benchkit.stats.agreement.synthetic_raters import SYNTHETIC
from benchkit.stats.arrays import Floats, Ints
from benchkit.stats.calibration.answer_group import AnswerGroup, make_group

Grades = Mapping[str, pl.DataFrame]
"""Method -> its answers, as `answer_grades` returns them."""


class StoredJudgement(Protocol):
    """A complete judgement of a run, wherever it was found."""

    @property
    def run(self) -> Run:
        """The run."""

    @property
    def manifest(self) -> JudgementManifest:
        """Its judgement."""

    @property
    def method(self) -> str:
        """The label of the method."""

    @property
    def is_synthetic(self) -> bool:
        """Whether the data are generated."""


@dataclass(frozen=True, eq=False)
class JudgedAnswers:
    """The grades of one judge by one criterion, with labels of people where there are any."""

    task: str
    judge: str
    criterion: str
    categories: tuple[float, ...] | None
    """All possible grades; None where they are on no scale of categories."""
    methods: tuple[str, ...]
    groups: tuple[AnswerGroup, ...]
    """A method each."""
    people: tuple[str, ...]
    grades: Floats
    """[labelled answers, people], NaN where missing; method after method, as `groups`."""
    judge_grades: Floats
    """[labelled answers], NaN where the judge left it without a grade."""
    units: Ints
    """[labelled answers] user of each."""
    weights: Floats
    """[labelled answers]"""
    unit_name: str = "users"
    notes: tuple[str, ...] = field(default=())
    caveats: tuple[str, ...] = ()
    """What a reader must know of the judge."""
    has_synthetic_data: bool = False
    """Whether the answers are of generated data."""
    of_file: bool = False
    """Whether they are the answers in a file of grades, and the judge may have graded others."""

    @property
    def has_synthetic_people(self) -> bool:
        """Whether some of the people are generated."""
        return any(SYNTHETIC in name for name in self.people)

    def mark(self, title: str) -> str:
        """Return the title of a table, which says SYNTHETIC where people or data are generated."""
        is_synthetic = self.has_synthetic_people or self.has_synthetic_data
        if is_synthetic and not is_marked_synthetic(title):
            return mark_synthetic(title)
        return title


@dataclass(frozen=True)
class _Judged:
    """What one judge graded of a task."""

    task: str
    judge: str
    rubric: Mapping[str, Any]
    grades: Grades
    caveats: tuple[str, ...]
    is_synthetic: bool

    def complete(self, answers: JudgedAnswers) -> JudgedAnswers:
        """Return the answers with what is to be known of judge and data."""
        return replace(answers, caveats=self.caveats, has_synthetic_data=self.is_synthetic)


def answers_of_judgements(
    judgements: Iterable[StoredJudgement], labels: PeopleLabels
) -> Iterator[JudgedAnswers]:
    """Yield what each judge graded of each task, for the criteria of the labels."""
    for part in _group_judgements(judgements):
        of_criteria = join_criteria(part.task, part.judge, part.rubric, part.grades, labels)
        yield from map(part.complete, of_criteria)


def plan_answers(
    judgements: Iterable[StoredJudgement], labels: PeopleLabels | None
) -> Iterator[JudgedAnswers]:
    """Yield what each judge graded of each task by the first criterion, with labels if any."""
    for part in _group_judgements(judgements):
        first = part.rubric["criteria"][0]
        people = labels or no_labels()
        yield part.complete(join_labels(part.task, part.judge, first, part.grades, people))


def _group_judgements(judgements: Iterable[StoredJudgement]) -> Iterator[_Judged]:
    by_judge: dict[tuple[str, str], dict[str, list[StoredJudgement]]] = {}
    for judgement in judgements:
        of_judge = by_judge.setdefault((judgement.manifest.task, judgement.manifest.label), {})
        of_judge.setdefault(judgement.method, []).append(judgement)
    for (task, judge), methods in by_judge.items():
        grades = {
            method: answer_grades([part.run for part in parts], [part.manifest for part in parts])
            for method, parts in methods.items()
        }
        every = [part for parts in methods.values() for part in parts]
        first = every[0].manifest
        caveats = (
            *combine_caveats((part.method, part.manifest) for part in every),
            *describe_namesakes([part.run for part in every], judge, first.judge_id),
        )
        is_synthetic = any(part.is_synthetic for part in every)
        yield _Judged(task, judge, first.rubric, grades, caveats, is_synthetic)


def join_criteria(
    task: str, judge: str, rubric: Mapping[str, Any], grades: Grades, labels: PeopleLabels
) -> Iterator[JudgedAnswers]:
    """Yield `join_labels` for each criterion that the rubric and the labels of the task share.

    A note says which of the labels' criteria the rubric lacks.
    """
    of_task = labels.table.filter(pl.col("task") == task)["criterion"].unique(maintain_order=True)
    names = [criterion["name"] for criterion in rubric["criteria"]]
    lacking = ", ".join(name for name in of_task if name not in names)
    notes = (f"labels by {lacking} are left out: {judge} did not grade by that",) if lacking else ()
    for criterion in rubric["criteria"]:
        if criterion["name"] in of_task:
            answers = join_labels(task, judge, criterion, grades, labels)
            yield replace(answers, notes=(*answers.notes, *notes))


def join_labels(
    task: str, judge: str, criterion: Mapping[str, Any], grades: Grades, labels: PeopleLabels
) -> JudgedAnswers:
    """Return the answers of a task with the labels that are of them.

    What the rubric grades without a judge is certain. Labels of other answers are counted in a
    note.

    Raises:
        DataError: The labels do not say of which of several runs they are, or a grade is not on the
            scale.
    """
    name, low, high = criterion["name"], criterion["low"], criterion["high"]
    categories = tuple(float(grade) for grade in range(low, high + 1))
    of_task = labels.table.filter((pl.col("task") == task) & (pl.col("criterion") == name))
    no_scale = pl.col("scale").is_null()
    scales = set(of_task["scale"].drop_nulls().to_list())
    notes = []
    if wrong := scales - {f"{low}-{high}"}:
        notes.append(
            f"labels on the scale {', '.join(sorted(wrong))} are left out: {judge} graded {name}"
            f" from {low} to {high}"
        )
        of_task = of_task.filter(no_scale | (pl.col("scale") == f"{low}-{high}"))
    if len(outside := of_task.filter((pl.col("grade") < low) | (pl.col("grade") > high))):
        first = outside.row(0, named=True)
        raise DataError(
            f"grade {first['grade']:g} is not on the scale {low}-{high}: {first['rater']} on the"
            f" {name} of {first['system']}, case {first['case_id']}"
            f" ({count_text(len(outside), 'such grade')})",
            "correct these grades, or leave them empty where there is none",
        )
    users = _number_users(grades)
    groups, parts, unmatched = [], [], 0
    for method, answers in grades.items():
        group, rows, n_outside = _join_method(method, answers, of_task, name, labels.raters, users)
        groups.append(group)
        parts.append(rows)
        unmatched += n_outside
    unknown = of_task.filter(~pl.col("system").is_in(list(grades)))
    unmatched += unknown.select("system", "run_id", "case_id").n_unique() if len(unknown) else 0
    if unmatched:
        verb = "is" if unmatched == 1 else "are"
        notes.append(
            f"{count_text(unmatched, 'labelled answer')} {verb} not among the judged ones, and left"
            " out"
        )
    return JudgedAnswers(
        task, judge, name, categories, tuple(grades), tuple(groups), labels.raters,
        np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]), np.concatenate([part[3] for part in parts]),
        notes=tuple(notes),
    )  # fmt: skip


def answers_of_ratings(
    ratings: RatingsTable, people: Sequence[str], judge: str, categories: Sequence[float] | None
) -> JudgedAnswers:
    """Return what a rater of a table graded, beside those who count as people."""
    grades = ratings.select_raters(people).grades
    by_judge = ratings.select_raters([judge]).grades[:, 0]
    systems = np.array(ratings.systems or ("all",) * len(by_judge))
    names = ratings.resampling_units or ratings.items
    _, units = np.unique(np.array(names), return_inverse=True)
    weights = np.ones(len(by_judge)) if ratings.weights is None else ratings.weights
    judged = ~np.isnan(by_judge)
    means = _row_means(grades)
    methods = tuple(dict.fromkeys(systems[judged].tolist()))
    groups, places = [], [np.zeros(0, dtype=np.int64)]
    for method in methods:
        rows = judged & (systems == method)
        groups.append(make_group(by_judge[rows], means[rows], weights[rows], units[rows]))
        places.append(np.flatnonzero(rows & ~np.isnan(means)))
    labelled = np.concatenate(places)
    name = judge.removeprefix(JUDGE_PREFIX)
    if name in ratings.raters:  # a person has the judge's name
        name = judge
    return JudgedAnswers(
        "", name, "", None if categories is None else tuple(categories),
        methods, tuple(groups), tuple(people), grades[labelled], by_judge[labelled],
        units[labelled], weights[labelled], "clusters" if ratings.clusters else "items",
        of_file=True,
    )  # fmt: skip


def _number_users(grades: Grades) -> dict[str, int]:
    names = {user for answers in grades.values() for user in answers["user"].to_list()}
    return {name: number for number, name in enumerate(sorted(names))}


def _join_method(
    method: str,
    answers: pl.DataFrame,
    labels: pl.DataFrame,
    criterion: str,
    raters: Sequence[str],
    users: Mapping[str, int],
) -> tuple[AnswerGroup, tuple[Floats, Floats, Ints, Floats], int]:
    """Return the group, its labelled answers, and how many labelled ones are not judged."""
    grade = f"grade {criterion}"
    judged = answers.filter(pl.col("stage") == "judged")
    certain = answers.filter((pl.col("stage") != "judged") & pl.col("gradable")).drop_nulls(grade)
    of_method = labels.filter(pl.col("system") == method)
    matrix, weights, n_outside = _label_matrix(method, judged, of_method, raters)
    by_judge = judged[grade].to_numpy()
    units = np.array([users[user] for user in judged["user"]], dtype=np.int64)
    group = make_group(by_judge, _row_means(matrix), weights, units)
    group = replace(
        group,
        certain=certain[grade].to_numpy(),
        certain_units=np.array([users[user] for user in certain["user"]], dtype=np.int64),
    )
    at = group.labelled
    return group, (matrix[at], by_judge[at], units[at], weights[at]), n_outside


def _label_matrix(
    method: str, judged: pl.DataFrame, labels: pl.DataFrame, raters: Sequence[str]
) -> tuple[Floats, Floats, int]:
    """Return [answers, raters] grades, [answers] weights, and the number of unknown answers."""
    runs = judged["run_id"].unique(maintain_order=True).to_list()
    lacks_run = labels["run_id"].null_count() > 0
    if lacks_run and len(runs) > 1:
        raise DataError(
            f"the labels of {method} do not say of which of its {len(runs)} runs (seeds) they are",
            "read them back anew with benchkit annotate --read, which now names the runs",
        )
    keys = zip(judged["run_id"], judged["case_id"], strict=True)
    places = {key: place for place, key in enumerate(keys)}
    columns = {rater: column for column, rater in enumerate(raters)}
    matrix = np.full((len(judged), len(raters)), np.nan)
    weights = np.ones(len(judged))
    outside = set()
    for row in labels.iter_rows(named=True):
        key = (row["run_id"] or (runs[0] if runs else ""), row["case_id"])
        if (place := places.get(key)) is None:
            outside.add(key)
            continue
        matrix[place, columns[row["rater"]]] = row["grade"]
        weights[place] = row["weight"]
    return matrix, weights, len(outside)


def _row_means(grades: Floats) -> Floats:
    n = (~np.isnan(grades)).sum(axis=1)
    means: Floats = np.nansum(grades, axis=1) / np.where(n, n, np.nan)
    return means

"""A batch to annotate: the pages of all annotators, and the key that the pages hide."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchkit.errors import ConfigError
from benchkit.judging.annotation import page
from benchkit.judging.annotation.batch_key import (
    BatchKey,
    KeyItem,
    KeyJudge,
    KeyStratum,
    write_batch_files,
)
from benchkit.judging.annotation.population import GradedAnswer, Population
from benchkit.judging.annotation.stratified_sample import (
    Stratum,
    assign_to_annotators,
    describe_scheme,
    draw_strata,
    opaque_id,
)
from benchkit.judging.rubric import Rubric


@dataclass(frozen=True)
class AnnotationBatch:
    """A key, and the answers that its ids stand for."""

    key: BatchKey
    answers: dict[str, GradedAnswer]

    def pages(self) -> dict[str, str]:
        """Return annotator -> HTML. Annotators know nothing but what is on their page."""
        rubric = self.key.rubric
        items = {i: page_item(i, answer, rubric) for i, answer in self.answers.items()}
        return {
            annotator: page.render_annotation_page(
                self.key.batch, annotator, rubric, [items[i] for i in ids]
            )
            for annotator, ids in self.key.annotators.items()
        }

    def write(self, folder: Path) -> list[Path]:
        """Write key.json and <annotator>.html; return their paths."""
        return write_batch_files(self.key, self.pages(), folder)


def make_batch(
    population: Population,
    n: int,
    annotators: int,
    overlap: float = 1.0,
    seed: int = 0,
    *,
    balanced: bool = False,
) -> AnnotationBatch:
    """Draw answers and assign them to annotators (see `stratified_sample`).

    The same input and seed give the same batch.

    Args:
        population: The answers to draw from.
        n: How many to draw.
        annotators: Number of annotators.
        overlap: Share of the answers that every annotator sees.
        seed: Seed of all draws.
        balanced: Whether to draw evenly over the judge's grades, too.

    Raises:
        ConfigError: Where there are fewer answers than annotators.
    """
    if (size := min(n, len(population.answers))) < annotators:
        raise ConfigError(f"{size} answers for {annotators} annotators", "ask for more, or fewer")
    strata = draw_strata(population, n, seed, balanced=balanced)
    answers: dict[str, GradedAnswer] = {}
    weights: dict[str, float] = {}
    for stratum in strata:
        for answer in stratum.drawn:
            identifier = opaque_id(answer, seed)
            if identifier in answers:
                raise ConfigError("two answers got the same id", "choose another --seed")
            answers[identifier] = answer
            weights[identifier] = stratum.weight
    hands = assign_to_annotators(list(answers), annotators, overlap, seed)
    names = {f"annotator-{number}": tuple(hand) for number, hand in enumerate(hands, start=1)}
    rubric = population.rubric
    key = BatchKey(
        batch=_batch_hash(answers, names, rubric),
        seed=seed,
        asked=n,
        overlap=overlap,
        scheme=describe_scheme(balanced),
        rubric=rubric,
        rubric_hash=rubric.hash,
        annotators=names,
        judges=_key_judges(population),
        strata=tuple(map(_key_stratum, strata)),
        items={i: _key_item(answer, weights[i]) for i, answer in sorted(answers.items())},
    )
    return AnnotationBatch(key, answers)


def page_item(identifier: str, answer: GradedAnswer, rubric: Rubric) -> dict[str, Any]:
    """Return what a page shows of an answer."""
    item = {
        "id": identifier,
        "history": list(answer.history),
        "title": answer.title,
        "rationale": answer.rationale,
    }
    return item | ({"target": answer.target_title} if rubric.shows_target else {})


def _batch_hash(
    answers: dict[str, GradedAnswer], annotators: dict[str, tuple[str, ...]], rubric: Rubric
) -> str:
    """Hash all that annotators see, in order. It never looks like a number to a spreadsheet."""
    items = [page_item(i, answer, rubric) for i, answer in sorted(answers.items())]
    text = json.dumps([rubric.hash, annotators, items], sort_keys=True)
    return "b" + hashlib.sha256(text.encode()).hexdigest()[:15]


def _key_judges(population: Population) -> dict[str, KeyJudge]:
    judges = {}
    for label, rubric in sorted(population.rubrics.items()):
        comparable = tuple(c.name for c in population.comparable_criteria(label))
        judges[label] = KeyJudge(rubric=rubric.name, rubric_hash=rubric.hash, comparable=comparable)
    return judges


def _key_stratum(stratum: Stratum) -> KeyStratum:
    return KeyStratum(
        suite=stratum.suite, task=stratum.task, method=stratum.method, grade=stratum.grade,
        size=stratum.size, share=float(stratum.share), drawn=len(stratum.drawn),
    )  # fmt: skip


def _key_item(answer: GradedAnswer, weight: float) -> KeyItem:
    return KeyItem(
        suite=answer.suite, task=answer.task, method=answer.method, run_id=answer.run_id,
        case_id=answer.case_id, item=answer.item, target=answer.target,
        grades=dict(sorted(answer.grades.items())), weight=weight, user=answer.user,
    )  # fmt: skip

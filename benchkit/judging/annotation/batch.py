"""A batch to annotate: the pages of all annotators, and the key that they do without."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchkit import io
from benchkit.errors import ConfigError
from benchkit.judging.annotation import page
from benchkit.judging.annotation.batch_key import BatchKey, KeyItem, KeyJudge, KeyStratum, write_key
from benchkit.judging.annotation.population import JudgedAnswer, Population
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
    """A key, and the exhibits that its ids stand for."""

    key: BatchKey
    answers: dict[str, JudgedAnswer]

    def pages(self) -> dict[str, str]:
        """Annotator -> HTML. What is on a page is all that an annotator gets to know."""
        shown = {i: page_item(i, e, self.key.rubric) for i, e in self.answers.items()}
        return {
            annotator: page.render_annotation_page(
                self.key.batch, annotator, self.key.rubric, [shown[i] for i in ids]
            )
            for annotator, ids in self.key.annotators.items()
        }

    def write(self, folder: Path) -> list[Path]:
        """Write key.json and <annotator>.html; returns their paths."""
        paths = [write_key(self.key, folder)]
        for annotator, html in self.pages().items():
            paths.append(folder / f"{annotator}.html")
            io.write_text(paths[-1], html)
        return paths


def make_batch(
    population: Population,
    n: int,
    annotators: int,
    overlap: float = 1.0,
    seed: int = 0,
    *,
    balanced: bool = False,
) -> AnnotationBatch:
    """Draw `n` exhibits and deal them to annotators (see `sampling`).

    overlap: share of them that every annotator sees. balanced: even over the judge's grades, too.
    The same input and seed give the same batch. Raises ConfigError where there are fewer exhibits
    than annotators.
    """
    if (size := min(n, len(population.answers))) < annotators:
        raise ConfigError(f"{size} answers for {annotators} annotators", "ask for more, or fewer")
    strata = draw_strata(population, n, seed, balanced=balanced)
    exhibits: dict[str, JudgedAnswer] = {}
    weights: dict[str, float] = {}
    for stratum in strata:
        for exhibit in stratum.drawn:
            identifier = opaque_id(exhibit, seed)
            if identifier in exhibits:
                raise ConfigError("two exhibits got the same id", "choose another --seed")
            exhibits[identifier] = exhibit
            weights[identifier] = stratum.weight
    hands = assign_to_annotators(list(exhibits), annotators, overlap, seed)
    names = {f"annotator-{place}": tuple(hand) for place, hand in enumerate(hands, start=1)}
    rubric = population.rubric
    key = BatchKey(
        batch=_batch_hash(exhibits, names, rubric),
        seed=seed,
        asked=n,
        overlap=overlap,
        scheme=describe_scheme(balanced),
        rubric=rubric,
        rubric_hash=rubric.hash,
        annotators=names,
        judges=_judges(population),
        strata=tuple(map(_key_stratum, strata)),
        items={i: _key_item(e, weights[i]) for i, e in sorted(exhibits.items())},
    )
    return AnnotationBatch(key, exhibits)


def page_item(identifier: str, exhibit: JudgedAnswer, rubric: Rubric) -> dict[str, Any]:
    """What a page shows of an exhibit."""
    shown = {
        "id": identifier,
        "history": list(exhibit.history),
        "title": exhibit.title,
        "rationale": exhibit.rationale,
    }
    return shown | ({"target": exhibit.target_title} if rubric.shows_target else {})


def _batch_hash(
    exhibits: dict[str, JudgedAnswer], annotators: dict[str, tuple[str, ...]], rubric: Rubric
) -> str:
    """Of all that annotators see, and in which order. It is no number, whatever opens the CSV."""
    shown = [page_item(i, e, rubric) for i, e in sorted(exhibits.items())]
    text = json.dumps([rubric.hash, annotators, shown], sort_keys=True)
    return "b" + hashlib.sha256(text.encode()).hexdigest()[:15]


def _judges(population: Population) -> dict[str, KeyJudge]:
    return {
        label: KeyJudge(
            rubric=rubric.name,
            rubric_hash=rubric.hash,
            comparable=tuple(criterion.name for criterion in population.comparable_criteria(label)),
        )
        for label, rubric in sorted(population.rubrics.items())
    }


def _key_stratum(stratum: Stratum) -> KeyStratum:
    return KeyStratum(
        suite=stratum.suite, task=stratum.task, method=stratum.method, grade=stratum.grade,
        size=stratum.size, share=float(stratum.share), drawn=len(stratum.drawn),
    )  # fmt: skip


def _key_item(exhibit: JudgedAnswer, weight: float) -> KeyItem:
    return KeyItem(
        suite=exhibit.suite, task=exhibit.task, method=exhibit.method, run_id=exhibit.run_id,
        case_id=exhibit.case_id, item=exhibit.item, target=exhibit.target,
        grades=dict(sorted(exhibit.grades.items())), weight=weight,
    )  # fmt: skip

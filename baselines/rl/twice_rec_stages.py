"""Stages 1 and 2 of TWiCE-Rec: the record of the curation, and the mixture of three tasks.

Which of the stages a run has is decided by the method's settings; see `twice_rec`.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

import numpy as np

from benchkit import io, seeds
from benchkit.lm.teachers.base import Rationale, TeacherQuestion
from benchkit.lm.teachers.curation import count_tags
from benchkit.training.core.example_builder import ExampleBuilder, to_request
from benchkit.training.core.examples import Example
from benchkit.training.core.item_tasks import description_example, item_descriptions
from benchkit.types import RunContext, TrainView

Task = Literal["describe", "direct", "reason"]


def record_curation(rationales: Sequence[Rationale], min_score: float, run: RunContext) -> None:
    """Write what the curation has kept and dropped to the run's record, curation.json."""
    counts = count_tags(rationales)
    run.progress.advance(0, note=str(counts))
    path = (run.artifacts or run.scratch) / "curation.json"
    io.write_json(path, {**asdict(counts), "min_coherence": min_score})


def description_examples(builder: ExampleBuilder, data: TrainView, limit: int) -> list[Example]:
    """Return the item task: the description of items that training has, from their titles.

    Args:
        builder: Writes titles as prompts show them.
        data: Its training interactions and catalogue.
        limit: Most items, chosen by a hash; items without any text are left out.
    """
    texts, ids = item_descriptions(data.catalog), data.catalog.ids
    described = [code for code in np.unique(data.interactions.item).tolist() if texts[code]]
    keys = seeds.derive_each([ids[code] for code in described], "describe")
    chosen = np.sort(np.argsort(keys, kind="stable")[:limit]).tolist()
    codes = [described[index] for index in chosen]
    return [description_example(builder, ids[code], texts[code]) for code in codes]


def direct_examples(builder: ExampleBuilder, questions: Sequence[TeacherQuestion]) -> list[Example]:
    """Return the task without reasons: the item after the history."""
    return [builder.example(to_request(question), question.item) for question in questions]


def reasoning_examples(
    builder: ExampleBuilder,
    questions: Sequence[TeacherQuestion],
    rationales: Sequence[Rationale],
) -> list[Example]:
    """Return the task with reasons: rationale, then item; without those that were dropped."""
    return [
        builder.example(to_request(question), question.item, rationale.text)
        for question, rationale in zip(questions, rationales, strict=True)
        if rationale.text is not None
    ]

"""Self-verification of rationales: can the model infer the item from them (Rec-SAVER, 2024)?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from benchkit.lm.predictor import LMPredictor
from benchkit.lm.prompts import Template, render_prompt
from benchkit.lm.teachers.base import Rationale, TeacherQuestion
from benchkit.lm.teachers.facts import shorten_title
from benchkit.lm.teachers.prompt_template import remove_title
from benchkit.lm.tokens.control_tokens import unquote
from benchkit.lm.types import Decoding, Prompt
from benchkit.training.core.example_builder import to_request
from benchkit.types import Catalog

_BATCH_SIZE = 256  # questions


class VerificationCounts(NamedTuple):
    """Counts before and after verification."""

    n_written: int
    """Distinct rationales."""
    n_kept: int
    """Rationales that were verified."""
    n_users: int
    n_users_kept: int
    """Users with a verified rationale."""

    @classmethod
    def from_texts(
        cls, written: Sequence[Sequence[str]], verified: Sequence[Sequence[str]]
    ) -> "VerificationCounts":
        """Count the rationales of each user before and after verification."""
        return cls(
            sum(map(len, written)), sum(map(len, verified)), len(written), sum(map(bool, verified))
        )

    def __str__(self) -> str:
        rationales = f"{self.n_kept} of {self.n_written} rationales kept ({self.kept_share:.0%})"
        return f"{rationales}, {self.n_users_kept} of {self.n_users} users"

    @property
    def kept_share(self) -> float:
        """Share of the rationales that were verified; 0 without rationales."""
        return self.n_kept / self.n_written if self.n_written else 0.0


def teacher_texts(
    questions: Sequence[TeacherQuestion],
    per_user: int,
    write: Callable[[Sequence[TeacherQuestion]], Sequence[Rationale]],
) -> list[list[str]]:
    """Let a teacher explain each question under several keys.

    Returns:
        For each question its distinct rationales.
    """
    copies = [replace(q, key=f"{q.key}#{n}") for q in questions for n in range(per_user)]
    texts = [rationale.text for rationale in write(copies)]
    rows = [texts[start : start + per_user] for start in range(0, len(texts), per_user)]
    return [list(dict.fromkeys(text for text in row if text is not None)) for row in rows]


def select_verified(
    predictor: LMPredictor,
    questions: Sequence[TeacherQuestion],
    texts: Sequence[Sequence[str]],
    catalog: Catalog,
) -> list[list[str]]:
    """Return for each question those of its rationales from which the model infers the item."""
    pairs = [(row, text) for row, row_texts in enumerate(texts) for text in row_texts]
    results = verify_rationales(
        predictor, [questions[row] for row, _ in pairs], [text for _, text in pairs], catalog
    )
    verified: list[list[str]] = [[] for _ in questions]
    for (row, text), correct in zip(pairs, results, strict=True):
        if correct:
            verified[row].append(text)
    return verified


def mask_title(
    rationale: str, question: TeacherQuestion, template: Template, catalog: Catalog
) -> str:
    """Remove the item's title, with which verification would be trivial, from a rationale.

    It is removed in full, as prompts show it, and as the template teacher shortens it.
    """
    displayed = unquote(template.item_title(catalog, question.item))
    full = catalog.text(question.item) or question.item
    for title in (full, displayed, shorten_title(displayed)):
        rationale = remove_title(rationale, title)
    return rationale


def verify_rationales(
    predictor: LMPredictor,
    questions: Sequence[TeacherQuestion],
    rationales: Sequence[str],
    catalog: Catalog,
) -> Iterator[bool]:
    """Yield for each rationale whether the model's best candidate after it is the item.

    Equal titles are one answer: the model cannot distinguish them.
    """
    form, template = predictor.response_format, predictor.template
    for start in range(0, len(questions), _BATCH_SIZE):
        batch = questions[start : start + _BATCH_SIZE]
        texts = rationales[start : start + _BATCH_SIZE]
        titles = [[template.item_title(catalog, i) for i in q.candidates] for q in batch]
        prompts = []
        for question, text in zip(batch, texts, strict=True):
            prefill = form.prefix(mask_title(text, question, template, catalog))
            prompts.append(replace(rationale_prompt(predictor, question, catalog), prefill=prefill))
        options = [[title + form.suffix for title in row] for row in titles]
        picks = predictor.engine.constrained_choice(prompts, options, Decoding())
        for question, row, (pick,) in zip(batch, titles, picks, strict=True):
            yield row[pick] == template.item_title(catalog, question.item)


def rationale_prompt(predictor: LMPredictor, question: TeacherQuestion, catalog: Catalog) -> Prompt:
    """Return the prompt that asks for a rationale and an item, from the history alone."""
    return render_prompt(
        predictor.template,
        to_request(question),
        catalog,
        rationale=True,
        count_tokens=predictor.engine.count_tokens,
        budget=predictor.prompt_tokens,
    ).prompt

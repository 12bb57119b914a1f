"""Which rationales a model finds the item again from (Rec-SAVER, Tsai et al. 2024)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from benchkit.lm.predictor import LMPredictor
from benchkit.lm.prompts import render_prompt
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.teachers.facts import shorten_title
from benchkit.lm.teachers.prompt_template import remove_title
from benchkit.lm.types import Decoding, Prompt
from benchkit.training.core.example_builder import to_request
from benchkit.types import Catalog

_ASKED_AT_ONCE = 256


class VerificationCounts(NamedTuple):
    """What verification left. written, kept: rationales. users, users_kept: those with any."""

    n_written: int
    n_kept: int
    n_users: int
    n_users_kept: int

    @property
    def kept_share(self) -> float:
        """Share of the rationales that were kept; 0 where none was written."""
        return self.n_kept / self.n_written if self.n_written else 0.0


def mask_title(
    rationale: str, question: TeacherQuestion, answerer: LMPredictor, catalog: Catalog
) -> str:
    """The rationale without the item's title: as it is, as prompts show it, and shortened as the
    template teacher writes it. With the title in it, verification would be trivially true."""
    shown = answerer.template.item_title(catalog, question.item)
    for title in (catalog.text(question.item) or question.item, shown, shorten_title(shown)):
        rationale = remove_title(rationale, title)
    return rationale


def verify_rationales(
    answerer: LMPredictor,
    questions: Sequence[TeacherQuestion],
    rationales: Sequence[str],
    catalog: Catalog,
) -> Iterator[bool]:
    """For each rationale whether the model, greedy among the candidates, names the item after it.

    Equal titles are one answer: the model cannot tell them apart.
    """
    form = answerer.response_format
    for start in range(0, len(questions), _ASKED_AT_ONCE):
        part = questions[start : start + _ASKED_AT_ONCE]
        told = rationales[start : start + _ASKED_AT_ONCE]
        titles = [[answerer.template.item_title(catalog, i) for i in q.candidates] for q in part]
        prompts = [
            replace(
                _prompt(answerer, question, catalog),
                prefill=form.opening(mask_title(text, question, answerer, catalog)),
            )
            for question, text in zip(part, told, strict=True)
        ]
        options = [[title + form.closing for title in own] for own in titles]
        picks = answerer.engine.constrained_choice(prompts, options, Decoding())
        for question, own, (pick,) in zip(part, titles, picks, strict=True):
            yield own[pick] == answerer.template.item_title(catalog, question.item)


def _prompt(answerer: LMPredictor, question: TeacherQuestion, catalog: Catalog) -> Prompt:
    return render_prompt(
        answerer.template,
        to_request(question),
        catalog,
        rationale=True,
        count_tokens=answerer.engine.count_tokens,
        budget=answerer.prompt_tokens,
    ).prompt

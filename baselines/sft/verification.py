"""Which rationales a model finds the item again from (Rec-SAVER, Tsai et al. 2024)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from benchkit.lm.answering import Answerer
from benchkit.lm.engine import Decoding, Prompt
from benchkit.lm.prompts import render
from benchkit.lm.teachers.base import Question
from benchkit.lm.teachers.facts import shortened
from benchkit.lm.teachers.prompts import without_title
from benchkit.protocols import Catalog
from benchkit.tuning.builders import as_request

_ASKED_AT_ONCE = 256


class Verified(NamedTuple):
    """What verification left. written, kept: rationales. users, users_kept: those with any."""

    written: int
    kept: int
    users: int
    users_kept: int

    @property
    def rate(self) -> float:
        """Share of the rationales that were kept; 0 where none was written."""
        return self.kept / self.written if self.written else 0.0


def guarded(rationale: str, question: Question, answerer: Answerer, catalog: Catalog) -> str:
    """The rationale without the item's title: as it is, as prompts show it, and shortened as the
    template teacher writes it. With the title in it, verification would be trivially true."""
    shown = answerer.template.title(catalog, question.item)
    for title in (catalog.text(question.item) or question.item, shown, shortened(shown)):
        rationale = without_title(rationale, title)
    return rationale


def finds_again(
    answerer: Answerer, questions: Sequence[Question], rationales: Sequence[str], catalog: Catalog
) -> Iterator[bool]:
    """For each rationale whether the model, greedy among the candidates, names the item after it.

    Equal titles are one answer: the model cannot tell them apart.
    """
    form = answerer.format
    for start in range(0, len(questions), _ASKED_AT_ONCE):
        part = questions[start : start + _ASKED_AT_ONCE]
        told = rationales[start : start + _ASKED_AT_ONCE]
        titles = [[answerer.template.title(catalog, i) for i in q.candidates] for q in part]
        prompts = [
            replace(
                _prompt(answerer, question, catalog),
                begun=form.opening(guarded(text, question, answerer, catalog)),
            )
            for question, text in zip(part, told, strict=True)
        ]
        options = [[title + form.closing for title in own] for own in titles]
        picks = answerer.engine.choose(prompts, options, Decoding())
        for question, own, (pick,) in zip(part, titles, picks, strict=True):
            yield own[pick] == answerer.template.title(catalog, question.item)


def _prompt(answerer: Answerer, question: Question, catalog: Catalog) -> Prompt:
    return render(
        answerer.template,
        as_request(question),
        catalog,
        rationale=True,
        count_tokens=answerer.engine.count_tokens,
        budget=answerer.prompt_tokens,
    ).prompt

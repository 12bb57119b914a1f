"""Yes-or-no questions about items, as TALLRec asks them.

The history is the prompt, and the answer begins with the question, so that all candidates of a
case share one prompt. "<question> Yes" and "<question> No" have the question's tokens in common;
their log-probability cancels in the difference. What remains is the log-odds of Yes at the
position of the answer, as if each candidate had a prompt of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchkit.lm.prompts import Template
from benchkit.lm.tokenization import continuation_ids, prompt_ids, text_ids
from benchkit.lm.types import Message, Prompt
from benchkit.rating_scale import NEUTRAL_STARS
from benchkit.training.core.examples import Example
from benchkit.types import Catalog, Event, Request

YES_NO = ("Yes", "No")


class QuestionWording(NamedTuple):
    """The words around the titles."""

    task: str
    liked: str
    disliked: str
    question: str


LONG_QUESTION = QuestionWording(
    task="Learn the taste of a user from what the user liked and disliked (oldest first). Then"
    " tell of another item whether the user likes it: Yes or No.\n",
    liked="Liked:\n",
    disliked="Disliked:\n",
    question="Does the user like {title}?",
)
SHORT_QUESTION = QuestionWording("", "Liked:\n", "Disliked:\n", "Like {title}?")


@dataclass(frozen=True)
class YesNoWriter:
    """Write the history and the questions, in training and later."""

    tokenizer: Any
    wording: QuestionWording
    titles: Template
    """Decides how titles are written."""
    threshold: float | None
    """Highest rating of a disliked item, None: three stars of five, or as far up another scale;
    without ratings everything is liked."""
    budget: int
    """Most tokens of the history and the question's words."""
    max_events: int | None = None
    """Most events of the history, the last ones; None: all that fit."""

    def history(self, events: Sequence[Event], catalog: Catalog) -> str:
        """Write the liked and the disliked titles; the oldest are left out to fit the budget."""
        if self.max_events is not None:
            events = events[-self.max_events :]
        lines = [self.titles.item_title(catalog, event.item) + "\n" for event in events]
        disliked = [self.is_disliked(event.rating, catalog) for event in events]

        def write(first: int) -> str:
            rows = list(zip(lines[first:], disliked[first:], strict=True))
            good = "".join(line for line, is_disliked in rows if not is_disliked)
            bad = "".join(line for line, is_disliked in rows if is_disliked)
            words = self.wording
            return words.task + words.liked + good + (words.disliked + bad if bad else "")

        room = self.budget - self._count(self.wording.question)
        left = room - self._count(write(len(lines))) - self._count(self.wording.disliked)
        first = len(lines)
        while first and (left := left - self._count(lines[first - 1])) >= 0:
            first -= 1
        while first < len(lines) and self._count(write(first)) > room:
            first += 1  # joined texts can have more tokens than their parts
        return write(first)

    def is_disliked(self, rating: float | None, catalog: Catalog) -> bool:
        """Return whether a rating is at most the threshold; without a rating an item is liked."""
        scale = catalog.rating_scale
        if rating is None or scale is None:
            return False
        threshold = self.threshold
        if threshold is None:
            threshold = scale.from_stars(NEUTRAL_STARS)
        return rating <= threshold

    def prompt(self, request: Request, catalog: Catalog) -> Prompt:
        """Return the prompt with the history of a request."""
        text = self.history(request.history, catalog)
        return Prompt(request.case_id, (Message("user", text),))

    def question(self, item: str, catalog: Catalog) -> str:
        """Return the question about an item."""
        return self.wording.question.format(title=self.titles.item_title(catalog, item))

    def example(self, request: Request, item: str, liked: bool, catalog: Catalog) -> Example:
        """Return a question with its answer and the end of turn; only the answer is the response.

        Question and answer are tokenised as one text, as when candidates are scored. The response
        begins with the first token in which Yes and No differ.
        """
        question = self.question(item, catalog)
        ids = [continuation_ids(self.tokenizer, f"{question} {word}.", end=True) for word in YES_NO]
        start = _first_difference(*ids)
        answer = ids[0 if liked else 1]
        prompt = prompt_ids(self.tokenizer, self.prompt(request, catalog))
        return Example((*prompt, *answer[:start]), tuple(answer[start:]), key=request.case_id)

    def answer_endings(self) -> tuple[str, str]:
        """Return what follows a question when it is scored: both answers up to where they differ.

        With most tokenizers these are the words. If a word has several tokens, those after the
        first that differs are not the model's decision any more. If no beginning of a word is that
        token alone, the whole words are compared.
        """
        mark = "?"
        whole = [continuation_ids(self.tokenizer, f"{mark} {word}.", end=False) for word in YES_NO]
        until = _first_difference(*whole) + 1
        endings = []
        for word, ids in zip(YES_NO, whole, strict=True):
            starts = (f" {word[:length]}" for length in range(1, len(word) + 1))
            fits = (s for s in starts if text_ids(self.tokenizer, mark + s) == ids[:until])
            endings.append(next(fits, f" {word}"))
        return endings[0], endings[1]

    def _count(self, text: str) -> int:
        return len(text_ids(self.tokenizer, text))


def _first_difference(yes: Sequence[int], no: Sequence[int]) -> int:
    """Return the index of the first token in which two answers differ."""
    pairs = zip(yes, no, strict=False)
    return next(index for index, (first, second) in enumerate(pairs) if first != second)

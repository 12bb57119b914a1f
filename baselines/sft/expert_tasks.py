"""What RecExplainer trains on: tasks whose answers are those of an expert, as text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat

from baselines import experts, list_generation
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.tokenization import continuation_ids, prompt_ids, text_ids
from benchkit.lm.types import Message, Prompt
from benchkit.training.core.example_builder import ExampleBuilder, to_request
from benchkit.training.core.examples import Example
from benchkit.types import Catalog, Recommender, Request, RunContext

RANK_TASK_ITEMS = 5  # items of a list to rank
_BEST, _WORST = 0.1, 0.5  # shares of the expert's ranking from which a Yes and a No are drawn
_COLUMNS = ("description", "details", "features", "genres", "tags", "style", "categories")
_CHARACTERS = 200  # of an item's text
_Scores = NDArray[np.float64]


class TaskMixture(BaseModel):
    """Examples of each task: of the first three as multiples of the number of users, of the last
    two of the number of items. More than one a user are of histories without their last events.

    next_item: the item that the expert ranks first. rank: five unseen items in the expert's order.
    interest: is an item among the best tenth of the expert's ranking (Yes) or in its worse half
    (No)? describe: an item's text from its title. find: its title from a text that no other has.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    next_item: PositiveFloat = 1.0
    rank: NonNegativeFloat = 0.5
    interest: NonNegativeFloat = 0.5
    describe: NonNegativeFloat = 0.25
    find: NonNegativeFloat = 0.25


@dataclass(frozen=True)
class ExpertTasks:
    """Writes the examples.

    next_item: as the method is asked later. rank, interest: with the prompts of these tasks.
    """

    expert: Recommender
    next_item: ExampleBuilder
    rank: ExampleBuilder
    interest: ExampleBuilder
    run: RunContext

    @property
    def catalog(self) -> Catalog:
        return self.next_item.catalog

    def examples(
        self, questions: Sequence[TeacherQuestion], mixture: TaskMixture
    ) -> Iterator[Example]:
        """All tasks in the shares of the mixture. The items of the questions are not looked at."""
        by_user: dict[str, tuple[float, Callable[[Request, _Scores], Example]]] = {
            "next-item": (mixture.next_item, self.next_item_example),
            "rank": (mixture.rank, self.rank_example),
            "interest": (mixture.interest, self.interest_example),
        }
        draws = int(np.ceil(max(share for share, _ in by_user.values())))
        for draw in range(draws):
            requests = [_earlier(question, draw) for question in questions]
            chosen = [
                [write for task, (share, write) in by_user.items()
                 if r.history and self._drawn(task, r.case_id, share - draw)]
                for r in requests
            ]  # fmt: skip
            asked = [(r, own) for r, own in zip(requests, chosen, strict=True) if own]
            scored = self.unseen_scores([request for request, _ in asked])
            for (request, own), values in zip(asked, scored, strict=True):
                yield from (write(request, values) for write in own)
        yield from self._of_items(mixture)

    def unseen_scores(self, requests: Sequence[Request]) -> Iterator[_Scores]:
        """[n_items] the expert's scores for each request; -inf for its history."""
        return experts.unseen_scores(self.expert, requests, self.catalog, self.run)

    def next_item_example(self, request: Request, scores: _Scores) -> Example:
        """The expert's favourite of the unseen catalogue, put among the candidates if it is not
        there: in the place of one that is drawn, so that places tell nothing."""
        favourite = self.catalog.ids[int(scores.argmax())]
        candidates = list(request.candidates)
        if favourite not in candidates:
            place = self.run.generator("favourite", request.case_id).integers(len(candidates))
            candidates[int(place)] = favourite
        return self.next_item.example(replace(request, candidates=tuple(candidates)), favourite)

    def rank_example(self, request: Request, scores: _Scores) -> Example:
        """Unseen items in the expert's order, as a numbered list."""
        rng = self.run.generator("to-rank", request.case_id)
        free = np.flatnonzero(np.isfinite(scores))
        shown = rng.permutation(free)[:RANK_TASK_ITEMS]
        ids = self.catalog.ids
        asked = replace(request, candidates=tuple(ids[code] for code in shown))
        best = [ids[shown[place]] for place in experts.descending_order(scores[shown])]
        titles = [self.rank.template.item_title(self.catalog, item) for item in best]
        return _example(
            self.rank, self.rank.prompt(asked), list_generation.list_pieces(titles), request.case_id
        )

    def interest_example(self, request: Request, scores: _Scores) -> Example:
        """Whether one item is what the expert would recommend."""
        rng = self.run.generator("interest", request.case_id)
        order = [code for code in experts.descending_order(scores) if np.isfinite(scores[code])]
        wanted = bool(rng.random() < 0.5)
        best = order[: max(1, round(_BEST * len(order)))]
        worst = order[-max(1, round(_WORST * len(order))) :]
        item = self.catalog.ids[int(rng.choice(best if wanted else worst))]
        prompt = self.interest.prompt(replace(request, candidates=(item,)))
        return _example(self.interest, prompt, ("Yes" if wanted else "No",), request.case_id)

    def _of_items(self, mixture: TaskMixture) -> Iterator[Example]:
        """Titles to texts and back."""
        titles = [self.next_item.template.item_title(self.catalog, i) for i in self.catalog.ids]
        texts = item_descriptions(self.catalog)
        count = {text: texts.count(text) for text in set(texts)} if mixture.find else {}
        for item, title, text in zip(self.catalog.ids, titles, texts, strict=True):
            if not text:
                continue
            for draw in range(int(np.ceil(mixture.describe))):
                if self._drawn("describe", f"{item}#{draw}", mixture.describe - draw):
                    yield self._plain(f"Describe this:\n{title}\n", text, item)
            for draw in range(int(np.ceil(mixture.find)) if count.get(text) == 1 else 0):
                if self._drawn("find", f"{item}#{draw}", mixture.find - draw):
                    yield self._plain(f"What is this?\n{text}\n", title, item)

    def _plain(self, question: str, answer: str, key: str) -> Example:
        prompt = prompt_ids(self.next_item.tokenizer, Prompt(key, (Message("user", question),)))
        return _example(self.next_item, tuple(prompt), (answer,), key)

    def _drawn(self, task: str, key: str, share: float) -> bool:
        return share >= 1 or bool(self.run.generator("mixture", task, key).random() < share)


def item_descriptions(catalog: Catalog) -> list[str]:
    """[n_items] one text an item besides its title, in one line; empty where there is none."""
    columns = [catalog.texts[column] for column in _COLUMNS if column in catalog.texts]
    found = []
    for code in range(len(catalog)):
        texts = (" ".join((column[code] or "").split()) for column in columns)
        found.append(next((text[:_CHARACTERS].rstrip() for text in texts if text), ""))
    return found


def _earlier(question: TeacherQuestion, events: int) -> Request:
    """What would have been asked so many events earlier."""
    request = to_request(question)
    if not events:
        return request
    return replace(
        request, case_id=f"{request.case_id}#{events}", history=request.history[:-events]
    )


def _example(
    builder: ExampleBuilder, prompt: tuple[int, ...], pieces: Sequence[str], key: str
) -> Example:
    """An example of a response in pieces."""
    *opening, last = pieces
    first = (i for piece in opening for i in text_ids(builder.tokenizer, piece))
    return Example(prompt, (*first, *continuation_ids(builder.tokenizer, last, end=True)), key=key)

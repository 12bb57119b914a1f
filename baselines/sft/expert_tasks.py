"""The training tasks of RecExplainer: the answers of an expert recommender, as text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat

from baselines import experts, list_generation
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.tokens.control_tokens import quote
from benchkit.training.core.example_builder import ExampleBuilder, to_request
from benchkit.training.core.examples import Example
from benchkit.training.core.item_tasks import (
    description_example,
    item_descriptions,
    pieces_example,
    plain_example,
)
from benchkit.types import Catalog, Recommender, Request, RunContext

RANK_TASK_ITEMS = 5  # items of a list to rank
_BEST, _WORST = 0.1, 0.5  # shares of the expert's ranking from which a Yes and a No are drawn
_Scores = NDArray[np.float64]


class TaskMixture(BaseModel):
    """Number of examples of each task, per user or per item.

    Further examples of a user are of histories without their last events.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    next_item: PositiveFloat = 1.0
    """Per user: which item does the expert rank first?"""
    rank: NonNegativeFloat = 0.5
    """Per user: five unseen items in the expert's order."""
    interest: NonNegativeFloat = 0.5
    """Per user: is an item in the top tenth of the expert's ranking (Yes) or in its lower half?"""
    describe: NonNegativeFloat = 0.25
    """Per item: its text from its title."""
    find: NonNegativeFloat = 0.25
    """Per item: its title from a text that no other item has."""


@dataclass(frozen=True)
class ExpertTasks:
    """Write the examples, with one builder for the prompts of each task."""

    expert: Recommender
    next_item: ExampleBuilder
    """Asks as the method is asked later."""
    rank: ExampleBuilder
    interest: ExampleBuilder
    run: RunContext

    @property
    def catalog(self) -> Catalog:
        return self.next_item.catalog

    def examples(
        self, questions: Sequence[TeacherQuestion], mixture: TaskMixture
    ) -> Iterator[Example]:
        """Yield the examples of all tasks; the items of the questions are not used."""
        by_user: dict[str, tuple[float, Callable[[Request, _Scores], Example]]] = {
            "next-item": (mixture.next_item, self.next_item_example),
            "rank": (mixture.rank, self.rank_example),
            "interest": (mixture.interest, self.interest_example),
        }
        draws = int(np.ceil(max(share for share, _ in by_user.values())))
        for draw in range(draws):
            requests = [_earlier(question, draw) for question in questions]
            selected = []
            for request in requests:
                writers = [
                    write
                    for task, (share, write) in by_user.items()
                    if request.history and self._is_selected(task, request.case_id, share - draw)
                ]
                if writers:
                    selected.append((request, writers))
            rows = self.unseen_scores([request for request, _ in selected])
            for (request, writers), scores in zip(selected, rows, strict=True):
                yield from (write(request, scores) for write in writers)
        yield from self._item_examples(mixture)

    def unseen_scores(self, requests: Sequence[Request]) -> Iterator[_Scores]:
        """Yield the expert's scores [n_items] for each request, -inf for its history."""
        return experts.unseen_scores(self.expert, requests, self.catalog, self.run)

    def next_item_example(self, request: Request, scores: _Scores) -> Example:
        """Ask for the expert's favourite unseen item.

        If it is not among the candidates, it replaces a random one, so that positions reveal
        nothing.
        """
        favourite = self.catalog.ids[int(scores.argmax())]
        candidates = list(request.candidates)
        if favourite not in candidates:
            index = self.run.generator("favourite", request.case_id).integers(len(candidates))
            candidates[int(index)] = favourite
        return self.next_item.example(replace(request, candidates=tuple(candidates)), favourite)

    def rank_example(self, request: Request, scores: _Scores) -> Example:
        """Ask for unseen items in the expert's order, as a numbered list."""
        rng = self.run.generator("to-rank", request.case_id)
        free = np.flatnonzero(np.isfinite(scores))
        codes = rng.permutation(free)[:RANK_TASK_ITEMS]
        ids = self.catalog.ids
        prompt = self.rank.prompt(replace(request, candidates=tuple(ids[code] for code in codes)))
        best = [ids[codes[place]] for place in experts.order_by_score(scores[codes])]
        titles = [self.rank.template.item_title(self.catalog, item) for item in best]
        return pieces_example(
            self.rank, prompt, list_generation.list_pieces(titles), request.case_id
        )

    def interest_example(self, request: Request, scores: _Scores) -> Example:
        """Ask whether the expert would recommend an item."""
        rng = self.run.generator("interest", request.case_id)
        order = [code for code in experts.order_by_score(scores) if np.isfinite(scores[code])]
        recommended = bool(rng.random() < 0.5)
        best = order[: max(1, round(_BEST * len(order)))]
        worst = order[-max(1, round(_WORST * len(order))) :]
        item = self.catalog.ids[int(rng.choice(best if recommended else worst))]
        prompt = self.interest.prompt(replace(request, candidates=(item,)))
        answer = "Yes" if recommended else "No"
        return pieces_example(self.interest, prompt, (answer,), request.case_id)

    def _item_examples(self, mixture: TaskMixture) -> Iterator[Example]:
        """Yield examples from titles to texts and back."""
        titles = [self.next_item.template.item_title(self.catalog, i) for i in self.catalog.ids]
        texts = item_descriptions(self.catalog)
        count = {text: texts.count(text) for text in set(texts)} if mixture.find else {}
        for item, title, description in zip(self.catalog.ids, titles, texts, strict=True):
            if not description:
                continue
            text = quote(description)
            for draw in range(int(np.ceil(mixture.describe))):
                if self._is_selected("describe", f"{item}#{draw}", mixture.describe - draw):
                    yield description_example(self.next_item, item, description)
            for draw in range(int(np.ceil(mixture.find)) if count.get(description) == 1 else 0):
                if self._is_selected("find", f"{item}#{draw}", mixture.find - draw):
                    yield plain_example(self.next_item, f"What is this?\n{text}\n", title, item)

    def _is_selected(self, task: str, key: str, share: float) -> bool:
        return share >= 1 or bool(self.run.generator("mixture", task, key).random() < share)


def _earlier(question: TeacherQuestion, events: int) -> Request:
    """Return the request that would have been made so many events earlier."""
    request = to_request(question)
    if not events:
        return request
    return replace(
        request, case_id=f"{request.case_id}#{events}", history=request.history[:-events]
    )

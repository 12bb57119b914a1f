"""RecExplainer's tasks about users: the answers of an expert recommender, as text."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from baselines import experts, list_answers
from baselines.sft.explainer.expert_vectors import AlignedBuilder
from baselines.sft.explainer.task_mixture import TaskMixture, is_selected
from baselines.user_facts import describe_user
from benchkit.errors import DataError
from benchkit.lm.injection.soft_prompts import PLACEHOLDER
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.teachers.facts import CatalogFacts
from benchkit.training.core.example_builder import to_request
from benchkit.training.core.examples import Example
from benchkit.training.core.item_tasks import pieces_example
from benchkit.types import Catalog, Recommender, Request, RunContext, ValidationCase

LIST_ITEMS = 5  # items of a list to rank
_HISTORY_ITEMS = 9  # of a history to write down, the last ones
_BEST, _WORST = 0.1, 0.5  # shares of the expert's ranking from which a Yes and a No are drawn
_Scores = NDArray[np.float64]


@dataclass(frozen=True)
class ExpertTasks:
    """Write the examples, with one builder for the prompts of each task."""

    expert: Recommender
    next_item: AlignedBuilder
    """Asks as the method is asked later."""
    rank: AlignedBuilder
    interest: AlignedBuilder
    run: RunContext

    @property
    def catalog(self) -> Catalog:
        return self.next_item.catalog

    def examples(
        self, questions: Sequence[TeacherQuestion], mixture: TaskMixture
    ) -> Iterator[Example]:
        """Yield the examples about users; the items of the questions are not used."""
        facts = CatalogFacts(self.catalog)
        writers: Mapping[str, Callable[[Request, _Scores], Example | None]] = {
            "next_item": self.next_item_example,
            "rank": self.rank_example,
            "interest": self.interest_example,
            "reconstruct": lambda request, _: self.history_example(request),
            "summarize": lambda request, _: self.summary_example(request, facts),
        }
        shares = {task: getattr(mixture, task) for task in writers}
        for draw in range(int(np.ceil(max(shares.values())))):
            selected = []
            for request in (_earlier(question, draw) for question in questions):
                tasks = [
                    task
                    for task, share in shares.items()
                    if request.history
                    and is_selected(self.run, task, request.case_id, share - draw)
                ]
                if tasks:
                    selected.append((request, tasks))
            rows = self.unseen_scores([request for request, _ in selected])
            for (request, tasks), scores in zip(selected, rows, strict=True):
                for task in tasks:
                    if (example := writers[task](request, scores)) is not None:
                        yield example

    def unseen_scores(self, requests: Sequence[Request]) -> Iterator[_Scores]:
        """Yield the expert's scores [n_items] for each request, -inf for its history."""
        return experts.unseen_scores(self.expert, requests, self.catalog, self.run)

    def next_items(self, cases: Sequence[ValidationCase]) -> list[Example]:
        """Return cases as examples of the next item; those without a history are left out."""
        requests = [case.request for case in cases if case.request.history]
        rows = self.unseen_scores(requests)
        return [self.next_item_example(*pair) for pair in zip(requests, rows, strict=True)]

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

    def rank_example(self, request: Request, scores: _Scores) -> Example | None:
        """Ask for unseen items in the expert's order, as a numbered list.

        None if a prompt that lists them is longer than the model reads, even without a history.
        """
        rng = self.run.generator("to-rank", request.case_id)
        free = np.flatnonzero(np.isfinite(scores))
        codes = rng.permutation(free)[:LIST_ITEMS]
        ids = self.catalog.ids
        listed = replace(request, candidates=tuple(ids[code] for code in codes))
        prompt = self._prompt_that_fits(listed)
        if prompt is None:
            return None
        best = [ids[codes[place]] for place in experts.order_by_score(scores[codes])]
        pieces = list_answers.list_pieces([self._title(item) for item in best])
        return self._example(prompt, pieces, request)

    def _prompt_that_fits(self, request: Request) -> tuple[int, ...] | None:
        """Write the prompt of a list with room for its answer, else with all that is allowed."""
        for builder in (self.rank, replace(self.rank, prompt_tokens=self.next_item.prompt_tokens)):
            try:
                return builder.prompt(request)
            except DataError:  # long titles
                continue
        return None

    def interest_example(self, request: Request, scores: _Scores) -> Example:
        """Ask whether the expert would recommend an item."""
        rng = self.run.generator("interest", request.case_id)
        order = [code for code in experts.order_by_score(scores) if np.isfinite(scores[code])]
        recommended = bool(rng.random() < 0.5)
        best = order[: max(1, round(_BEST * len(order)))]
        worst = order[-max(1, round(_WORST * len(order))) :]
        item = self.catalog.ids[int(rng.choice(best if recommended else worst))]
        prompt = self.interest.prompt(replace(request, candidates=(item,)))
        return self._example(prompt, ("Yes" if recommended else "No",), request)

    def history_example(self, request: Request) -> Example | None:
        """Ask for the history that a user's vector stands for; None if there are no vectors."""
        builder = self.next_item
        if builder.alignment == "behaviour":
            return None
        text = f"{PLACEHOLDER}\nWhat did this user choose?\n"
        prompt = builder.ask(text, (builder.users.code(request),), request.case_id)
        titles = [self._title(event.item) for event in request.history[-_HISTORY_ITEMS:]]
        return self._example(prompt, list_answers.list_pieces(titles), request)

    def summary_example(self, request: Request, facts: CatalogFacts) -> Example:
        """Ask what the history says of the user."""
        builder, template = self.next_item, self.next_item.template
        lists = template.model_copy(
            update={"user": template.user.partition("{history}")[0] + "{history}Who is this?\n",
                    "show_candidates": False}
        )  # fmt: skip
        prompt = replace(builder, template=lists).prompt(request)
        text = describe_user(request.history, facts, self.catalog, template)
        return self._example(prompt, (text.rstrip("\n"),), request)

    def _title(self, item: str) -> str:
        return self.next_item.template.item_title(self.catalog, item)

    def _example(self, prompt: tuple[int, ...], pieces: Sequence[str], request: Request) -> Example:
        return pieces_example(self.next_item, prompt, pieces, request.case_id)


def _earlier(question: TeacherQuestion, events: int) -> Request:
    """Return the request that would have been made so many events earlier."""
    request = to_request(question)
    if not events:
        return request
    key = f"{request.case_id}#{events}"
    return replace(request, case_id=key, history=request.history[:-events])

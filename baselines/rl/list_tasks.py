"""RecLM-gen's examples of lists: the target, then an expert's favourites, perhaps with a wish."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from baselines import experts, list_answers
from baselines.rl.list_prompts import ListWording, list_template
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.teachers.facts import CatalogFacts, ItemFact, describe_facts
from benchkit.lm.teachers.questions import events_before
from benchkit.lm.tokens.control_tokens import quote
from benchkit.training.core.example_builder import ExampleBuilder, to_request
from benchkit.training.core.examples import Example
from benchkit.types import Recommender, Request, RunContext, TrainView


class ListMixture(BaseModel):
    """Which lists are asked for in fine-tuning."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    per_user: PositiveInt = 4
    """Examples per user: the last so many interactions of training."""
    longest: int = Field(default=10, ge=1)
    """Lengths are drawn uniformly from 1 to this."""
    listed: float = Field(default=0.5, ge=0, le=1)
    """Share of prompts that list candidates."""
    control: float = Field(default=0.5, ge=0, le=1)
    """Share of examples with a wish for or against a category, where the catalogue has any."""


@dataclass(frozen=True)
class ListTasks:
    """Write the examples."""

    expert: Recommender
    builder: ExampleBuilder
    """Its template is that of one item."""
    wording: ListWording
    mixture: ListMixture
    run: RunContext
    holders: dict[ItemFact, NDArray[np.bool_]] = field(default_factory=dict)
    """[n_items] which items have a category, of those that were asked about."""

    def examples(self, questions: Sequence[TeacherQuestion], data: TrainView) -> Iterator[Example]:
        """Yield the examples of the questions' users.

        The candidates of an earlier interaction are those of the last one with another target.

        Args:
            questions: About the last interaction of each user.
            data: Training interactions.
        """
        facts, codes = CatalogFacts(data.catalog), {user: n for n, user in enumerate(data.users)}
        cases = [
            case
            for q in questions
            for case in _earlier_cases(q, data, codes[q.key], self.mixture.per_user)
        ]
        rows = experts.unseen_scores(
            self.expert, [request for request, _ in cases], data.catalog, self.run
        )
        for (request, target), scores in zip(cases, rows, strict=True):
            yield self.example(request, target, scores, facts)

    def validation(self, cases: Sequence[TeacherQuestion]) -> list[Example]:
        """Return one example for each validation case."""
        requests = [to_request(case) for case in cases]
        catalog = self.builder.catalog
        rows = experts.unseen_scores(self.expert, requests, catalog, self.run)
        facts = CatalogFacts(catalog)
        return [
            self.example(request, case.item, scores, facts)
            for case, request, scores in zip(cases, requests, rows, strict=True)
        ]

    def example(
        self, request: Request, target: str, scores: NDArray[np.float64], facts: CatalogFacts
    ) -> Example:
        """Ask for a list, of which the target is first and the expert's favourites follow.

        Args:
            request: The question.
            target: The item that is right.
            scores: [n_items] the expert's scores, -inf for the history.
            facts: What the catalogue says of items.
        """
        rng, catalog = self.run.generator("lists", request.case_id), self.builder.catalog
        count = int(rng.integers(1, self.mixture.longest + 1))
        listed = bool(rng.random() < self.mixture.listed)
        first = catalog.index[target]
        allowed = np.isfinite(scores)
        if listed:
            codes = [catalog.index[item] for item in request.candidates]
            allowed &= np.isin(np.arange(len(scores)), codes)
        wish = ""
        if rng.random() < self.mixture.control:
            wish, fits = self._draw_wish(first, scores, facts, rng)
            allowed &= fits
        allowed[first] = False
        order = [code for code in experts.order_by_score(scores) if allowed[code]]
        items = [catalog.ids[code] for code in (first, *order[: count - 1])]
        template = list_template(self.builder.template, self.wording, len(items), listed, wish)
        builder = replace(self.builder, template=template)
        titles = [template.item_title(catalog, item) for item in items]
        response, _ = builder.join(list_answers.list_pieces(titles))
        return Example(builder.prompt(request), response, key=request.case_id)

    def _draw_wish(
        self,
        target: int,
        scores: NDArray[np.float64],
        facts: CatalogFacts,
        rng: np.random.Generator,
    ) -> tuple[str, NDArray[np.bool_]]:
        """Draw a wish that the target meets; return its words and which items meet it, too.

        A category is one of the target's, or one of the expert's favourite that the target has not.
        """
        for_it = bool(rng.random() < 0.5)
        source = target if for_it else int(scores.argmax())
        options = [
            fact for fact in _categories(facts, source) if for_it or not facts.holds(target, fact)
        ]
        if not options:
            return "", np.ones(len(scores), dtype=np.bool_)
        fact = options[int(rng.integers(len(options)))]
        if fact not in self.holders:
            codes = range(len(scores))
            self.holders[fact] = np.array([facts.holds(code, fact) for code in codes])
        holds = self.holders[fact]
        words = self.wording.wanted if for_it else self.wording.unwanted
        return words.replace("{fact}", quote(describe_facts([fact]))), holds == for_it


def _categories(facts: CatalogFacts, code: int) -> list[ItemFact]:
    """Return what is known of an item besides its title."""
    return [fact for fact in facts.of_item(code) if fact.noun != "title word"]


def _earlier_cases(
    question: TeacherQuestion, data: TrainView, user: int, count: int
) -> Iterator[tuple[Request, str]]:
    """Yield a user's last interactions as requests with their targets, the newest first.

    A target takes the place of the last one among the candidates. Where it is a candidate already,
    as where users have items again, the last one is left out: twice in the list, it would be told.
    """
    start, stop = data.interactions.offsets[user], data.interactions.offsets[user + 1]
    for row in range(int(stop) - 1, int(start), -1)[:count]:
        target = data.catalog.ids[int(data.interactions.item[row])]
        listed = (target if item == question.item else item for item in question.candidates)
        candidates = tuple(dict.fromkeys(listed))
        history = events_before(data, user, row)
        yield Request(f"{question.key}:{row}", question.key, history, candidates), target

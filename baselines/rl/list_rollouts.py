"""Lists that a model draws while it is trained by PPO, and what their tokens earn."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

from baselines import experts, list_answers, list_generation
from baselines.rl.list_predictor import ListPredictor
from benchkit.lm.grounding import Grounder
from benchkit.lm.tokenization import continuation_ids, end_of_turn, text_ids
from benchkit.lm.tokens.trie import Trie
from benchkit.lm.types import Decoding
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.rl.list_rewards import reclm_items, reclm_list
from benchkit.training.rl.rollouts import RewardedAnswer, Rollout, RolloutTask
from benchkit.types import Catalog, Recommender, RunContext, Status

_ENTRY = re.compile(r"^[ \t]*\d{1,3}[.)][ \t]*(\S[^\n]*)", re.MULTILINE)


class ListEntry(NamedTuple):
    """An entry of a written list."""

    item: str | None
    last: int
    """Index of its last token in the answer."""


class ListSettings(BaseModel):
    """How lists are drawn and rewarded."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    count: PositiveInt = 5
    """Items that are asked for, in evaluation, too."""
    samples: PositiveInt = 2
    """Lists for each prompt: the first greedily, the others at the temperature."""
    temperature: PositiveFloat = 0.7
    """Temperature of these."""
    top_k: NonNegativeInt = 20
    """Tokens among which free text is drawn; 0 for all."""
    max_tokens: PositiveInt = 200
    """Most tokens of a list that is written freely."""
    constrained: bool | None = None
    """Draw entries among the candidates, by their trie; None: for nano only."""
    share: float = Field(default=0.5, ge=0, le=1)
    """Share alpha of the item rewards in the reward of a list; the rest is for the target."""


@dataclass(frozen=True)
class ListSampler:
    """Draws lists and rewards them; an answer depends on model, seed, key and task alone."""

    builder: ExampleBuilder
    make_predictor: Callable[[Any], ListPredictor]
    """Returns the method's predictor for a model."""
    teacher: Mapping[str, Mapping[str, int]]
    """Case id -> the expert's rank, from 0, of each item that may be listed."""
    settings: ListSettings
    run: RunContext

    def draw(
        self, model: Any, tasks: Sequence[RolloutTask], keys: Sequence[str]
    ) -> list[list[RewardedAnswer]]:
        """Draw `settings.samples` lists for each task, with their rewards.

        Args:
            model: The policy, in evaluation mode.
            tasks: The questions.
            keys: Name the random streams of the tasks.
        """
        rows: list[list[RewardedAnswer]] = [[] for _ in tasks]
        lists = self._constrained_lists if self.settings.constrained else self._free_lists
        for number in range(self.settings.samples):
            temperature = self.settings.temperature if number else 0.0
            names = [f"{key}#{number}" for key in keys]
            for row, task, (rollout, entries) in zip(
                rows, tasks, lists(model, tasks, names, temperature), strict=True
            ):
                row.append(RewardedAnswer(rollout, self.rewards(task, rollout, entries)))
        return rows

    def rewards(
        self, task: RolloutTask, rollout: Rollout, entries: Sequence[ListEntry]
    ) -> tuple[float, ...]:
        """Return the reward of each token: an item's at its last token, the list's at the end.

        Where that token is not the model's own choice, it goes to the last one before that is.
        """
        settings, target = self.settings, task.target
        items = [entry.item or "" for entry in entries]
        history = {event.item for event in task.request.history} - {target}
        teacher = self.teacher[task.request.case_id]
        each = reclm_items(items, target, teacher, history, settings.count)
        place = items.index(target) if target in items else None
        whole = reclm_list(each, place, settings.count, settings.share)
        values = [0.0] * len(rollout.tokens)
        for reward, token in zip((*each, whole), (*(e.last for e in entries), -1), strict=True):
            values[_own_token(rollout, token)] += reward
        return tuple(values)

    def _constrained_lists(
        self, model: Any, tasks: Sequence[RolloutTask], keys: Sequence[str], temperature: float
    ) -> list[tuple[Rollout, list[ListEntry]]]:
        predictor = self.make_predictor(model)
        requests = [replace(t.request, case_id=key) for t, key in zip(tasks, keys, strict=True)]
        prompts = predictor.prompts(requests, self.builder.catalog)
        titles = [[self._title(item) for item in task.request.candidates] for task in tasks]
        decoding = Decoding(temperature=temperature, seed=self.run.seed)
        lists = list_generation.decode_lists(
            predictor.engine, prompts, titles, self.settings.count, decoding
        )
        return [
            self._constrained_rollout(task, row, places)
            for task, row, places in zip(tasks, titles, lists, strict=True)
        ]

    def _constrained_rollout(
        self, task: RolloutTask, titles: Sequence[str], places: Sequence[int]
    ) -> tuple[Rollout, list[ListEntry]]:
        """Return a list as it is trained on: numbers do not count, and titles among those left."""
        tokenizer = self.builder.tokenizer
        tokens: list[int] = []
        counted: list[bool] = []
        allowed: list[tuple[int, ...]] = []
        entries: list[ListEntry] = []
        pieces = list_answers.list_pieces([titles[place] for place in places])
        for number, place in enumerate(places):
            opening = text_ids(tokenizer, pieces[2 * number])
            rest = [text_ids(tokenizer, titles[p]) for p in _remaining(titles, places[:number])]
            node, choices = Trie.from_options(rest), []
            for token in text_ids(tokenizer, titles[place]):
                choices.append(tuple(node.children))
                node = node.children[token]
            tokens += [*opening, *text_ids(tokenizer, titles[place])]
            counted += [False] * len(opening) + [len(options) > 1 for options in choices]
            allowed += [(), *[()] * (len(opening) - 1), *choices] if opening else choices
            entries.append(ListEntry(task.request.candidates[place], len(tokens) - 1))
        end = continuation_ids(tokenizer, "", end=True)
        tokens, counted = [*tokens, *end], [*counted, *[False] * len(end)]
        allowed += [()] * len(end)
        rollout = Rollout(
            "".join(pieces), None, None, "ok", tuple(tokens), tuple(counted), tuple(allowed)
        )
        return rollout, entries

    def _free_lists(
        self, model: Any, tasks: Sequence[RolloutTask], keys: Sequence[str], temperature: float
    ) -> list[tuple[Rollout, list[ListEntry]]]:
        from benchkit.lm.sampling.completions import sample_completions
        from benchkit.lm.sampling.token_draws import UniformStreams

        settings, tokenizer = self.settings, self.builder.tokenizer
        drawn = sample_completions(
            model,
            [task.prompt for task in tasks],
            UniformStreams.for_prompts(keys, 1, self.run.seed),
            temperature=temperature,
            top_k=settings.top_k,
            max_tokens=settings.max_tokens,
            ends=end_of_turn(tokenizer),
        )
        return [
            self._free_rollout(task, sample.tokens, sample.ended)
            for task, (sample,) in zip(tasks, drawn, strict=True)
        ]

    def _free_rollout(
        self, task: RolloutTask, written: Sequence[int], ended: bool
    ) -> tuple[Rollout, list[ListEntry]]:
        tokenizer, may_be_listed = self.builder.tokenizer, tuple(self.teacher[task.request.case_id])
        grounder = Grounder(may_be_listed, [self._title(item) for item in may_be_listed])
        text = tokenizer.decode(written, skip_special_tokens=False)
        tokens = (*written, *(end_of_turn(tokenizer) if ended or not written else ()))
        entries = []
        for match in _ENTRY.finditer(text):
            place = grounder.ground(match[1])
            item = None if place is None else may_be_listed[place]
            entries.append(ListEntry(item, _token_at(tokenizer, written, match.end())))
        counted, allowed = (True,) * len(tokens), ((),) * len(tokens)
        status: Status = "ok" if entries else "unparsed"
        return Rollout(text, None, None, status, tokens, counted, allowed), entries

    def _title(self, item: str) -> str:
        return self.builder.template.item_title(self.builder.catalog, item)


def teacher_ranks(
    expert: Recommender,
    tasks: Sequence[RolloutTask],
    catalog: Catalog,
    run: RunContext,
    bounded: bool,
) -> dict[str, dict[str, int]]:
    """Return for each task the expert's rank, from 0, of every item that may be listed.

    Args:
        expert: The fitted expert.
        tasks: The questions.
        catalog: All items.
        run: Device and progress.
        bounded: Only the candidates may be listed, not every item of the catalogue.
    """
    requests = [task.request for task in tasks]
    if bounded:
        rows = experts.expert_scores(expert, requests, run)
    else:
        rows = experts.unseen_scores(expert, requests, catalog, run)
    ranks = {}
    for request, scores in zip(requests, rows, strict=True):
        items = request.candidates if bounded else catalog.ids
        order = experts.order_by_score(scores)
        ranks[request.case_id] = {items[code]: rank for rank, code in enumerate(order)}
    return ranks


def _own_token(rollout: Rollout, token: int) -> int:
    """Return the last token up to this one that was the model's own choice, else the token."""
    before = rollout.counted[: token + 1] if token >= 0 else rollout.counted
    choices = [place for place, is_choice in enumerate(before) if is_choice]
    return choices[-1] if choices else token


def _token_at(tokenizer: Any, tokens: Sequence[int], characters: int) -> int:
    """Return the first token with which the text has so many characters."""
    low, high = 0, len(tokens) - 1
    while low < high:
        middle = (low + high) // 2
        if len(tokenizer.decode(tokens[: middle + 1], skip_special_tokens=False)) >= characters:
            high = middle
        else:
            low = middle + 1
    return low


def _remaining(titles: Sequence[str], listed: Sequence[int]) -> list[int]:
    return [place for place in range(len(titles)) if place not in listed]

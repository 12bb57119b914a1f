"""Answers drawn from the model while it is trained, with what is needed to make them likelier."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchkit.errors import ConfigError
from benchkit.lm.grounding import Grounder
from benchkit.lm.parsing import parse_answer
from benchkit.lm.predictor import LMPredictor
from benchkit.lm.response_format import ResponseFormat
from benchkit.lm.tokenization import continuation_ids, end_of_turn, text_ids
from benchkit.lm.trie import Trie
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.types import Request, RunContext, Sample, Status

if TYPE_CHECKING:
    from benchkit.lm.sampling import TokenSample


@dataclass(frozen=True)
class GRPOSettings:
    """How answers are drawn in groups, and how the model follows their rewards.

    group: answers a prompt. temperature: of drawing; log-probabilities are those at it.
    max_tokens: of an answer. constrained: the item is drawn among the candidates, by their trie.
    clip: of the probability ratio. kl: coefficient of the divergence from the model that training
    started from. iterations: steps that one round of answers is used for. reduction: how the
    losses of tokens are weighed (`policy_gradient.token_weights`). eps: of the advantages.
    needs_certainty: whether rewards need the model's self-certainty.
    """

    group: int = 8
    temperature: float = 0.9
    max_tokens: int = 64
    constrained: bool = False
    clip: float = 0.2
    kl: float = 0.04
    iterations: int = 1
    reduction: Literal["sequence", "token", "fixed"] = "sequence"
    eps: float = 1e-4
    needs_certainty: bool = False


@dataclass(frozen=True, slots=True)
class RolloutTask:
    """A question to draw answers to. prompt: its token ids. target: the item that is right."""

    request: Request
    target: str
    prompt: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rollout:
    """A drawn answer.

    tokens: its ids, with the end of turn where it has one. counted: whether a token was the
    model's own choice. allowed: the tokens that it was chosen from, () for all. certainty: mean
    self-certainty over the counted tokens, where it was asked for.
    """

    text: str
    item: str | None
    rationale: str | None
    status: Status
    tokens: tuple[int, ...]
    counted: tuple[bool, ...]
    allowed: tuple[tuple[int, ...], ...]
    certainty: float | None = None


RewardFunction = Callable[[RolloutTask, Rollout], float]


@dataclass(frozen=True)
class RolloutSampler:
    """Draws groups of answers from a model.

    make_predictor: how the method asks a model. run: its catalogue is that of training. An answer
    depends on the model, the seed, the round and the task alone, not on how tasks are batched.
    """

    builder: ExampleBuilder
    make_predictor: Callable[[Any], LMPredictor]
    settings: GRPOSettings
    run: RunContext
    rationale: bool

    @property
    def response_format(self) -> ResponseFormat:
        """The form of the answers."""
        return self.builder.template.response_format(self.rationale)

    def draw(
        self, model: Any, tasks: Sequence[RolloutTask], keys: Sequence[str]
    ) -> list[list[Rollout]]:
        """`policy.group` answers to each task. keys: name the draws. `model` is evaluating."""
        if self.settings.constrained:
            return self._constrained(model, tasks, keys)
        return self._free(model, tasks, keys)

    def _free(
        self, model: Any, tasks: Sequence[RolloutTask], keys: Sequence[str]
    ) -> list[list[Rollout]]:
        from benchkit.lm.sampling import UniformStreams, sample_completions

        policy, tokenizer = self.settings, self.builder.tokenizer
        drawn = sample_completions(
            model,
            [task.prompt for task in tasks],
            UniformStreams.for_prompts(keys, policy.group, self.run.seed),
            temperature=policy.temperature,
            max_tokens=policy.max_tokens,
            ends=end_of_turn(tokenizer),
        )
        return [
            [self._understood(own, task) for own in answers]
            for task, answers in zip(tasks, drawn, strict=True)
        ]

    def _understood(self, drawn: "TokenSample", task: RolloutTask) -> Rollout:
        tokenizer, request = self.builder.tokenizer, task.request
        text = tokenizer.decode(drawn.tokens, skip_special_tokens=False)
        parsed = parse_answer(text, "stop" if drawn.ended else "length", self.response_format)
        place = None
        if parsed.status == "ok" and parsed.item is not None:
            titles = [self._title(item) for item in request.candidates]
            place = Grounder(request.candidates, titles).ground(parsed.item, parsed.item_id)
        status = "unparsed" if parsed.status == "ok" and place is None else parsed.status
        item = None if place is None else request.candidates[place]
        tokens = (*drawn.tokens, *(end_of_turn(tokenizer) if drawn.ended else ()))
        everywhere = ((),) * len(tokens)
        chosen = (True,) * len(tokens)
        return Rollout(text, item, parsed.rationale, status, tokens, chosen, everywhere)

    def _constrained(
        self, model: Any, tasks: Sequence[RolloutTask], keys: Sequence[str]
    ) -> list[list[Rollout]]:
        policy = self.settings
        decoding = {
            "n": policy.group,
            "temperature": policy.temperature,
            "constrained": True,
            "max_tokens": policy.max_tokens,
        }
        asked = [replace(t.request, case_id=key) for t, key in zip(tasks, keys, strict=True)]
        answers = self.make_predictor(model).sample(asked, replace(self.run, decoding=decoding))
        rolled = []
        for request, answer in zip(asked, answers, strict=True):
            tries = Trie.from_options([self._closing(item) for item in request.candidates])
            rolled.append([self._written(sample, tries) for sample in answer.samples])
        return rolled

    def _written(self, sample: Sample, options: Trie) -> Rollout:
        """An answer as it is trained on: what the format put there counts for nothing."""
        if sample.item is None:
            raise AssertionError("an answer constrained to the candidates names none")
        tokenizer, form = self.builder.tokenizer, self.response_format
        pieces = form.pieces(self._title(sample.item), sample.rationale)
        free = len(form.begin_rationale) if sample.rationale is not None else None
        tokens: list[int] = []
        chosen: list[bool] = []
        among: list[tuple[int, ...]] = []
        for number, piece in enumerate(pieces[:-1]):
            ids = text_ids(tokenizer, piece)
            tokens += ids
            chosen += [number == free] * len(ids)
            among += [()] * len(ids)
        ids = self._closing(sample.item)
        choices = list(_choices(options, ids))
        chosen += [len(own) > 1 for own in choices]
        among += choices
        text = "".join(pieces)
        return Rollout(
            text, sample.item, sample.rationale, "ok",
            (*tokens, *ids), tuple(chosen), tuple(among),
        )  # fmt: skip

    def _closing(self, item: str) -> list[int]:
        piece = self._title(item) + self.response_format.closing
        return continuation_ids(self.builder.tokenizer, piece, end=True)

    def _title(self, item: str) -> str:
        return self.builder.template.item_title(self.builder.catalog, item)


def choice_mask(drawn: Sequence[Sequence[Rollout]], width: int) -> NDArray[np.bool_]:
    """[b, width] which tokens were the model's own choice, answer after answer."""
    table = np.zeros((len(drawn), width), dtype=np.bool_)
    for place, own in enumerate(drawn):
        flags = [flag for rollout in own for flag in rollout.counted]
        table[place, : len(flags)] = flags
    return table


def allowed_tokens(drawn: Sequence[Sequence[Rollout]], width: int) -> NDArray[np.int64]:
    """[b, width, m] the tokens that each was chosen from, filled up with -1; only -1 for all."""
    rows = [[options for rollout in own for options in rollout.allowed] for own in drawn]
    most = max(len(options) for row in rows for options in row)
    table = np.full((len(rows), width, most), -1, dtype=np.int64)
    for place, row in enumerate(rows):
        for at, options in enumerate(row):
            table[place, at, : len(options)] = options
    return table


def require_one_process(config: TrainConfig) -> None:
    """Raise ConfigError for settings that share a step among processes."""
    if config.processes > 1:
        raise ConfigError(
            f"training on rewards runs in one process, not in {config.processes}",
            "train.processes = 1; sft.processes may be more",
        )


def check_rollout_lengths(tasks: Sequence[RolloutTask], max_tokens: int, max_length: int) -> None:
    """Raise ConfigError when a prompt and its longest answer have more than `max_length` tokens."""
    for task in tasks:
        longest = len(task.prompt) + max_tokens
        if longest > max_length:
            raise ConfigError(
                f"the prompt of {task.request.case_id!r} has {len(task.prompt)} tokens; with an"
                f" answer of {max_tokens} it is longer than max_length = {max_length}",
                "raise train.max_length, or lower prompt_tokens",
            )


def _choices(node: Trie, tokens: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Which tokens could have stood in the place of each of an option's."""
    for token in tokens:
        yield tuple(node.children)
        node = node.children[token]

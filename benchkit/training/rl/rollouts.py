"""Answers sampled from the model during training, with what is needed to make them likelier."""

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
from benchkit.lm.tokens.control_tokens import unquote
from benchkit.lm.tokens.trie import Trie
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.types import Request, RunContext, Sample, Status

if TYPE_CHECKING:
    from benchkit.lm.sampling.completions import TokenSample


@dataclass(frozen=True)
class GRPOSettings:
    """How answers are sampled in groups, and how the model follows their rewards."""

    group: int = 8
    """Answers per prompt, G."""
    temperature: float = 0.9
    """Sampling temperature; log-probabilities are taken at it, too."""
    max_tokens: int = 64
    """Most tokens of an answer."""
    constrained: bool = False
    """Whether the item is sampled among the candidates, by their trie."""
    clip: float = 0.2
    """Clipping range epsilon of the probability ratio."""
    kl: float = 0.04
    """Coefficient beta of the divergence from the model that training started from."""
    iterations: int = 1
    """Steps for which one round of answers is used, mu."""
    reduction: Literal["sequence", "token", "fixed"] = "sequence"
    """How token losses are averaged; see `policy_gradient.token_weights`."""
    eps: float = 1e-4
    """Added to the standard deviation of a group's rewards."""
    needs_certainty: bool = False
    """Whether rewards need the model's self-certainty."""


@dataclass(frozen=True, slots=True)
class RolloutTask:
    """A question to sample answers to."""

    request: Request
    target: str
    """The item that is right."""
    prompt: tuple[int, ...]
    """Token ids."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """A sampled answer."""

    text: str
    item: str | None
    rationale: str | None
    status: Status
    tokens: tuple[int, ...]
    """Token ids, with the end of turn if the answer has one."""
    counted: tuple[bool, ...]
    """For each token, whether it was the model's own choice."""
    allowed: tuple[tuple[int, ...], ...]
    """For each token, the tokens it was chosen from; () for all."""
    certainty: float | None = None
    """Mean self-certainty over the counted tokens, if rewards need it."""


@dataclass(frozen=True, slots=True)
class RewardedAnswer:
    """A sampled answer and what its tokens earn."""

    rollout: Rollout
    rewards: tuple[float, ...]
    """Of each token; those that were not the model's own choice earn nothing."""


RewardFunction = Callable[[RolloutTask, Rollout], float]


@dataclass(frozen=True)
class RolloutSampler:
    """Sample groups of answers from a model.

    An answer depends only on the model, the seed, the key and the task, not on how tasks are
    batched.
    """

    builder: ExampleBuilder
    make_predictor: Callable[[Any], LMPredictor]
    """Returns the method's predictor for a model."""
    settings: GRPOSettings
    run: RunContext
    """Its catalogue is that of training."""
    rationale: bool
    """Whether answers begin with a rationale."""

    @property
    def response_format(self) -> ResponseFormat:
        """The format of the answers."""
        return self.builder.template.response_format(self.rationale)

    def draw(
        self, model: Any, tasks: Sequence[RolloutTask], keys: Sequence[str]
    ) -> list[list[Rollout]]:
        """Sample `settings.group` answers to each task.

        Args:
            model: The policy, in evaluation mode.
            tasks: The questions.
            keys: Name the random streams of the tasks.
        """
        if self.settings.constrained:
            return self._sample_constrained(model, tasks, keys)
        return self._sample_free(model, tasks, keys)

    def _sample_free(
        self, model: Any, tasks: Sequence[RolloutTask], keys: Sequence[str]
    ) -> list[list[Rollout]]:
        from benchkit.lm.sampling.completions import sample_completions
        from benchkit.lm.sampling.token_draws import UniformStreams

        settings, tokenizer = self.settings, self.builder.tokenizer
        completions = sample_completions(
            model,
            [task.prompt for task in tasks],
            UniformStreams.for_prompts(keys, settings.group, self.run.seed),
            temperature=settings.temperature,
            max_tokens=settings.max_tokens,
            ends=end_of_turn(tokenizer),
        )
        return [
            [self.parse_rollout(answer, task) for answer in answers]
            for task, answers in zip(tasks, completions, strict=True)
        ]

    def parse_rollout(self, sample: "TokenSample", task: RolloutTask) -> Rollout:
        """Return a free answer as it is rewarded and trained on."""
        tokenizer, candidates = self.builder.tokenizer, task.request.candidates
        text = tokenizer.decode(sample.tokens, skip_special_tokens=False)
        parsed = parse_answer(text, "stop" if sample.ended else "length", self.response_format)
        index = None
        if parsed.status == "ok" and parsed.item is not None:
            titles = [self._title(item) for item in candidates]
            index = Grounder(candidates, titles).ground(parsed.item, parsed.item_id)
        status = "unparsed" if parsed.status == "ok" and index is None else parsed.status
        item = None if index is None else candidates[index]
        tokens = (*sample.tokens, *(end_of_turn(tokenizer) if sample.ended else ()))
        counted, allowed = (True,) * len(tokens), ((),) * len(tokens)
        return Rollout(text, item, parsed.rationale, status, tokens, counted, allowed)

    def _sample_constrained(
        self, model: Any, tasks: Sequence[RolloutTask], keys: Sequence[str]
    ) -> list[list[Rollout]]:
        settings = self.settings
        decoding = {
            "n": settings.group,
            "temperature": settings.temperature,
            "constrained": True,
            "max_tokens": settings.max_tokens,
        }
        requests = [replace(t.request, case_id=key) for t, key in zip(tasks, keys, strict=True)]
        predictor = self.make_predictor(model)
        answers = predictor.sample(requests, replace(self.run, decoding=decoding))
        groups = []
        for request, answer in zip(requests, answers, strict=True):
            options = Trie.from_options([self._closing(item) for item in request.candidates])
            groups.append([self._constrained_rollout(s, options) for s in answer.samples])
        return groups

    def _constrained_rollout(self, sample: Sample, options: Trie) -> Rollout:
        """Return an answer as it is trained on: tokens set by the format do not count."""
        if sample.item is None:
            raise AssertionError("an answer constrained to the candidates names none")
        tokenizer, form = self.builder.tokenizer, self.response_format
        pieces = form.pieces(self._title(sample.item), sample.rationale)
        rationale_piece = len(form.begin_rationale) if sample.rationale is not None else None
        tokens: list[int] = []
        counted: list[bool] = []
        allowed: list[tuple[int, ...]] = []
        for number, piece in enumerate(pieces[:-1]):
            ids = text_ids(tokenizer, piece)
            tokens += ids
            counted += [number == rationale_piece] * len(ids)
            allowed += [()] * len(ids)
        ids = self._closing(sample.item)
        choices = list(_choices(options, ids))
        counted += [len(alternatives) > 1 for alternatives in choices]
        allowed += choices
        text = unquote("".join(pieces))
        return Rollout(
            text, sample.item, sample.rationale, "ok",
            (*tokens, *ids), tuple(counted), tuple(allowed),
        )  # fmt: skip

    def _closing(self, item: str) -> list[int]:
        piece = self._title(item) + self.response_format.suffix
        return continuation_ids(self.builder.tokenizer, piece, end=True)

    def _title(self, item: str) -> str:
        return self.builder.template.item_title(self.builder.catalog, item)


def choice_mask(groups: Sequence[Sequence[Rollout]], width: int) -> NDArray[np.bool_]:
    """Return [b, width] which tokens were the model's own choice, answer after answer."""
    table = np.zeros((len(groups), width), dtype=np.bool_)
    for row, group in zip(table, groups, strict=True):
        flags = [flag for rollout in group for flag in rollout.counted]
        row[: len(flags)] = flags
    return table


def allowed_tokens(groups: Sequence[Sequence[Rollout]], width: int) -> NDArray[np.int64]:
    """Return [b, width, m] the tokens each was chosen from, padded with -1; only -1 for all."""
    rows = [[options for rollout in group for options in rollout.allowed] for group in groups]
    most = max(len(options) for row in rows for options in row)
    table = np.full((len(rows), width, most), -1, dtype=np.int64)
    for values, row in zip(table, rows, strict=True):
        for at, options in enumerate(row):
            values[at, : len(options)] = options
    return table


def require_one_process(config: TrainConfig) -> None:
    """Raise ConfigError if the settings distribute a step over processes, or split it by tokens."""
    if config.micro_batch_tokens is not None:
        raise ConfigError(
            "training on rewards cannot split a step by tokens: answers have no length before they"
            " are sampled",
            "set train.micro_batch instead of train.micro_batch_tokens",
        )
    if config.processes > 1:
        raise ConfigError(
            f"training on rewards runs in one process, not in {config.processes}",
            "set train.processes = 1, or trainer = 'trl' for GRPO; sft.processes may be more",
        )


def check_rollout_lengths(tasks: Sequence[RolloutTask], max_tokens: int, max_length: int) -> None:
    """Raise ConfigError if a prompt with its longest answer exceeds `max_length` tokens."""
    for task in tasks:
        longest = len(task.prompt) + max_tokens
        if longest > max_length:
            raise ConfigError(
                f"the prompt of {task.request.case_id!r} has {len(task.prompt)} tokens; with an"
                f" answer of {max_tokens} it is longer than max_length = {max_length}",
                "raise train.max_length, or lower prompt_tokens",
            )


def _choices(node: Trie, tokens: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield for each token of an option the tokens that could have been in its position."""
    for token in tokens:
        yield tuple(node.children)
        node = node.children[token]

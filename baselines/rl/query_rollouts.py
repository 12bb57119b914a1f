"""Answers that hold a query, sampled for training on rewards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from baselines.rl.query_ranker import QueryRanker
from benchkit.lm.parsing import parse_answer
from benchkit.lm.retrieval.query import BEGIN_QUERY, END_QUERY
from benchkit.lm.tokenization import continuation_ids, text_ids
from benchkit.lm.tokens.control_tokens import quote, unquote
from benchkit.lm.types import Completion, Decoding, FinishReason
from benchkit.training.rl.rollouts import Rollout, RolloutSampler, RolloutTask

if TYPE_CHECKING:
    from benchkit.lm.sampling.completions import TokenSample


@dataclass(frozen=True)
class QuerySampler(RolloutSampler):
    """Sample groups of answers; they name no item.

    In constrained answers tags and JSON are set: rationale, query and the query's end are the
    model's own choice.
    """

    def draw(
        self, model: Any, tasks: Sequence[RolloutTask], keys: Sequence[str]
    ) -> list[list[Rollout]]:
        settings = self.settings
        if not settings.constrained:
            return super().draw(model, tasks, keys)
        predictor = self.make_predictor(model)
        if not isinstance(predictor, QueryRanker):
            raise TypeError("only a QueryRanker writes queries")
        decoding = Decoding(n=settings.group, temperature=settings.temperature, seed=self.run.seed)
        requests = [replace(t.request, case_id=key) for t, key in zip(tasks, keys, strict=True)]
        answers = predictor.write_queries(requests, self.run.catalog, decoding)
        return [[self._build_rollout(*pair) for pair in pairs] for pairs in answers]

    def parse_rollout(self, sample: "TokenSample", task: RolloutTask) -> Rollout:
        rollout = super().parse_rollout(sample, task)
        return self._without_item(rollout, "stop" if sample.ended else "length")

    def _build_rollout(self, reason: Completion, query: Completion) -> Rollout:
        """Return an answer as it is trained on, from the texts that the model has written."""
        form, tokenizer = self.response_format, self.builder.tokenizer
        rationale = reason.text if self.rationale else None
        prefix = form.prefix(rationale)
        pieces = (*prefix, BEGIN_QUERY, quote(query.text), END_QUERY)
        of_model = [False] * len(pieces)
        of_model[len(prefix) + 1] = True
        of_model[-1] = query.finish == "stop"
        if rationale is not None:
            of_model[len(form.begin_rationale)] = True
        tokens: list[int] = []
        counted: list[bool] = []
        for piece, is_own in zip(pieces, of_model, strict=True):
            ids = text_ids(tokenizer, piece)
            tokens += ids
            counted += [is_own] * len(ids)
        closing = continuation_ids(tokenizer, form.suffix, end=True)
        tokens += closing
        counted += [False] * len(closing)
        rollout = Rollout(
            unquote("".join(pieces) + form.suffix), None, rationale, "ok",
            tuple(tokens), tuple(counted), ((),) * len(tokens),
        )  # fmt: skip
        return self._without_item(rollout, "stop")

    def _without_item(self, rollout: Rollout, finish: FinishReason) -> Rollout:
        """Return the answer with the status of its query."""
        parsed = parse_answer(rollout.text, finish, self.response_format)
        return replace(rollout, item=None, status=parsed.status)

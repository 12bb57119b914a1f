"""ChatRec: a language model selects a short ranked list from the candidates and gives a reason.

Gao et al., Chat-REC: Towards Interactive and Explainable LLMs-Augmented Recommender System, 2023.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, PositiveInt

from baselines import experts, list_generation
from baselines.experts import ExpertConfig
from baselines.list_generation import ListAnswer
from benchkit.errors import ConfigError
from benchkit.lm.config import LMConfig
from benchkit.lm.engines import make_engine
from benchkit.lm.grounding import Grounder
from benchkit.lm.prompts import load_template, render_prompt
from benchkit.lm.recommender import LMRecommender
from benchkit.lm.types import Prompt
from benchkit.types import (
    Capability,
    Prediction,
    Recommender,
    Request,
    RunContext,
    Sample,
    TrainView,
)

_LENGTH = 5  # entries of the list that the templates ask for


class ChatRec(LMRecommender):
    """Ask once, greedily, for a numbered list of five and one sentence of reason.

    A candidate's score is 1 / its place. Candidates that are not listed were not retrieved, as in
    the paper, whose metrics look at the list of five: they have no rank. With `fill` they follow
    in the expert's order instead. An answer that lists no candidate is no ranking. The engine need
    not be able to score texts, and `rationale_tokens` is not used.
    """

    class Config(LMConfig):
        """Settings of ChatRec."""

        model_config = ConfigDict(use_attribute_docstrings=True)

        order: Literal["shuffled", "cf"] = "shuffled"
        """Candidates in the prompt: in their fixed random order, or as the expert ranks them; then
        the list can be the expert's own."""
        fill: bool = False
        """Let candidates that are not listed follow in the expert's order."""
        expert: ExpertConfig = ExpertConfig()
        """Recommender trained on the same data, if order or fill need it."""
        constrained: bool | None = None
        """Decode each entry as one of the remaining candidates, for models too small to keep to
        the format; None: for nano only. Samples follow the suite's decoding instead."""
        answer_tokens: PositiveInt = 400
        """Most tokens of list and reason; if constrained, a fifth of them are for the reason."""

        templates: ClassVar[tuple[str, str]] = ("ranked-list", "compact-list")

    config: Config
    expert: Recommender | None

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        kind = load_template(self.config.template_name).response.item
        if kind != "numbered-list":
            raise ConfigError(
                f"template {self.config.template_name!r} asks for {kind!r}, not for a list",
                "use ranked-list or compact-list, or a template with item = 'numbered-list'",
            )
        needed = self.config.order == "cf" or self.config.fill
        self.expert = self.config.expert.make() if needed else None

    @property
    def capabilities(self) -> frozenset[Capability]:
        capabilities: set[Capability] = {*super().capabilities, "scores", "explains"}
        if self.expert is not None:  # it knows the training items only
            capabilities -= {"cold_items", "zero_shot"}
            capabilities -= {"cold_users"} - self.expert.capabilities
        return frozenset(capabilities)

    @property
    def caveats(self) -> tuple[str, ...]:
        caveats = super().caveats
        name = self.config.expert.name
        if self.config.order == "cf":
            caveats += (f"the prompt lists the candidates as {name} ranks them",)
        if self.config.fill:
            caveats += (f"candidates that the model does not list follow as {name} ranks them",)
        return caveats

    def fit(self, data: TrainView, run: RunContext) -> None:
        if self.expert is not None:
            self.expert = self.config.expert.fit_expert(data, run)
        engine = make_engine(self.config.engine, lambda: self.load_backbone(data, run), run.cache)
        self.predictor = self.make_predictor(engine)
        if self.constrained and not engine.can_constrain:
            raise ConfigError("the engine cannot constrain its answers", "set constrained = false")

    @property
    def constrained(self) -> bool:
        """Whether lists are decoded entry by entry."""
        if self.config.constrained is None:
            return self.config.is_nano and self.predictor.engine.can_constrain
        return self.config.constrained

    def prompt_budget(self, context: int | None) -> int:
        limit = self.config.prompt_tokens
        return limit if context is None else min(limit, max(1, context - self.config.answer_tokens))

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        expert_scores = self._expert_scores(requests, run)
        prompts = self._prompt_requests(requests, expert_scores)
        for request, row, prompt, answer in zip(
            requests, expert_scores, prompts, self._answers(prompts, run), strict=True
        ):
            scores = None
            if answer.places:
                places = [request.candidates.index(prompt.candidates[p]) for p in answer.places]
                rest = row if self.config.fill else None
                scores = list_generation.reciprocal_rank_scores(
                    places, len(request.candidates), rest
                )
            yield Prediction(
                request.case_id,
                scores,
                rationale=answer.reason,
                status=answer.status,
                usage=answer.usage,
                fault=answer.fault,
                partial=scores is not None and -np.inf in scores,
            )

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Sample lists; each answer is the first entry, and the reason is its rationale."""
        prompts = self._prompt_requests(requests, self._expert_scores(requests, run))
        for prediction in self.predictor.sample(prompts, run):
            yield replace(prediction, samples=tuple(map(_with_reason, prediction.samples)))

    def _expert_scores(
        self, requests: Sequence[Request], run: RunContext
    ) -> list[NDArray[np.float64] | None]:
        """Return the expert's scores of each request's candidates; None without an expert."""
        if self.expert is None:
            return [None] * len(requests)
        return list(experts.expert_scores(self.expert, requests, run))

    def _prompt_requests(
        self, requests: Sequence[Request], expert_scores: Sequence[NDArray[np.float64] | None]
    ) -> list[Request]:
        """Return the requests with their candidates in the order of the prompt."""
        if self.config.order == "shuffled":
            return list(requests)
        ordered = []
        for request, scores in zip(requests, expert_scores, strict=True):
            if scores is not None:
                order = experts.order_by_score(scores)
                candidates = tuple(request.candidates[place] for place in order)
                request = replace(request, candidates=candidates)
            ordered.append(request)
        return ordered

    def _answers(self, requests: Sequence[Request], run: RunContext) -> Iterator[ListAnswer]:
        """Let the model list items for each request, as indices of its candidates."""
        config, predictor = self.config, self.predictor
        template, engine = predictor.template, predictor.engine
        prompts = [self._prompt(request, run) for request in requests]
        titles = [[template.item_title(run.catalog, i) for i in r.candidates] for r in requests]
        if self.constrained:
            reason_tokens = max(1, config.answer_tokens // 5)
            return list_generation.decode_lists_with_reasons(
                engine, prompts, titles, _LENGTH, reason_tokens
            )
        grounders = [
            Grounder(request.candidates, request_titles, config.strict_substring)
            for request, request_titles in zip(requests, titles, strict=True)
        ]
        return list_generation.generate_lists(engine, prompts, grounders, config.answer_tokens)

    def _prompt(self, request: Request, run: RunContext) -> Prompt:
        predictor = self.predictor
        return render_prompt(
            predictor.template,
            request,
            run.catalog,
            rationale=False,
            count_tokens=predictor.engine.count_tokens,
            budget=predictor.prompt_tokens,
        ).prompt


def _with_reason(sample: Sample) -> Sample:
    if sample.status != "ok":
        return sample
    return replace(sample, rationale=list_generation.extract_reason(sample.text))

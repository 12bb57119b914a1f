"""ChatRec: a language model reorders candidates into a short list and says why.

Gao et al., Chat-REC: Towards Interactive and Explainable LLMs-Augmented Recommender System, 2023.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

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

_LENGTH = 5  # of the list that the templates ask for


class ChatRec(LMRecommender):
    """Asks once, greedily, for a numbered list of five and a sentence of reason.

    A candidate's score is 1 / its place. Those that are not listed tie below all that are, or
    follow in the expert's order (`fill`). An answer that lists no candidate is no ranking. The
    engine need not be able to score texts.
    """

    class Config(LMConfig):
        """Hyper-parameters, besides those of every language model.

        order: of the candidates in the prompt: as they are frozen (`shuffled`), or best first as
        the expert ranks them (`cf`), where the list can be the expert's own. fill: candidates that
        are not listed follow in the expert's order. expert: trained on the same data; only if
        order or fill need it. constrained: each entry is decoded as one of the candidates that
        are left, because a small model cannot keep to the form; None is for nano only. Samples
        follow the suite's decoding instead. answer_tokens: longest answer, list and reason; with
        constrained, a fifth of it is the reason's. rationale_tokens is not used.
        """

        order: Literal["shuffled", "cf"] = "shuffled"
        fill: bool = False
        expert: ExpertConfig = ExpertConfig()
        constrained: bool | None = None
        answer_tokens: PositiveInt = 400

        templates: ClassVar[tuple[str, str]] = ("ranked-list", "compact-list")

    config: Config
    expert: Recommender | None

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        kind = load_template(self.config.template_name).response.item
        if kind != "numbered-list":
            raise ConfigError(
                f"template {self.config.template_name!r} asks for {kind!r}, not for a list",
                "choose ranked-list or compact-list, or a template with item = 'numbered-list'",
            )
        needed = self.config.order == "cf" or self.config.fill
        self.expert = self.config.expert.make() if needed else None

    @property
    def capabilities(self) -> frozenset[Capability]:
        can: set[Capability] = {*super().capabilities, "scores", "explains"}
        if self.expert is not None:  # it knows the training items only
            can -= {"cold_items", "zero_shot"}
            can -= {"cold_users"} - self.expert.capabilities
        return frozenset(can)

    @property
    def caveats(self) -> tuple[str, ...]:
        own = super().caveats
        name = self.config.expert.name
        if self.config.order == "cf":
            own += (f"the prompt lists the candidates as {name} ranks them",)
        if self.config.fill:
            own += (f"candidates that the model does not list follow as {name} ranks them",)
        return own

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
        ranked = self._ranked(requests, run)
        shown = self._shown(requests, ranked)
        for request, own, inner, answer in zip(
            requests, ranked, shown, self._answers(shown, run), strict=True
        ):
            scores = None
            if answer.places:
                named = [request.candidates.index(inner.candidates[p]) for p in answer.places]
                rest = own if self.config.fill else None
                scores = list_generation.reciprocal_rank_scores(
                    named, len(request.candidates), rest
                )
            yield Prediction(
                request.case_id,
                scores,
                rationale=answer.reason,
                status=answer.status,
                usage=answer.usage,
            )

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """The first entry of each list that is drawn; its reason is the rationale."""
        shown = self._shown(requests, self._ranked(requests, run))
        for prediction in self.predictor.sample(shown, run):
            yield replace(prediction, samples=tuple(map(_with_reason, prediction.samples)))

    def _ranked(
        self, requests: Sequence[Request], run: RunContext
    ) -> list[NDArray[np.float64] | None]:
        """The expert's scores of each request's candidates; None where it is not needed."""
        if self.expert is None:
            return [None] * len(requests)
        return list(experts.expert_scores(self.expert, requests, run))

    def _shown(
        self, requests: Sequence[Request], ranked: Sequence[NDArray[np.float64] | None]
    ) -> list[Request]:
        """The requests with their candidates as the prompt lists them."""
        if self.config.order == "shuffled":
            return list(requests)
        return [
            r
            if own is None
            else replace(
                r, candidates=tuple(r.candidates[p] for p in experts.descending_order(own))
            )
            for r, own in zip(requests, ranked, strict=True)
        ]

    def _answers(self, requests: Sequence[Request], run: RunContext) -> Iterator[ListAnswer]:
        """The model's list for each request, as places among the candidates as they are shown."""
        config, asked = self.config, self.predictor
        prompts = self._prompts(requests, run)
        titles = [
            [asked.template.item_title(run.catalog, i) for i in r.candidates] for r in requests
        ]
        if self.constrained:
            reason_tokens = max(1, config.answer_tokens // 5)
            return list_generation.decode_lists_with_reasons(
                asked.engine, prompts, titles, _LENGTH, reason_tokens
            )
        grounders = [
            Grounder(request.candidates, own, config.strict_substring)
            for request, own in zip(requests, titles, strict=True)
        ]
        return list_generation.generate_lists(
            asked.engine, prompts, grounders, config.answer_tokens
        )

    def _prompts(self, requests: Sequence[Request], run: RunContext) -> list[Prompt]:
        asked = self.predictor
        return [
            render_prompt(
                asked.template,
                request,
                run.catalog,
                rationale=False,
                count_tokens=asked.engine.count_tokens,
                budget=asked.prompt_tokens,
            ).prompt
            for request in requests
        ]


def _with_reason(sample: Sample) -> Sample:
    return (
        replace(sample, rationale=list_generation.extract_reason(sample.text))
        if sample.status == "ok"
        else sample
    )

"""ChatRec: a language model selects a short ranked list from the candidates and gives a reason.

Gao et al., Chat-REC: Towards Interactive and Explainable LLMs-Augmented Recommender System, 2023.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from baselines import list_answers, list_generation
from baselines.list_answers import ListAnswer
from baselines.prompted.chat_prompt import ChatPredictor, ChatRecConfig
from baselines.prompted.retrieval import CandidateRetriever, narrow_requests
from benchkit.errors import ConfigError
from benchkit.lm.engines import make_engine
from benchkit.lm.grounding import Grounder
from benchkit.lm.recommender import LMRecommender
from benchkit.lm.teachers.sentence_encoder import check_encoder
from benchkit.types import Capability, Prediction, Request, RunContext, Sample, TrainView

_LENGTH = 5  # entries of the list that the templates ask for


class ChatRec(LMRecommender):
    """Ask once, greedily, for a list of five and one sentence of reason.

    A recommender system narrows the candidates; the prompt holds the user's profile, the history
    and what is left of the candidates. A candidate's score is 1 / its place in the answer.
    Candidates that are not listed were not retrieved, as in the paper, whose metrics look at the
    list of five: they have no rank. With `fill` they follow in the retriever's order instead. An
    answer that lists no candidate is no ranking. The engine need not score; no `rationale_tokens`.
    """

    Config = ChatRecConfig
    config: ChatRecConfig
    retriever: CandidateRetriever | None = None

    def __init__(self, config: ChatRecConfig | None = None) -> None:
        super().__init__(config)
        self.config.check_template(self.config.prompt_template)
        self.expert = self.config.expert.make() if self.config.retrieves else None

    @property
    def capabilities(self) -> frozenset[Capability]:
        capabilities: set[Capability] = {*super().capabilities, "scores", "explains"}
        if self.expert is not None:
            capabilities -= {"cold_users"} - self.expert.capabilities
        return frozenset(capabilities)

    @property
    def caveats(self) -> tuple[str, ...]:
        return (*super().caveats, *self.config.retrieval_caveats)

    def fit(self, data: TrainView, run: RunContext) -> None:
        if self.expert is not None:
            check_encoder(self.config.encoder, run.device)
            self.expert = self.config.expert.fit_expert(data, run)
            items = frozenset(data.catalog.ids[c] for c in np.unique(data.interactions.item))
            self.retriever = CandidateRetriever(
                self.expert, items, data.catalog.ids, self.config.encoder
            )
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
        budget, answer = super().prompt_budget(None), self.config.answer_tokens
        return budget if context is None else min(budget, max(1, context - answer))

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        scores = self._retriever_scores(requests, run)
        shown = self._shown_requests(requests, scores)
        for row, (request, prompt, answer) in enumerate(
            zip(requests, shown, self._answers(shown, run), strict=True)
        ):
            values = None
            if answer.places:
                places = [request.candidates.index(prompt.candidates[p]) for p in answer.places]
                values = list_answers.reciprocal_rank_scores(
                    places, len(request.candidates), scores[row] if self.config.fill else None
                )
            yield Prediction(
                request.case_id,
                values,
                rationale=answer.reason,
                status=answer.status,
                usage=answer.usage,
                fault=answer.fault,
                partial=values is not None and -np.inf in values,
            )

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Sample lists; each answer is the first entry, and the reason is its rationale."""
        shown = self._shown_requests(requests, self._retriever_scores(requests, run))
        for prediction in self._chat_predictor(run).sample(shown, run):
            yield replace(prediction, samples=tuple(map(_with_reason, prediction.samples)))

    def _chat_predictor(self, run: RunContext) -> ChatPredictor:
        """Return what asks about the items of the run's catalogue."""
        return ChatPredictor.from_predictor(self.predictor, run.catalog, self.config.shows_profile)

    def _retriever_scores(
        self, requests: Sequence[Request], run: RunContext
    ) -> list[NDArray[np.float64]]:
        """Return [c] scores of each request's candidates; none without a retriever."""
        return [] if self.retriever is None else self.retriever.scores(requests, run)

    def _shown_requests(
        self, requests: Sequence[Request], scores: Sequence[NDArray[np.float64]]
    ) -> list[Request]:
        """Return the requests with the candidates that the model may list."""
        if self.retriever is None:
            return list(requests)
        config = self.config
        return narrow_requests(requests, scores, config.retrieve, ordered=config.order == "cf")

    def _answers(self, requests: Sequence[Request], run: RunContext) -> Iterator[ListAnswer]:
        """Let the model list items for each request, as indices of its candidates."""
        config, predictor = self.config, self._chat_predictor(run)
        engine, template = predictor.engine, predictor.template
        prompts = [predictor.write_prompt(request, run.catalog) for request in requests]
        titles = [[template.item_title(run.catalog, i) for i in r.candidates] for r in requests]
        if self.constrained:
            numbered = template.response.item == "numbered-list"
            room = max(1, config.answer_tokens // 5)
            return list_generation.decode_lists_with_reasons(
                engine, prompts, titles, _LENGTH, room, numbered=numbered
            )
        grounders = [
            Grounder(request.candidates, request_titles, config.strict_substring)
            for request, request_titles in zip(requests, titles, strict=True)
        ]
        return list_generation.generate_lists(engine, prompts, grounders, config.answer_tokens)


def _with_reason(sample: Sample) -> Sample:
    if sample.status != "ok":
        return sample
    return replace(sample, rationale=list_answers.extract_reason(sample.text))

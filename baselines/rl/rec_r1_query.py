"""Rec-R1 (Lin et al., 2025): the answer is a query, rewarded by what a retriever finds with it.

The retriever is BM25 over the texts of the catalogue. The reward is NDCG@k of the target in its
ranking, plus a bonus for the form; an answer without the form, `<think>` and then `<answer>` with
the query as JSON, is punished. Candidates are ranked by BM25 of a greedy query.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from baselines.rl.query_ranker import QueryRanker
from baselines.rl.query_rollouts import QuerySampler
from baselines.rl.reward_recommender import RewardConfig, RewardRecommender
from benchkit.errors import ConfigError
from benchkit.lm.backbones import Backbone
from benchkit.lm.retrieval.query import CatalogSearch, item_query, parse_query, query_pieces
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.types import Engine
from benchkit.training.core.example_builder import ExampleBuilder, to_request
from benchkit.training.core.examples import Example
from benchkit.training.rl import rewards
from benchkit.training.rl.rollouts import RewardFunction, Rollout, RolloutTask
from benchkit.types import RunContext, TrainView


class RecR1Query(RewardRecommender):
    """GRPO on queries; nano is first fine-tuned to write the words of the target's texts."""

    class Config(RewardConfig):
        """Settings of Rec-R1 with a retriever."""

        fine_tune: bool | None = None
        constrained: bool | None = None
        """Set the tags and the JSON of sampled answers; None: for nano only."""
        rationale: bool = True
        group: int = Field(default=12, ge=2)
        temperature: PositiveFloat = 0.6
        kl: NonNegativeFloat = 0.001
        bonus: NonNegativeFloat = 0.1
        """Bonus, for its form, of an answer that finds the target."""
        malformed: float = Field(default=-2.0, le=0)
        """Reward of an answer without the form."""
        cutoff: PositiveInt = 1000
        """Ranks k that NDCG@k counts in training."""
        corpus: Literal["candidates", "catalog"] = "candidates"
        """What the target is ranked among for its reward."""
        query_tokens: PositiveInt = 64
        """Longest query when candidates are ranked."""
        k1: NonNegativeFloat = 1.2
        """How much repetitions of a word add to a BM25 score."""
        b: float = Field(default=0.75, ge=0, le=1)
        """How much long texts are held back by BM25."""

        templates: ClassVar[tuple[str, str]] = ("query", "compact-query")

    config: Config

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        form = self.config.prompt_template.response_format(self.explains)
        if form.tag != "answer":
            raise ConfigError(
                f"template {self.config.template_name!r} asks for {form.kind!r}, not for a query",
                "use query or compact-query, or a template with item = 'query'",
            )
        self.search = CatalogSearch(self.config.k1, self.config.b)

    @property
    def caveats(self) -> tuple[str, ...]:
        note = "candidates are ranked by BM25 of a query that the model writes without seeing them"
        return (*super().caveats, note)

    @property
    def averages_rationales(self) -> bool:
        return False  # BM25 scores the candidates, after one query

    def make_predictor(self, engine: Engine) -> QueryRanker:
        values = vars(super().make_predictor(engine))
        return QueryRanker(**values, search=self.search, query_tokens=self.config.query_tokens)

    def make_sampler(
        self, builder: ExampleBuilder, backbone: Backbone, run: RunContext
    ) -> QuerySampler:
        return QuerySampler(**vars(super().make_sampler(builder, backbone, run)))

    def supervised_examples(
        self,
        questions: Sequence[TeacherQuestion],
        builder: ExampleBuilder,
        data: TrainView,
        run: RunContext,
        item_weight: float = 1.0,
    ) -> list[Example]:
        """Return one example per question: the target's own words are the query."""
        texts: list[str | None] = [None] * len(questions)
        if self.trains_rationales:
            texts = [r.text for r in self.write_rationales(questions, data, run)]
        form = builder.template.response_format(self.explains)
        examples = []
        for question, text in zip(questions, texts, strict=True):
            if text is None and self.trains_rationales:
                continue
            begin, words, end = query_pieces(item_query(data.catalog, question.item))
            response, last = builder.join((*form.prefix(text), begin, words, end, form.suffix))
            weights = (*[1.0] * (len(response) - last), *[item_weight] * last)
            prompt = builder.prompt(to_request(question), self.explains)
            examples.append(Example(prompt, response, response_weights=weights, key=question.key))
        return examples

    def make_reward(
        self, tasks: Sequence[RolloutTask], data: TrainView, run: RunContext
    ) -> RewardFunction:
        config, tags, catalog = self.config, self.answer_tags, data.catalog

        def reward(task: RolloutTask, answer: Rollout) -> float:
            query = parse_query(answer.text) if rewards.is_well_formed(answer.text, tags) else None
            rank = None
            if query is not None:
                among = task.request.candidates if config.corpus == "candidates" else catalog.ids
                rank = self.search.rank(query, task.target, among, catalog)
            counts = rank is not None and rank <= config.cutoff
            return rewards.rec_r1_reward(
                rank if counts else None, query is not None, config.bonus, config.malformed
            )

        return reward

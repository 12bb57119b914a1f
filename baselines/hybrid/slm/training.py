"""Training of a model that ranks items by its last hidden state, and what asks it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.cf.scoring import history_codes, predict_candidates
from baselines.hybrid.next_items import next_items
from baselines.hybrid.slm.network import (
    ItemExample,
    ItemScorer,
    NextItemObjective,
    block_states,
    pad_ids,
)
from benchkit.evaluation.validation_ndcg import mean_validation_ndcg
from benchkit.lm.injection.soft_prompts import item_token
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.training_context import training_context
from benchkit.training.train import train_on_objective
from benchkit.types import Catalog, Prediction, Request, RunContext, TrainView, ValidationCase

StatesFunction = Callable[[Mapping[str, Tensor]], list[Tensor]]
_BATCH = 64  # requests in one forward pass


@dataclass(frozen=True)
class ItemRanker:
    """A model with its heads, and how it reads a history."""

    model: Any
    scorer: ItemScorer
    index: Mapping[str, int]
    """Code of each item."""
    before: tuple[int, ...]
    """Token ids before the items."""
    behind: tuple[int, ...]
    """Token ids behind the items."""
    max_history: int

    def input_ids(self, codes: NDArray[np.integer]) -> tuple[int, ...]:
        """Return the ids of what is read for a history of item codes, oldest first."""
        items = (item_token(code) for code in codes[-self.max_history :].tolist())
        return (*self.before, *items, *self.behind)

    def score_items(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Score the catalogue, [b, n_items]."""
        rows = [self.input_ids(history_codes(request, self.index)) for request in requests]
        device = self.scorer.soft.table.device
        batch = {name: value.to(device) for name, value in pad_ids(rows).items()}
        with torch.inference_mode():
            (states,) = block_states(self.model, batch, 1)
            scores: NDArray[np.float32] = self.scorer.scores(states).cpu().numpy()
        return scores

    def predict(self, requests: Sequence[Request]) -> Iterator[Prediction]:
        """Yield the scores of each request's candidates."""
        return predict_candidates(requests, self.index, self.score_items, _BATCH)

    def states_function(self, blocks: int) -> StatesFunction:
        """Return a function that computes hidden states of a batch at block ends, as a teacher."""

        def compute(batch: Mapping[str, Tensor]) -> list[Tensor]:
            with torch.no_grad():
                return block_states(self.model, batch, blocks)

        return compute


@dataclass(frozen=True)
class RankerTraining:
    """What the teacher and the student have in common."""

    vectors: Tensor
    """[n_items, d] item vectors."""
    before: tuple[int, ...]
    behind: tuple[int, ...]
    max_history: int
    cases: Sequence[ValidationCase]
    """Their NDCG@5 selects the weights; without them, the last ones are kept."""
    identity: object
    """What the result depends on besides examples and training settings."""

    def examples(self, data: TrainView, per_user: int, limit: int | None) -> list[ItemExample]:
        """Return an example for each of the last items of each user; see `next_items`."""
        index, examples = data.catalog.index, []
        for _, history, item in next_items(data, per_user, self.max_history, limit):
            codes = [item_token(index[event.item]) for event in history]
            examples.append(ItemExample((*self.before, *codes, *self.behind), index[item]))
        return examples

    def train(
        self,
        model: Any,
        examples: Sequence[ItemExample],
        config: TrainConfig,
        catalog: Catalog,
        run: RunContext,
        heads: int = 1,
        **objective: Any,
    ) -> ItemRanker:
        """Train a model with new heads.

        Args:
            model: What is left of the backbone; its weights are changed, but for text embeddings.
            examples: What to train on.
            config: How to train; its purpose names the random numbers.
            catalog: The items.
            run: Seed, device, folders and progress.
            heads: Number of blocks whose ends have a head.
            objective: Further terms of `NextItemObjective`.
        """
        for part in (model.get_input_embeddings(), model.get_output_embeddings()):
            part.requires_grad_(False)
        with training_context(run.device):
            seed = run.generator(config.purpose, "heads").integers(2**31)
            torch.manual_seed(int(seed))
            scorer = ItemScorer(self.vectors, model, heads).to(run.device)
            scorer.soft.attach(model)
            loss = NextItemObjective(scorer, config.learning_rate, **objective)

            def ranker(trained: Any) -> ItemRanker:
                frame = (self.before, self.behind, self.max_history)
                return ItemRanker(trained, scorer, catalog.index, *frame)

            def validate(trained: Any) -> float:
                answers = ranker(trained).predict([case.request for case in self.cases])
                return mean_validation_ndcg(answers, self.cases, 5)

            identity = (self.identity, self.vectors.double().sum().item())
            trained = train_on_objective(
                model,
                examples,
                loss,
                config,
                run,
                validate if self.cases else None,
                identity=identity,
            )
        return ranker(trained.requires_grad_(False))

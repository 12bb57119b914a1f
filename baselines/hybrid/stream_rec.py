"""STREAM-Rec: a T5 writes a few codes of thought, then the codes of the next item.

Slow thinking for sequential recommendation, 2025, as notes of it say; there is no official code.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from baselines.hybrid.item_ids.code_tokens import CodeTokens
from baselines.hybrid.item_ids.gram_prompts import similar_items
from baselines.hybrid.item_ids.recommender import IdRecommender
from baselines.hybrid.item_ids.residual_codes import check_code_space, fit_quantiser, unique_codes
from baselines.hybrid.item_ids.training_rows import next_item_examples
from baselines.hybrid.stream.settings import (
    STAGES,
    GroupSettings,
    StreamConfig,
    ThinkingWeights,
    stage_config,
)
from benchkit.lm.encoder_decoder.t5 import SPECIAL_TOKENS, build_tiny_t5, load_encoder_decoder
from benchkit.types import Request, RunContext, TrainView

if TYPE_CHECKING:
    from baselines.hybrid.stream.slow_thinking import SlowThinking
    from benchkit.lm.encoder_decoder.teacher_forcing import Encoded


class StreamRec(IdRecommender):
    """score(item) = log-probability of its id after the thoughts that the model writes."""

    Config = StreamConfig
    config: StreamConfig
    nano_sizes: ClassVar[Mapping[str, int]] = {
        "levels": 2, "codes": 128, "steps": 2, "thought_codes": 4, "history": 20,
    }  # fmt: skip
    paper_sizes: ClassVar[Mapping[str, int]] = {
        "levels": 3, "codes": 256, "steps": 4, "thought_codes": 256, "history": 20,
    }  # fmt: skip

    def train(self, data: TrainView, run: RunContext) -> None:
        from baselines.hybrid.stream.training import StreamTraining

        config = self.config
        check_code_space(len(data.catalog), self.size("levels"), self.size("codes"))
        stages = {name: stage_config(self.config, name, run) for name in STAGES}
        vectors = self.text_vectors(data.catalog, run)
        ids = self.assign_codes(vectors, run)
        self.model, first = self.load_model(data, run)
        self.tokens = CodeTokens(ids, self.size("codes"), self.size("thought_codes"), first)
        self.answers = self.tokens.table.tolist()
        if not self.config.is_nano:
            self.add_tokens(run)
        self.thinking = None
        examples = next_item_examples(data.interactions, self.size("history"))
        training = StreamTraining(
            self.tokens, data.interactions.item, self.size("history"), examples, run,
            self.make_validation_metric(data),
        )  # fmt: skip
        similar = self.neighbours(data, run)
        self.model = training.pretrain(self.model, similar, stages["pretrain"])
        self.thinking = self.make_thinking(vectors, run)
        weights = ThinkingWeights(
            config.contrast, config.quantisation, config.preference, config.beta
        )
        self.model = training.think(self.model, self.thinking, weights, stages["train"])
        self.model = training.reinforce(
            self.model, self.thinking, GroupSettings(config.group, config.kl), stages["reinforce"]
        )

    def neighbours(self, data: TrainView, run: RunContext) -> NDArray[np.int64]:
        """Return [n_items, k] codes of the items whose ids follow an item's in stage 1."""
        count, items = self.config.similar, len(data.catalog)
        if not count:
            return np.empty((items, 0), dtype=np.int64)
        known = np.bincount(data.interactions.item, minlength=items) > 0
        return similar_items(self.expert_vectors(data, run), count, known)

    def make_thinking(self, vectors: NDArray[np.float32], run: RunContext) -> "SlowThinking":
        """Return the codebook of thoughts and its networks, with random weights."""
        import torch

        from baselines.hybrid.stream.slow_thinking import SlowThinking

        torch.manual_seed(int(run.generator("stream-rec", "thinking").integers(2**31)))
        width = self.model.get_input_embeddings().weight.shape[1]
        items = torch.from_numpy(vectors)
        sizes = self.size("thought_codes"), self.size("steps")
        return SlowThinking(items, width, *sizes).to(run.device)

    def assign_codes(self, vectors: NDArray[np.float32], run: RunContext) -> NDArray[np.int64]:
        """Return [n_items, levels] the codes of ids, from vectors of items' texts."""
        levels, codes = self.size("levels"), self.size("codes")
        quantiser = fit_quantiser(vectors, levels, codes, run.generator("stream-rec", "codes"))
        return unique_codes(vectors, quantiser, codes)

    def load_model(self, data: TrainView, run: RunContext) -> tuple[Any, int]:
        """Return the backbone's model, and the number of its own tokens."""
        config = self.config
        if not config.is_nano:
            model = load_encoder_decoder(config.source, config.revision, None, run).model
            return model, model.get_input_embeddings().weight.shape[0]
        first = len(SPECIAL_TOKENS)
        size = first + self.size("levels") * self.size("codes") + self.size("thought_codes")
        seed = int(run.generator("stream-rec", "weights").integers(2**31))
        return build_tiny_t5(config.tiny, size, seed).to(run.device), first

    def add_tokens(self, run: RunContext) -> None:
        """Give the backbone's model vectors for the tokens of codes."""
        import torch

        # They are drawn from torch's generator, whose state would be anything.
        torch.manual_seed(int(run.generator("stream-rec", "tokens").integers(2**31)))
        self.model.resize_token_embeddings(self.tokens.vocabulary)

    def encode(self, model: Any, histories: Sequence[NDArray[np.int64]]) -> "Encoded":
        from benchkit.lm.encoder_decoder.teacher_forcing import encode

        batch = self.tokens.collate(histories, self.size("history"))
        device = model.get_input_embeddings().weight.device
        return encode(model, batch["input"].to(device), batch["mask"].to(device))

    def score(self, model: Any, requests: Sequence[Request]) -> list[NDArray[np.float64]]:
        """Return log-probabilities of candidates' ids, averaged over the likeliest thoughts."""
        if self.thinking is None:  # stage 1 has no thoughts yet
            return super().score(model, requests)
        from baselines.hybrid.stream.thought_search import search_thoughts
        from benchkit.lm.encoder_decoder.teacher_forcing import score_options

        encoded = self.encode_requests(model, requests)
        thoughts, weight = search_thoughts(
            model, encoded, self.tokens, self.size("steps"), self.config.thoughts
        )
        options = [self.options(request) for request in requests]
        share = weight.double().log_softmax(dim=1).cpu().numpy()
        total = [np.full(len(some), -np.inf) for some in options]
        for column, begins in enumerate(thoughts.transpose(0, 1).tolist()):
            for row, scores in enumerate(score_options(model, encoded, options, begins)):
                total[row] = np.logaddexp(total[row], share[row, column] + scores)
        return total

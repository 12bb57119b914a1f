"""GRAM: lexical ids, fused prompts of the user and of recent items, and a T5 that writes the id.

Lee et al., GRAM: Generative Recommendation via Semantic-aware Multi-granular Late Fusion, ACL 2025.
Objective and ids are the official code's (skleee/GRAM); what differs is on the card.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from baselines.hybrid.item_ids.gram_prompts import (
    PAPER_WORDS,
    SHORT_WORDS,
    GramPrompts,
    similar_items,
    write_prompts,
)
from baselines.hybrid.item_ids.kmeans import check_id_space, cluster_paths
from baselines.hybrid.item_ids.lexical_ids import lexical_ids
from baselines.hybrid.item_ids.recommender import (
    IdConfig,
    IdRecommender,
    fill_training_config,
    item_texts,
)
from baselines.hybrid.item_ids.training_defaults import training_defaults
from baselines.hybrid.item_ids.training_rows import next_item_examples
from benchkit.lm.backbones import Backbone
from benchkit.lm.encoder_decoder.t5 import build_tiny_t5, load_encoder_decoder, train_word_tokenizer
from benchkit.lm.tokenization import text_ids
from benchkit.lm.tokens.control_tokens import quote
from benchkit.types import Request, RunContext, TrainView

if TYPE_CHECKING:
    from benchkit.lm.encoder_decoder.teacher_forcing import Encoded


class GRAM(IdRecommender):
    """An item's id is a word for each cluster that it is in; its score the id's log-probability."""

    class Config(IdConfig):
        """Settings of GRAM. Sizes left out follow the backbone."""

        branch: PositiveInt = 32
        """Clusters that a cluster is divided into."""
        depth: PositiveInt = 5
        """Levels of clusters, at most."""
        history: PositiveInt | None = None
        """Newest items in the user's prompt; 15 for nano, else 20."""
        passages: PositiveInt | None = None
        """Newest items whose own prompts are read; 2 for nano, else 20."""
        similar: PositiveInt | None = None
        """Similar items in an item's prompt; 5 for nano, else 10."""
        item_tokens: PositiveInt | None = None
        """Longest prompt of an item; 24 for nano, else 128."""
        inference: Literal["scores", "beam"] = "scores"
        """The log-probability of each candidate's id, or a beam search among these ids; what the
        beam does not reach is not ranked."""
        beam: PositiveInt = 50
        """Width of the beam."""

    config: Config
    nano_sizes: ClassVar[Mapping[str, int]] = {
        "history": 15, "passages": 2, "similar": 5, "item_tokens": 24,
    }  # fmt: skip
    paper_sizes: ClassVar[Mapping[str, int]] = {
        "history": 20, "passages": 20, "similar": 10, "item_tokens": 128,
    }  # fmt: skip

    def train(self, data: TrainView, run: RunContext) -> None:
        from baselines.hybrid.item_ids.fusion import FusionObjective
        from benchkit.training.train import train_on_objective

        config, catalog = self.config, data.catalog
        check_id_space(len(catalog), config.branch, config.depth)
        defaults = training_defaults("gram", config.is_nano)
        training = fill_training_config(config.train, defaults, run)
        backbone = self.load_model(data, run)
        prompts = self.write_prompts(backbone.tokenizer, data, run)
        self.answers = [(*tokens, backbone.tokenizer.eos_token_id) for tokens in prompts.ids]
        width = backbone.model.get_input_embeddings().weight.shape[1]
        self.objective = FusionObjective(
            prompts, data.interactions.item, self.answers,
            self.size("passages"), width, training.learning_rate,
        )  # fmt: skip
        self.model = train_on_objective(
            backbone.model,
            next_item_examples(data.interactions, self.size("history")),
            self.objective,
            training,
            run,
            self.make_validation_metric(data),
        )

    def load_model(self, data: TrainView, run: RunContext) -> Backbone:
        """Load the backbone; nano's T5 has the words of the catalogue as its tokens."""
        config = self.config
        if not config.is_nano:
            return load_encoder_decoder(config.source, config.revision, data.catalog, run)
        texts = item_texts(data.catalog)
        tokenizer = train_word_tokenizer(texts, config.tiny.vocabulary, " ".join(SHORT_WORDS))
        seed = int(run.generator("gram", "weights").integers(2**31))
        model = build_tiny_t5(config.tiny, len(tokenizer), seed).to(run.device)
        return Backbone(model, tokenizer, None)

    def write_prompts(self, tokenizer: Any, data: TrainView, run: RunContext) -> GramPrompts:
        """Make the ids and the prompts of all items."""
        config, catalog = self.config, data.catalog
        texts = item_texts(catalog)
        names = [catalog.text(item) or item for item in catalog.ids]
        documents = [text_ids(tokenizer, quote(text)) for text in texts]
        rng = run.generator("gram", "clusters")
        vectors = self.text_vectors(catalog, run)
        paths = cluster_paths(vectors, config.branch, config.depth, rng)
        ids = lexical_ids(paths, documents, names, tokenizer)
        known = np.bincount(data.interactions.item, minlength=len(catalog)) > 0
        similar = similar_items(self.expert_vectors(data, run), self.size("similar"), known)
        words = SHORT_WORDS if config.is_nano else PAPER_WORDS
        sizes = self.size("history"), self.size("item_tokens")
        return write_prompts(ids, similar, texts, tokenizer, words, *sizes)

    def encode(self, model: Any, histories: Sequence[NDArray[np.int64]]) -> "Encoded":
        batch = self.objective.collate_histories(histories)
        device = self.objective.module.weight.device
        return self.objective.encode(model, {n: value.to(device) for n, value in batch.items()})

    def score(self, model: Any, requests: Sequence[Request]) -> list[NDArray[np.float64]]:
        if self.config.inference == "scores":
            return super().score(model, requests)
        from benchkit.lm.encoder_decoder.teacher_forcing import search_options

        encoded = self.encode_requests(model, requests)
        return [
            search_options(model, encoded.row(number), self.options(request), self.config.beam)
            for number, request in enumerate(requests)
        ]

"""What methods share that write an item's id with an encoder-decoder."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from baselines.cf.scoring import history_codes
from baselines.experts import ExpertConfig
from baselines.hybrid.item_vectors import check_item_vectors, fit_item_vectors
from benchkit.config.loading import validate_model
from benchkit.errors import ConfigError, DataError
from benchkit.evaluation.validation_ndcg import mean_validation_ndcg
from benchkit.lm.config import NANO
from benchkit.lm.encoder_decoder.t5 import TinyT5Config
from benchkit.lm.retrieval.term_weights import TfIdfEncoder
from benchkit.lm.teachers.encoder import (
    TextEncoder,
    embeddings_path,
    item_embedding_texts,
    load_or_encode,
)
from benchkit.lm.teachers.sentence_encoder import (
    MINILM,
    TF_IDF,
    EncoderName,
    check_encoder,
    open_encoder,
)
from benchkit.lm.timing import record_stage_cost
from benchkit.training.core.config import TrainConfig, merge_training_settings
from benchkit.training.core.preflight import check_training_config
from benchkit.training.core.training_context import training_context
from benchkit.types import Capability, Catalog, Prediction, Request, RunContext, TrainView

if TYPE_CHECKING:
    from benchkit.lm.encoder_decoder.teacher_forcing import Encoded

PAPER_BACKBONE = "t5-small"
_BATCH = 64  # requests that are encoded together


class IdConfig(BaseModel):
    """Settings of a method that writes ids."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    backbone: str = NANO
    """`nano`, a tiny T5 trained from scratch; `hf`, which is t5-small; the id of another
    encoder-decoder on the Hugging Face hub; or a local folder."""
    revision: str | None = None
    """Revision on the hub."""
    tiny: TinyT5Config = TinyT5Config()
    """How nano's T5 is built."""
    text_encoder: EncoderName = MINILM
    """Vectors of items' texts: `minilm`, the id of another sentence encoder on the Hugging Face
    hub, or a local folder of sentence-transformers; or `tf-idf` of words, reduced by an SVD."""
    expert: ExpertConfig = ExpertConfig()
    """The sequential recommender whose item vectors say which items are similar."""
    train: TrainConfig = TrainConfig()
    """The training; settings left out follow the method and the backbone."""
    validation_cases: PositiveInt = Field(default=300)
    """Validation cases that decide when training stops."""

    @property
    def is_nano(self) -> bool:
        """Return whether the model is trained from scratch."""
        return self.backbone == NANO

    @property
    def source(self) -> str:
        """Return the id or folder of the model."""
        return PAPER_BACKBONE if self.backbone == "hf" else self.backbone


class IdRecommender(ABC):
    """score(item) = log-probability of its id. A method implements `train` and `encode`."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset({"scores", "cold_users"})
    Config: type[IdConfig] = IdConfig
    config: IdConfig
    nano_sizes: ClassVar[Mapping[str, int]]
    paper_sizes: ClassVar[Mapping[str, int]]
    """Settings that are None, as they apply to nano and to any other backbone."""
    index: Mapping[str, int]
    """Item id -> code."""
    answers: Sequence[Sequence[int]]
    """[n_items] ids as token ids, with their ends."""
    model: Any

    def __init__(self, config: IdConfig | None = None) -> None:
        self.config = config or self.Config()

    @property
    def caveats(self) -> tuple[str, ...]:
        config = self.config
        notes = [f"backbone {config.source}"]
        if config.is_nano:
            notes = ["backbone nano: a tiny T5, trained from scratch on this dataset alone"]
        if config.text_encoder == TF_IDF:
            notes.append("items' texts as TF-IDF of words, not by a sentence encoder")
        return tuple(notes)

    def size(self, name: str) -> int:
        """Return a setting, or what it is for the backbone if it is None."""
        value: int | None = getattr(self.config, name)
        sizes = self.nano_sizes if self.config.is_nano else self.paper_sizes
        return sizes[name] if value is None else value

    def fit(self, data: TrainView, run: RunContext) -> None:
        rows = data.interactions
        if not (np.diff(rows.offsets) > 1).any():
            raise DataError(
                f"dataset {data.name!r}: no user has two training interactions to learn order from",
                "raise k_core, or use a method that does not need sequences",
            )
        check_encoder(self.config.text_encoder, run.device)
        self.index = data.catalog.index
        with training_context(run.device):
            self.train(data, run)

    @abstractmethod
    def train(self, data: TrainView, run: RunContext) -> None:
        """Set `answers` and the trained `model`; called where it may change global state."""

    @abstractmethod
    def encode(self, model: Any, histories: Sequence[NDArray[np.int64]]) -> "Encoded":
        """Encode b histories of item codes, oldest first."""

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        return self._rank(self.model, requests)

    def _rank(self, model: Any, requests: Sequence[Request]) -> Iterator[Prediction]:
        for start in range(0, len(requests), _BATCH):
            batch = requests[start : start + _BATCH]
            for request, scores in zip(batch, self.score(model, batch), strict=True):
                lengths = [len(self.answers[self.index[item]]) for item in request.candidates]
                partial = bool(np.isinf(scores).any())
                yield Prediction(request.case_id, scores.tolist(), lengths=lengths, partial=partial)

    def score(self, model: Any, requests: Sequence[Request]) -> list[NDArray[np.float64]]:
        """Return the log-probabilities of the ids of each request's candidates."""
        from benchkit.lm.encoder_decoder.teacher_forcing import score_options

        encoded = self.encode_requests(model, requests)
        options = [self.options(request) for request in requests]
        return score_options(model, encoded, options)

    def encode_requests(self, model: Any, requests: Sequence[Request]) -> "Encoded":
        """Encode the histories of requests, without gradients."""
        import torch

        with torch.no_grad():
            return self.encode(model, [history_codes(r, self.index) for r in requests])

    def options(self, request: Request) -> list[Sequence[int]]:
        """Return the ids of a request's candidates."""
        return [self.answers[self.index[item]] for item in request.candidates]

    def make_validation_metric(self, data: TrainView) -> Callable[[Any], float] | None:
        """Return a function that computes NDCG@5 of a model on the validation cases, or None."""
        cases = data.validation[: self.config.validation_cases]
        if not cases:
            return None

        def ndcg(model: Any) -> float:
            answers = self._rank(model, [case.request for case in cases])
            return mean_validation_ndcg(answers, cases, 5)

        return ndcg

    def expert_vectors(self, data: TrainView, run: RunContext) -> NDArray[np.float32]:
        """Fit the expert; return its [n_items, d] item vectors. Raises ConfigError without any."""
        check_item_vectors(self.config.expert)
        vectors: NDArray[np.float32] = fit_item_vectors(self.config.expert, data, run).cpu().numpy()
        return vectors

    def text_vectors(self, catalog: Catalog, run: RunContext) -> NDArray[np.float32]:
        """Return [n_items, d] vectors of items' texts, which runs of a store share."""
        texts = item_texts(catalog)
        encoder = make_text_encoder(self.config.text_encoder, run.device)
        record = embeddings_path(encoder, texts, run.cache).with_suffix(".seconds.json")
        with record_stage_cost(run, "item vectors", record):
            return load_or_encode(encoder, texts, run.cache)


def item_texts(catalog: Catalog) -> list[str]:
    """Return the text of each item; its id, where it has none."""
    texts = item_embedding_texts(catalog)
    return [text.strip() or item for text, item in zip(texts, catalog.ids, strict=True)]


def make_text_encoder(name: str, device: str) -> TextEncoder:
    """Return a text encoder. Raises ConfigError if its packages are missing."""
    if name == TF_IDF:
        return TfIdfEncoder()
    try:
        return open_encoder(name, device)
    except ConfigError as error:
        raise ConfigError(error.cause, f'{error.hint}, or set text_encoder = "tf-idf"') from None


def fill_training_config(
    config: TrainConfig, defaults: Mapping[str, Any], run: RunContext
) -> TrainConfig:
    """Fill in the settings that a suite has left out; raise ConfigError if they do not fit.

    Without a GPU the precision is float32.
    """
    explicit = {name: getattr(config, name) for name in config.model_fields_set}
    precision = {"precision": "float32"} if run.device == "cpu" else {}
    settings = validate_model(
        TrainConfig,
        merge_training_settings({**defaults, **precision}, explicit),
        "training",
        hint="correct train of the method",
    )
    check_training_config(settings, run.device)
    return settings

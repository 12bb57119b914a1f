"""SLMRec: the first layers of a language model read item vectors and score the catalogue.

Xu et al., SLMRec: Distilling Large Language Models into Small for Sequential Recommendation, ICLR
2025. Network and losses are in `slm_network`.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from pydantic import NonNegativeFloat, PositiveInt, model_validator

from baselines.experts import ExpertConfig
from baselines.hybrid.item_vectors import check_item_vectors, fit_item_vectors
from benchkit.lm.backbones import Backbone
from benchkit.lm.nano.config import NanoConfig
from benchkit.lm.tokenization import text_ids
from benchkit.training.core.config import LoRAConfig
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.fine_tuning_config import FineTunedConfig
from benchkit.training.core.recommender import FineTunedRecommender
from benchkit.types import Capability, Prediction, Request, RunContext, TrainView

if TYPE_CHECKING:
    from baselines.hybrid.slm.training import ItemRanker

_LARGE = {  # the official code's
    "epochs": 1, "batch_size": 128, "micro_batch": 8, "learning_rate": 3e-4, "schedule": "cosine",
    "lora": LoRAConfig(r=16, alpha=16, dropout=0.05, targets=("gate_proj", "up_proj", "down_proj")),
}  # fmt: skip
_FRAME = (
    "From what the user chose before, predict the item that the user chooses next. ",
    " Next:",
)
_NANO_FRAME = ("history: ", " next:")
_NANO = {"epochs": 2, "batch_size": 64, "learning_rate": 2e-3, "schedule": "cosine"}


class SLMRec(FineTunedRecommender):
    """score(i) = (W h) . v_i, h the last hidden state after instruction, items and response.

    A teacher of more layers is trained first, by cross-entropy; the student by that at the end of
    each block of layers, and to have the teacher's states there. The vectors v are a SASRec's.
    """

    class Config(FineTunedConfig):
        """Settings of SLMRec. Those of prompts, of candidates and of the teacher are not used: the
        model reads vectors."""

        nano: NanoConfig = NanoConfig(layers=4, steps=300)
        """How nano is built; titles are not read, so that a short training on them will do."""
        expert: ExpertConfig = ExpertConfig()
        """Whose item vectors are read; it needs `item_embeddings`."""
        layers: PositiveInt | None = None
        """Layers of the student, the first of the backbone; None: 4 (paper), and half of nano's."""
        teacher_layers: PositiveInt | None = None
        """Layers of the teacher; None: 8 (paper), and all of nano's."""
        blocks: PositiveInt | None = None
        """Blocks whose ends are compared; divides both; None: 4, and for nano 2 or 1."""
        distill: bool = True
        """Train a teacher first; without, the student learns from the cross-entropies alone."""
        cosine_weight: NonNegativeFloat = 1.0
        """Weight lambda of 1 - cosine of student's and teacher's states; the distance has 0.1."""
        supervision_weight: NonNegativeFloat = 1.0
        """Weight of the cross-entropies at the ends of the blocks before the last."""
        max_history: PositiveInt = 30
        """Newest items of a history that are read."""
        per_user: PositiveInt = 10
        """Newest training items of each user that are a label, each after what came before."""
        frame: tuple[str, str] | None = None
        """Texts before and behind the items; None: an instruction, and two words for nano."""

        @model_validator(mode="after")
        def _blocks_divide(self) -> Self:
            student, teacher, blocks = self.shape
            if student % blocks or teacher % blocks or student > teacher:
                raise ValueError(
                    f"blocks ({blocks}) must divide layers ({student}) and teacher_layers"
                    f" ({teacher}), which must not be fewer"
                )
            if not any(self.texts):
                raise ValueError("frame: an empty history needs a text before or behind it")
            return self

        @property
        def shape(self) -> tuple[int, int, int]:
            """Return the student's layers, the teacher's, and the number of blocks."""
            n = self.nano.layers
            usual = (n // 2 or 1, n, 1 if n % 4 else 2) if self.is_nano else (4, 8, 4)
            return self.layers or usual[0], self.teacher_layers or usual[1], self.blocks or usual[2]

        @property
        def texts(self) -> tuple[str, str]:
            """Return the texts before and behind the items."""
            return self.frame or (_NANO_FRAME if self.is_nano else _FRAME)

    config: Config
    ranker: "ItemRanker"
    """The student; set by `fit`."""

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config)
        check_item_vectors(self.config.expert)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Scores of the whole catalogue; it does not write."""
        return frozenset({"scores", "cold_users"})

    def fit(self, data: TrainView, run: RunContext) -> None:
        self.train_backbone(self.load_backbone(data, run), data, run)

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        return self.ranker.predict(requests)

    def train_model(
        self, backbone: Backbone, builder: ExampleBuilder, data: TrainView, run: RunContext
    ) -> Any:
        from baselines.hybrid.slm.training import RankerTraining
        from benchkit.lm.architecture import keep_layers

        config = self.config
        student_layers, teacher_layers, blocks = config.shape
        defaults = _NANO if config.is_nano else _LARGE
        student = keep_layers(copy.deepcopy(backbone.model), student_layers)
        deeper = keep_layers(backbone.model, teacher_layers) if config.distill else None
        before, behind = (tuple(text_ids(backbone.tokenizer, text)) for text in config.texts)
        training = RankerTraining(
            fit_item_vectors(config.expert, data, run), before, behind, config.max_history,
            data.validation[: config.validation_cases], config.model_dump(mode="json"),
        )  # fmt: skip
        examples = training.examples(data, config.per_user, config.limit_users)
        teacher_states = None
        if deeper is not None:
            settings = self.training_config(run, **defaults, purpose="teacher")
            teacher = training.train(deeper, examples, settings, data.catalog, run)
            teacher_states = teacher.states_function(blocks)
        self.ranker = training.train(
            student,
            examples,
            self.training_config(run, **defaults, purpose="student"),
            data.catalog,
            run,
            heads=blocks,
            supervision_weight=config.supervision_weight,
            teacher_states=teacher_states,
            cosine_weight=config.cosine_weight,
        )
        return self.ranker.model

"""Any sequential or context-aware model of RecBole 1.2.1, by its name.

RecBole's trainer, loss, optimiser and negative sampling train RecBole's model on the training
interactions; the requests, the candidates and the choice of the best epoch are benchkit's.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from baselines.cf import recbole_data, recbole_models, recbole_shim
from baselines.cf.recbole_faster import faster_class
from baselines.cf.scoring import as_sequence, predict_candidates
from benchkit.errors import ConfigError
from benchkit.evaluation.validation_ndcg import mean_validation_ndcg
from benchkit.types import Capability, Prediction, Request, RunContext, TrainView

if TYPE_CHECKING:
    import torch

_FEATURES = ("genres", "categories", "category", "tags", "style")  # in the order they are used
_CELLS = 2**21  # scores computed at once: TransRec needs a vector for each of them


class RecBole:
    """A RecBole model as a Recommender.

    After each epoch the validation cases are predicted like test cases, and the weights of the
    epoch with the best NDCG@10 are kept. S3Rec is trained twice: `pretrain_epochs` (a parameter)
    on its self-supervised tasks, then `epochs` on the next item. A context-aware model (DeepFM)
    scores pairs of a user and a candidate and does not read the history.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset({"scores"})

    class Config(BaseModel):
        """Settings of a RecBole model.

        Raises:
            ConfigError: RecBole does not have the model or a parameter.
        """

        model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

        model: str
        """RecBole's name of the model."""
        epochs: PositiveInt = 30
        """Most epochs."""
        learning_rate: PositiveFloat = 1e-3
        """Learning rate of RecBole's optimiser."""
        train_batch_size: PositiveInt = 2048
        """Examples per step."""
        max_length: PositiveInt = 50
        """Newest items of a history that are read."""
        embedding_size: PositiveInt | None = None
        """Size of item vectors (hidden_size in RecBole's transformers); None: RecBole's default."""
        patience: PositiveInt = 5
        """Epochs in a row without a better validation score after which training stops."""
        validation_cases: PositiveInt = 5000
        """First validation cases, on which that score is computed."""
        item_column: str | None = None
        """Item text whose words are the item feature of a model that uses one. None: `genres`; for
        a model that needs a feature, categories, tags or styles where there are no genres."""
        parameters: dict[str, Any] = Field(default_factory=dict)
        """Other settings that RecBole has for the model."""

        @model_validator(mode="after")
        def _known(self) -> Self:
            recbole_models.check_model(self.model, self.parameters)
            return self

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainView, run: RunContext) -> None:
        """Train; raise ConfigError if RecBole, or an item text the model needs, is missing."""
        with recbole_shim.recbole_context(run.device):
            self._users = {user: code for code, user in enumerate(data.users)}
            self._items = data.catalog.index
            settings = self._settings(data, run)
            if self.config.model == "S3Rec":
                settings |= self._pretrain(data, run, settings)
            self._train(data, run, settings)

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        if recbole_models.is_sequential(self.config.model):
            size = min(256, 1 + _CELLS // len(self._items))
            return predict_candidates(
                requests, self._items, lambda batch: self._sort(batch, run.device), size
            )
        return self._score_pairs(requests, run.device)

    def _settings(self, data: TrainView, run: RunContext) -> dict[str, Any]:
        """Return RecBole's settings."""
        config = self.config
        model_settings = {**recbole_models.model_defaults(config.model), **config.parameters}
        column = self._item_column(data)
        settings = {
            "seed": int(run.generator("recbole").integers(2**31)),
            "device": run.device,
            "epochs": config.epochs,
            "learning_rate": config.learning_rate,
            "train_batch_size": config.train_batch_size,
            "MAX_ITEM_LIST_LENGTH": config.max_length,
            "stopping_step": config.patience - 1,  # RecBole stops once it is exceeded
            # RecBole refuses negatives beside a loss over the catalogue.
            "train_neg_sample_args": None if model_settings.get("loss_type") == "CE" else {},
            "checkpoint_dir": str(run.scratch),
            "save_step": sys.maxsize,  # pretraining epochs between two files
            "item_attribute": column,
            "selected_features": [column],
            **config.parameters,
        }
        if config.embedding_size is not None:
            settings[recbole_models.embedding_size_name(config.model)] = config.embedding_size
        return settings

    def _item_column(self, data: TrainView) -> str | None:
        """Return the item text to load: some models need one, context-aware ones can use it."""
        setting, model = self.config.item_column, self.config.model
        needed = recbole_models.needs_item_feature(model)
        if not needed and recbole_models.is_sequential(model):
            return None
        names = _FEATURES if needed else _FEATURES[:1]
        if setting is not None:
            names = (setting,)
        for name in names:
            if any(data.catalog.texts.get(name, ())):
                return name
        if needed or setting is not None:
            wanted = " or ".join(map(repr, names))
            raise ConfigError(
                f"RecBole model {model!r} needs an item feature, and dataset {data.name!r} has no"
                f" item text {wanted}",
                f"set item_column to one of {', '.join(data.catalog.texts)}",
            )
        return None

    def _pretrain(
        self, data: TrainView, run: RunContext, settings: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Train S3Rec's first stage; returns the settings of the second."""
        import torch

        self._train(data, run, {**settings, "train_stage": "pretrain"})
        path = run.scratch / "s3rec-pretrained.pth"
        torch.save({"state_dict": self._model.state_dict()}, path)
        return {"train_stage": "finetune", "pre_model_path": str(path)}

    def _train(self, data: TrainView, run: RunContext, settings: Mapping[str, Any]) -> None:
        """Train a new model, which is `self._model` from then on."""
        from recbole.utils import init_seed

        config = recbole_shim.make_config(self.config.model, settings)
        init_seed(config["seed"], reproducibility=True)
        loader = recbole_data.make_loader(config, data)
        network_class = faster_class(recbole_shim.model_class(self.config.model))
        network = network_class(config, loader.dataset)
        self._model: torch.nn.Module = network.to(config["device"])
        self._features = recbole_data.item_features(loader.dataset)
        pretrain = settings.get("train_stage") == "pretrain"
        stage = "pretraining epochs" if pretrain else "epochs"
        run.progress.start(stage, config["pretrain_epochs" if pretrain else "epochs"])
        trainer = recbole_shim.make_trainer(config, self._model, run.progress)
        trainer.fit(loader, None if pretrain else self._validation(data, run))

    def _validation(self, data: TrainView, run: RunContext) -> Callable[[], float] | None:
        """Return a function that computes NDCG@10 on the validation cases."""
        cases = data.validation[: self.config.validation_cases]
        requests = [case.request for case in cases]

        def ndcg() -> float:
            return mean_validation_ndcg(self.predict(requests, run), cases, 10)

        return ndcg if cases else None

    def _sort(self, requests: Sequence[Request], device: str) -> NDArray[np.float32]:
        """Score the catalogue, [b, n_items]."""
        columns = recbole_data.history_columns(
            requests, self._users, self._items, self.config.max_length
        )
        scores = self._ask("full_sort_predict", columns, device)
        return scores.reshape(len(requests), -1)[:, 1 : len(self._items) + 1]

    def _score_pairs(self, requests: Sequence[Request], device: str) -> Iterator[Prediction]:
        for start in range(0, len(requests), 64):
            batch = requests[start : start + 64]
            columns = recbole_data.pair_columns(batch, self._users, self._items, self._features)
            scores = self._ask("predict", columns, device).reshape(-1)
            ends = np.cumsum([len(request.candidates) for request in batch])
            for request, row in zip(batch, np.split(scores, ends[:-1]), strict=True):
                yield Prediction(request.case_id, as_sequence(row))

    def _ask(
        self, method: str, columns: dict[str, "torch.Tensor"], device: str
    ) -> NDArray[np.float32]:
        """Call one method of the model on the columns."""
        import torch

        with recbole_shim.recbole_context(device), torch.no_grad():
            from recbole.data.interaction import Interaction

            self._model.eval()
            scores: torch.Tensor = getattr(self._model, method)(Interaction(columns).to(device))
            return np.asarray(scores.cpu().numpy(), dtype=np.float32)

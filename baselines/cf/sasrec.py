"""SASRec: self-attention over the items of a user, predicting the next at every position.

Kang and McAuley, Self-Attentive Sequential Recommendation, ICDM 2018. Losses also from Petrov and
Macdonald, gSASRec, RecSys 2023; blocks also from LiGR and HSTU (`sequence_blocks`). The network is
in `sasrec_network`.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from baselines.cf.scoring import history_codes, predict_candidates
from baselines.cf.windows import Windows, batch_windows, cut_windows
from benchkit.errors import DataError
from benchkit.evaluation.validation_ndcg import mean_validation_ndcg
from benchkit.types import (
    Capability,
    Interactions,
    Prediction,
    Request,
    RunContext,
    TrainView,
    ValidationCase,
)

if TYPE_CHECKING:
    import torch

    from baselines.cf.sasrec_network import SASRecNetwork


class SASRec:
    """score(i) = state of the history . vector of item i.

    One forward pass over a sequence gives the loss of every next item in it. A sequence longer
    than `max_length` is cut into windows, elsewhere in each epoch; a window's first label is the
    item after its first input, so that each training interaction except the user's first is a
    label exactly once per epoch. The weights that predict are a running average of those trained,
    at the epoch with the best NDCG@10 on the validation cases or, without cases, the last epoch.
    Users need not be known from training; an empty history scores every item 0.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset({"scores", "cold_users"})

    class Config(BaseModel):
        """Settings of SASRec."""

        model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

        hidden: PositiveInt = 64
        """Size of item vectors and states."""
        layers: PositiveInt = 2
        """Blocks of the Transformer."""
        heads: PositiveInt = 2
        """Attention heads; divides hidden."""
        max_length: PositiveInt = 50
        """Newest items of a history that are read."""
        dropout: float = Field(default=0.2, ge=0, lt=1)
        """Dropout rate on the input and on each sublayer."""
        block: Literal["transformer", "ligr", "hstu"] = Field(
            default="transformer", exclude_if=lambda block: block == "transformer"
        )
        """What the network consists of: the paper's blocks, those of LiGR, gated, or of HSTU,
        whose attention is not normalised."""
        loss: Literal["bce", "gbce", "sampled-softmax", "cross-entropy"] = "cross-entropy"
        """Binary cross-entropy against sampled items (paper), its calibrated form, the softmax over
        sampled items, or over the catalogue."""
        negatives: PositiveInt | None = None
        """Items sampled uniformly for bce, per position, gbce, per window, and sampled-softmax, per
        batch. None: 1, 32 and 256; gbce with the 256 of its paper can stay at the scores of
        popularity for ten epochs."""
        calibration: float = Field(default=0.75, ge=0, le=1)
        """Calibration t of gbce."""
        learning_rate: PositiveFloat = 2e-3
        """Learning rate of Adam."""
        batch_size: PositiveInt = 1024
        """Next-item predictions per step, on average."""
        averaging: float = Field(default=0.99, ge=0, lt=1)
        """Decay per step of the running average of the weights; 0 for no averaging."""
        epochs: PositiveInt = 100
        """Most epochs."""
        patience: PositiveInt = 5
        """Epochs in a row without a better validation score after which training stops."""
        validation_cases: PositiveInt = 5000
        """First validation cases, on which that score is computed."""

        @model_validator(mode="after")
        def _heads_divide_hidden(self) -> Self:
            if self.hidden % self.heads:
                raise ValueError(f"heads ({self.heads}) must divide hidden ({self.hidden})")
            return self

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    def fit(self, data: TrainView, run: RunContext) -> None:
        """Train; raise DataError if no user has two training interactions."""
        config, rows = self.config, data.interactions
        if not (np.diff(rows.offsets) > 1).any():
            raise DataError(
                f"dataset {data.name!r}: no user has two training interactions to learn order from",
                "raise k_core, or use a method that does not need sequences",
            )
        self.index = data.catalog.index
        learner = self._network(run)
        self.network = copy.deepcopy(learner).requires_grad_(False)
        cases = data.validation[: config.validation_cases]
        best, best_weights, stale = -np.inf, self.network.state_dict(), 0
        run.progress.start("epochs", config.epochs)
        for loss in self._epochs(learner, rows, run):
            note = f"loss {loss:.3f}"
            if cases:
                score = self._ndcg(cases, run)
                note += f" ndcg@10 {score:.3f}"
                stale += 1
                if score > best:
                    best, stale = score, 0
                    best_weights = copy.deepcopy(self.network.state_dict())
            run.progress.advance(1, note=note)
            if stale >= config.patience:
                break
        if cases:
            self.network.load_state_dict(best_weights)

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        return predict_candidates(requests, self.index, self.score_items)

    def score_items(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """Score the catalogue, [b, n_items]."""
        states = self.user_states([history_codes(request, self.index) for request in requests])
        return (states @ self.item_embeddings.T).cpu().numpy()

    @property
    def item_embeddings(self) -> "torch.Tensor":
        """[n_items, hidden] item vectors, in the order of item codes."""
        return self.network.items

    def user_states(self, histories: Sequence[NDArray[np.integer]]) -> "torch.Tensor":
        """Compute states [b, hidden] after histories of item codes; 0 after an empty one."""
        import torch

        device = self.network.table.weight.device
        newest = [history[-self.config.max_length :] for history in histories]
        size = np.array([len(history) for history in newest])
        codes = np.full((len(newest), max(1, size.max(initial=0))), self.network.padding)
        for row, history in zip(codes, newest, strict=True):
            row[: len(history)] = history
        with torch.no_grad():
            states = self.network(torch.from_numpy(codes).to(device))
            last = torch.from_numpy(np.maximum(size - 1, 0)).to(device)
            final: torch.Tensor = states[torch.arange(len(newest), device=device), last]
            return final * torch.from_numpy(size > 0).to(device)[:, None]

    def _epochs(
        self, learner: "SASRecNetwork", rows: Interactions, run: RunContext
    ) -> Iterator[float]:
        """Train `learner`, let `self.network` follow, and yield each epoch's mean loss."""
        import torch

        config = self.config
        loss_of = self._loss(learner, rows.item, run)
        optimizer = torch.optim.Adam(learner.parameters(), lr=config.learning_rate, fused=True)
        rng = run.generator("sasrec", "windows")
        step = 0
        for _ in range(config.epochs):
            windows = cut_windows(rows.offsets, config.max_length, rng)
            total = torch.zeros((), device=run.device)
            for batch in batch_windows(windows, config.batch_size, rng):
                loss = loss_of(batch)
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                total += loss.detach() * int(batch.size.sum())
                # At first the average covers a ninth of the steps, whatever the decay, so that it
                # soon forgets the initial weights.
                step += 1
                weight = max(1.0 - config.averaging, 9.0 / (step + 9.0))
                for mean, new in zip(self.network.parameters(), learner.parameters(), strict=True):
                    mean.lerp_(new.detach(), weight)
            yield total.item() / int(windows.size.sum())

    def _network(self, run: RunContext) -> "SASRecNetwork":
        """Create a network; torch's global generator, from which layers draw, is preserved."""
        import torch

        from baselines.cf.sasrec_network import SASRecNetwork

        config = self.config
        with torch.random.fork_rng(devices=[]):
            network = SASRecNetwork(
                len(self.index), config.hidden, config.layers, config.heads, config.max_length,
                config.block,
            )  # fmt: skip
        return network.initialise(_torch_generator(run, "weights", "cpu")).to(run.device)

    def _loss(
        self, network: "SASRecNetwork", items: NDArray[np.int32], run: RunContext
    ) -> "Callable[[Windows], torch.Tensor]":
        """Return the mean loss over the next-item predictions of a batch of windows."""
        import torch

        from baselines.cf import sasrec_network
        from benchkit.lm.packing.cross_entropy import cross_entropy

        config, device, n_items = self.config, run.device, len(self.index)
        drop = partial(
            sasrec_network.dropout,
            rate=config.dropout,
            generator=_torch_generator(run, "dropout", device),
        )
        rng = run.generator("sasrec", "negatives")
        k = config.negatives or {"gbce": 32, "sampled-softmax": 256}.get(config.loss, 1)

        def tensor(values: NDArray[np.generic]) -> torch.Tensor:
            return torch.from_numpy(values).to(device)

        def loss_of(batch: Windows) -> torch.Tensor:
            rows, valid = batch.rows()
            inputs = np.where(valid, items[rows], network.padding)
            target = tensor(items[rows[valid] + 1].astype(np.int64))
            predicts = tensor(valid)
            states = network(tensor(inputs), drop)
            if config.loss == "cross-entropy":
                return cross_entropy(states[predicts], network.items, target)
            if config.loss == "sampled-softmax":
                sampled = tensor(rng.integers(n_items, size=k))
                return sasrec_network.sampled_softmax(
                    states[predicts], network.items, target, sampled, n_items
                )
            positive = (states[predicts] * network.table(target)).sum(dim=-1)
            if config.loss == "gbce":
                sampled = network.table(tensor(rng.integers(n_items, size=(len(rows), k))))
                negative = (states @ sampled.mT)[predicts]
                return sasrec_network.gbce(positive, negative, n_items, config.calibration)
            sampled = network.table(tensor(rng.integers(n_items, size=(len(target), k))))
            negative = (sampled @ states[predicts][..., None]).squeeze(-1)
            return sasrec_network.gbce(positive, negative, n_items, 0.0)

        return loss_of

    def _ndcg(self, cases: Sequence[ValidationCase], run: RunContext) -> float:
        """Compute mean NDCG@10 of the frozen candidates, with the expected rank of ties."""
        answers = self.predict([case.request for case in cases], run)
        return mean_validation_ndcg(answers, cases, 10)


def _torch_generator(run: RunContext, purpose: str, device: str) -> "torch.Generator":
    import torch

    seed = int(run.generator("sasrec", purpose).integers(2**63))
    return torch.Generator(device).manual_seed(seed)

"""What a preference method says of its loss, in words that need no framework to be loaded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Aggregate = Literal["logistic", "softmax", "plackett-luce", "squared"]


@dataclass(frozen=True)
class PairTerms:
    """What each pair is worth, as a number or a tensor.

    beta, margin: [b, k] (Plackett-Luce: beta a number, no margin). weight: [b, k], or for
    Plackett-Luce [b, 1 + k, 1 + k], of which the entries with row < column are used. smoothing:
    [b], at most one half. tau: of the squared loss. mask: [b] examples that count.
    """

    beta: "float | Tensor" = 1.0
    margin: "float | Tensor" = 0.0
    weight: "float | Tensor" = 1.0
    smoothing: "float | Tensor" = 0.0
    tau: float = 0.1
    mask: "Tensor | None" = None


@dataclass(frozen=True, slots=True)
class PreferenceExample:
    """A prompt and its responses as token ids, the chosen (or best) one first.

    item_tokens: how many of each response's last tokens name the item. reference: log-probability
    of each response under the reference model, None where the loss needs none.
    fields: what else the loss needs of each response, e.g. {"score": (6.0, 4.5, 2.0)}; a value is
    a number or a vector of fixed length.
    """

    key: str
    prompt: tuple[int, ...]
    responses: tuple[tuple[int, ...], ...]
    item_tokens: tuple[int, ...]
    reference: tuple[float, ...] | None = None
    fields: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.prompt) + sum(map(len, self.responses))


PairTermsFunction = Callable[[Mapping[str, "Tensor"], "Tensor", bool], PairTerms]


def constant_beta(beta: float) -> PairTermsFunction:
    """The same beta for all pairs, and nothing else."""
    return lambda fields, d, training: PairTerms(beta=beta)  # noqa: ARG005


@dataclass(frozen=True)
class PreferenceLoss:
    """Which loss of the family it is.

    pairs: what each pair is worth, given the fields of a batch ([b, 1 + k], or [b, 1 + k, size]),
    the utilities d (detached) and whether it is a training step. reference: whether utilities are
    log-ratios. scope: whether log-probabilities are summed over the response or over the item
    alone. nll: coefficient of the chosen response's likelihood. module: what else is trained, at
    `module_lr`. kept: of n examples, how many count.
    """

    aggregate: Aggregate
    pairs: PairTermsFunction
    reference: bool = True
    length_normalised: bool = False
    scope: Literal["full", "item"] = "full"
    nll: float = 0.0
    nll_reduction: Literal["token_mean", "sequence_sum"] = "token_mean"
    module: "torch.nn.Module | None" = None
    module_lr: float = 1e-4
    effective_size: Callable[[int], int] = int

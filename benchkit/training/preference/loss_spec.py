"""The description of a preference loss by its method; loads no framework.

See `preference.loss` for the formulas. A new method returns a `PreferenceLoss` from `make_loss`:

    PreferenceLoss("logistic", constant_beta(0.1))  # DPO

or, with values that depend on the batch, from a function of its own:

    def pairs(fields, d, training):
        return PairTerms(beta=0.1, margin=fields["margin"][:, 1:])

    PreferenceLoss("softmax", pairs)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Aggregate = Literal["logistic", "softmax", "plackett-luce", "squared"]


@dataclass(frozen=True)
class PairTerms:
    """The terms of the pairs in a batch of b prompts with k rejected responses each.

    A pair is the chosen and one rejected response, or under Plackett-Luce any two responses.
    """

    beta: "float | Tensor" = 1.0
    """Scale beta of the utilities: a number or [b, k]; a number under Plackett-Luce."""
    margin: "float | Tensor" = 0.0
    """Lead m that the chosen response must have: a number or [b, k]; not under Plackett-Luce."""
    weight: "float | Tensor" = 1.0
    """Factor w of the gap: a number or [b, k]; under Plackett-Luce [b, 1 + k, 1 + k], of which the
    entries above the diagonal are used."""
    smoothing: "float | Tensor" = 0.0
    """Probability that a pair is labelled the wrong way round: a number or [b], at most 0.5."""
    tau: float = 0.1
    """Temperature of the squared loss (IPO)."""
    mask: "Tensor | None" = None
    """[b] 1 for examples that count and 0 for others; None if all count."""


@dataclass(frozen=True, slots=True)
class PreferenceExample:
    """A prompt and its responses as token ids, the chosen (or best) response first."""

    key: str
    prompt: tuple[int, ...]
    responses: tuple[tuple[int, ...], ...]
    item_tokens: tuple[int, ...]
    """How many of each response's last tokens name the item."""
    reference: tuple[float, ...] | None = None
    """Log-probability of each response under the reference model; None if the loss needs none."""
    fields: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """What else the loss needs of each response, for example {"score": (6.0, 4.5, 2.0)}. A value
    is a number or a vector of fixed length."""

    def __len__(self) -> int:
        return len(self.prompt) + sum(map(len, self.responses))


PairTermsFunction = Callable[[Mapping[str, "Tensor"], "Tensor", bool], PairTerms]


def constant_beta(beta: float) -> PairTermsFunction:
    """Return pair terms with the same beta for all pairs and nothing else."""
    return lambda fields, d, training: PairTerms(beta=beta)  # noqa: ARG005


@dataclass(frozen=True)
class PreferenceLoss:
    """Everything that distinguishes one preference loss from another."""

    aggregate: Aggregate
    """How the pairs of a prompt are combined; see `preference.loss`."""
    pairs: PairTermsFunction
    """Returns the pair terms, given the fields of a batch ([b, 1 + k] or [b, 1 + k, size]), the
    detached utilities d [b, 1 + k], and whether this is a training step."""
    reference: bool = True
    """Whether utilities are log-ratios to the reference model, or plain log-probabilities."""
    length_normalised: bool = False
    """Whether utilities are divided by the number of tokens."""
    scope: Literal["full", "item"] = "full"
    """Whether log-probabilities are summed over the whole response or the item's tokens only."""
    nll: float = 0.0
    """Coefficient of the chosen response's negative log-likelihood."""
    nll_reduction: Literal["token_mean", "sequence_sum"] = "token_mean"
    """How that likelihood is reduced over tokens."""
    module: "torch.nn.Module | None" = None
    """A module trained beside the model, or None."""
    module_lr: float = 1e-4
    """Learning rate of the module."""
    effective_size: Callable[[int], int] = int
    """Maps n examples to the number of them that count, by which the loss is divided."""

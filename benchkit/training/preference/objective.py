"""Preference training as an objective of the trainer: responses share a prompt, any loss."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchkit.lm import shared_prefix as sp
from benchkit.training.distributed.collectives import all_gather
from benchkit.training.preference.loss import (
    ResponseLogprobs,
    chosen_nll,
    preference_loss,
    response_utilities,
)
from benchkit.training.preference.loss_spec import PairTerms, PreferenceExample, PreferenceLoss

_Gathered = tuple[Mapping[str, Tensor], Tensor, Tensor]


@dataclass
class PreferenceObjective:
    """A preference loss for the trainer; each example counts the same."""

    loss_spec: PreferenceLoss
    pad: int = 0
    """Token id of padding."""
    log: Path | None = None
    """Gets one JSON object per micro-batch with margins and weights; None for no log."""
    step: int = 0
    """Steps done before; after an interruption, some steps are done and logged again."""
    packs = True

    @property
    def module(self) -> torch.nn.Module | None:
        """The module trained beside the model, or None."""
        return self.loss_spec.module

    @property
    def module_lr(self) -> float:
        return self.loss_spec.module_lr

    def context(self, model: Any) -> AbstractContextManager[None]:
        """Let the responses of the model's batches share their prompt."""
        return sp.use_shared_prefix(model)

    def size(self, example: PreferenceExample) -> int:
        return len(example)

    def collate(self, examples: Sequence[PreferenceExample]) -> dict[str, Tensor]:
        """Build the tensors of a batch; the field `name` becomes `field:name`."""
        packed = sp.pack_batch(
            [e.prompt for e in examples], [e.responses for e in examples], self.pad
        )
        k = packed.max_responses
        batch = {
            "input_ids": packed.input_ids,
            "position_ids": packed.position_ids,
            "target": packed.target,
            "block": packed.layout.block,
            "prompt": packed.layout.prompt,
            "counted": _counted(examples, packed.target.shape[1], self.loss_spec.scope),
            "lengths": _padded([_lengths(e, self.loss_spec.scope) for e in examples], k).long(),
            "present": _padded([[1.0] * len(e.responses) for e in examples], k).bool(),
        }
        if self.loss_spec.reference:
            batch["reference"] = _padded([e.reference or () for e in examples], k)
        for name in examples[0].fields:
            batch[f"field:{name}"] = _padded([e.fields[name] for e in examples], k)
        return batch

    def normalizer(self, batch: Mapping[str, Tensor]) -> float:
        return float(self.loss_spec.effective_size(len(batch["prompt"])))

    def loss(self, model: Any, batch: Mapping[str, Tensor]) -> Tensor:
        spec, training = self.loss_spec, torch.is_grad_enabled()
        responses = self.responses(model, batch)
        d = response_utilities(responses, spec.length_normalised)
        fields = {n.partition(":")[2]: v for n, v in batch.items() if n.startswith("field:")}
        pairs = self.pairs(fields, d.detach(), responses.present, training)
        each = preference_loss(d, responses.present, spec.aggregate, pairs)
        if spec.nll:
            each = each + spec.nll * chosen_nll(responses, spec.nll_reduction)
        return each.sum()

    def pairs(
        self, fields: Mapping[str, Tensor], d: Tensor, present: Tensor, training: bool
    ) -> PairTerms:
        """Return the pair terms of a micro-batch; log them in a training step."""
        pairs = self.loss_spec.pairs(fields, d, training)
        if training:
            self.record(fields, d, present, pairs)
        return pairs

    def record(
        self, fields: Mapping[str, Tensor], d: Tensor, present: Tensor, pairs: PairTerms
    ) -> None:
        """Add a line to the log."""
        if self.log is not None:
            line = batch_diagnostics(d, present, pairs, fields)
            with self.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": self.step, **line}) + "\n")

    def responses(self, model: Any, batch: Mapping[str, Tensor]) -> ResponseLogprobs:
        """Compute the log-probabilities of a batch's responses; call it inside `context`."""
        packed = sp.batch_from_tensors(batch, batch["present"].shape[1])
        policy = sp.sum_per_response(
            packed, sp.response_token_logprobs(model, packed) * batch["counted"]
        )
        reference = batch.get("reference")
        return ResponseLogprobs(policy, batch["lengths"], batch["present"], reference)

    def for_rank(self, rank: int) -> "PreferenceObjective":
        """Return the objective of one of several processes."""
        return DistributedPreferenceObjective(self.loss_spec, self.pad, self.log, self.step, rank)


@dataclass
class DistributedPreferenceObjective(PreferenceObjective):
    """The objective of one of several processes.

    Every process sees the utilities of all micro-batches, in the order in which a single process
    would compute them. So running averages that a method keeps (beta-DPO) are the same everywhere
    and equal those of a single process. Rank 0 writes the log for all.
    """

    rank: int = 0
    idle: bool = False
    """Whether the current micro-batch is not one of the step's and counts for nothing."""
    self_updating: bool = False
    """Whether the method changes its module's parameters itself."""

    def pairs(
        self, fields: Mapping[str, Tensor], d: Tensor, present: Tensor, training: bool
    ) -> PairTerms:
        if not training:
            return self.loss_spec.pairs(fields, d, False)
        versions = self._versions()
        local = None if self.idle else _move(torch.device("cpu"), fields, d, present)
        own_pairs: PairTerms | None = None
        for rank, gathered in enumerate(all_gather(local)):
            if gathered is None:
                continue
            if rank == self.rank:
                inputs: _Gathered = (fields, d, present)
                own_pairs = pairs = self.loss_spec.pairs(fields, d, True)
            else:
                inputs = _move(d.device, *gathered)
                with torch.no_grad():
                    pairs = self.loss_spec.pairs(*inputs[:2], True)
            if self.rank == 0:
                self.record(*inputs, pairs)
        self.self_updating = self._versions() != versions
        return self.loss_spec.pairs(fields, d, False) if own_pairs is None else own_pairs

    def _versions(self) -> list[int]:
        return [] if self.module is None else [p._version for p in self.module.parameters()]


def _lengths(example: PreferenceExample, scope: str) -> list[int]:
    if scope == "item":
        return list(example.item_tokens)
    return [len(response) for response in example.responses]


def _counted(examples: Sequence[PreferenceExample], width: int, scope: str) -> Tensor:
    """Return [b, width] 1 for the tokens whose log-probability counts, else 0."""
    counted = torch.ones(len(examples), width)
    if scope == "item":
        for row, example in enumerate(examples):
            at = 0
            for response, item in zip(example.responses, example.item_tokens, strict=True):
                counted[row, at : at + len(response) - item] = 0
                at += len(response)
    return counted


def _padded(rows: Sequence[Sequence[Any]], k: int) -> Tensor:
    """Return [b, k] or [b, k, size] float32, 0 where a row has fewer than k values."""
    first = next((np.asarray(row[0]) for row in rows if len(row)), np.asarray(0.0))
    table = np.zeros((len(rows), k, *first.shape), dtype=np.float32)
    for index, row in enumerate(rows):
        if len(row):
            table[index, : len(row)] = np.asarray(row, dtype=np.float32)
    return torch.from_numpy(table)


def _move(
    device: torch.device, fields: Mapping[str, Tensor], d: Tensor, present: Tensor
) -> _Gathered:
    moved = {name: value.to(device) for name, value in fields.items()}
    return moved, d.to(device), present.to(device)


def batch_diagnostics(
    d: Tensor, present: Tensor, pairs: PairTerms, fields: Mapping[str, Tensor]
) -> dict[str, Any]:
    """Summarise a micro-batch for the log.

    Args:
        d: [b, 1 + k] utilities.
        present: [b, 1 + k] whether there is a response.
        pairs: Terms of the pairs.
        fields: Fields of the batch.

    Returns:
        `margin`: mean lead of the chosen response over each rejected one; `leads`: share of pairs
        in which it leads; `beyond_10`: share of utilities with |beta d| > 10; `beta`: its mean.
        If the loss has scores and weights: `score_gap` and `weight` of all pairs of responses,
        b (1 + k) k / 2 values in a row, None where a response is absent.
    """
    has_rejected = present[:, 1:]
    lead = d[:, :1] - d[:, 1:]
    beta = pairs.beta
    if isinstance(beta, Tensor):
        beta = float(beta.expand_as(lead)[has_rejected].mean())
    line: dict[str, Any] = {
        "margin": [
            _round(column[mask].mean())
            for column, mask in zip(lead.T, has_rejected.T, strict=True)
            if mask.any()
        ],
        "leads": _round((lead > 0)[has_rejected].float().mean()),
        "beyond_10": _round(((beta * d).abs() > 10)[present].float().mean()),
        "beta": round(beta, 6),
    }
    if isinstance(pairs.weight, Tensor) and "score" in fields:
        score = fields["score"]
        upper = torch.triu(torch.ones(d.shape[1], d.shape[1], device=d.device), 1).bool()
        both = (present[:, :, None] & present[:, None, :])[:, upper].flatten()
        gap = score[:, :, None] - score[:, None, :]
        for name, values in (("score_gap", gap), ("weight", pairs.weight.detach())):
            line[name] = [
                _round(value) if is_pair else None
                for value, is_pair in zip(values[:, upper].flatten(), both, strict=True)
            ]
    return line


def _round(value: Tensor) -> float:
    return round(float(value), 6)

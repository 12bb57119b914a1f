"""Preference training as an objective of the trainer: one shared prompt, any loss of the family."""

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
from benchkit.training.preference.loss import (
    ResponseLogprobs,
    chosen_nll,
    preference_loss,
    response_utilities,
)
from benchkit.training.preference.loss_spec import PairTerms, PreferenceExample, PreferenceLoss


@dataclass
class PreferenceObjective:
    """What the trainer asks of a loss: examples are weighed alike, K responses share a prompt.

    log: a file that gets one JSON object a micro-batch with margins and weights, or None. step:
    how many steps were done before; after an interruption, some are done and logged again.
    """

    loss_spec: PreferenceLoss
    pad: int = 0
    log: Path | None = None
    step: int = 0

    @property
    def module(self) -> torch.nn.Module | None:
        """Trained beside the model, with a learning rate of its own."""
        return self.loss_spec.module

    @property
    def module_lr(self) -> float:
        return self.loss_spec.module_lr

    def context(self, model: Any) -> AbstractContextManager[None]:
        """How the model has to attend while it is trained."""
        return sp.use_shared_prefix(model)

    def size(self, example: PreferenceExample) -> int:
        return len(example)

    def collate(self, examples: Sequence[PreferenceExample]) -> dict[str, Tensor]:
        """Tensors of a batch; with `field:` before its name what a field holds."""
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
        family, training = self.loss_spec, torch.is_grad_enabled()
        responses = self.responses(model, batch)
        d = response_utilities(responses, family.length_normalised)
        fields = {n.partition(":")[2]: v for n, v in batch.items() if n.startswith("field:")}
        pairs = self.pairs(fields, d.detach(), responses.present, training)
        each = preference_loss(d, responses.present, family.aggregate, pairs)
        if family.nll:
            each = each + family.nll * chosen_nll(responses, family.nll_reduction)
        return each.sum()

    def pairs(
        self, fields: Mapping[str, Tensor], d: Tensor, present: Tensor, training: bool
    ) -> PairTerms:
        """What each pair of a micro-batch is worth; in a training step it is written down, too."""
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
        """What the model says of a batch's responses; inside `around`."""
        packed = sp.batch_from_tensors(batch, batch["present"].shape[1])
        policy = sp.sum_per_response(
            packed, sp.response_token_logprobs(model, packed) * batch["counted"]
        )
        reference = batch.get("reference")
        return ResponseLogprobs(policy, batch["lengths"], batch["present"], reference)


def _lengths(example: PreferenceExample, scope: str) -> list[int]:
    if scope == "item":
        return list(example.item_tokens)
    return [len(response) for response in example.responses]


def _counted(examples: Sequence[PreferenceExample], width: int, scope: str) -> Tensor:
    """[b, width] 1 for the tokens whose log-probability counts."""
    counted = torch.ones(len(examples), width)
    if scope == "item":
        for row, example in enumerate(examples):
            at = 0
            for response, item in zip(example.responses, example.item_tokens, strict=True):
                counted[row, at : at + len(response) - item] = 0
                at += len(response)
    return counted


def _padded(rows: Sequence[Sequence[Any]], k: int) -> Tensor:
    """[b, k] or [b, k, size] float32; 0 where a row has fewer than k values."""
    first = next((np.asarray(row[0]) for row in rows if len(row)), np.asarray(0.0))
    table = np.zeros((len(rows), k, *first.shape), dtype=np.float32)
    for place, row in enumerate(rows):
        if len(row):
            table[place, : len(row)] = np.asarray(row, dtype=np.float32)
    return torch.from_numpy(table)


def batch_diagnostics(
    d: Tensor, present: Tensor, pairs: PairTerms, fields: Mapping[str, Tensor]
) -> dict[str, Any]:
    """What a step's line of the log says of a micro-batch.

    d, present: [b, 1 + k] utilities, and which responses there are. Gives the mean lead of the
    chosen response over each rejected one (`margin`), the share of pairs in which it leads, the
    share of utilities with |beta d| > 10, and, where a loss has both, score gaps and weights of all
    pairs of responses, [b, (1 + k) k / 2] in a row; None where one of the two is absent.
    """
    here = present[:, 1:]
    lead = d[:, :1] - d[:, 1:]
    beta = pairs.beta
    if isinstance(beta, Tensor):
        beta = float(beta.expand_as(lead)[here].mean())
    line: dict[str, Any] = {
        "margin": [
            _rounded(own[kept].mean())
            for own, kept in zip(lead.T, here.T, strict=True)
            if kept.any()
        ],
        "leads": _rounded((lead > 0)[here].float().mean()),
        "beyond_10": _rounded(((beta * d).abs() > 10)[present].float().mean()),
        "beta": round(beta, 6),
    }
    if isinstance(pairs.weight, Tensor) and "score" in fields:
        score = fields["score"]
        upper = torch.triu(torch.ones(d.shape[1], d.shape[1], device=d.device), 1).bool()
        both = (present[:, :, None] & present[:, None, :])[:, upper].flatten()
        gap = score[:, :, None] - score[:, None, :]
        for name, values in (("score_gap", gap), ("weight", pairs.weight.detach())):
            line[name] = [
                _rounded(value) if there else None
                for value, there in zip(values[:, upper].flatten(), both, strict=True)
            ]
    return line


def _rounded(value: Tensor) -> float:
    return round(float(value), 6)

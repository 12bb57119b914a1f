"""Log-probabilities of responses under the reference model, computed once and cached."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchkit import io
from benchkit.files.checksums import discard_damaged, find_file_damage, seal_file
from benchkit.fingerprint import hash_json, package_versions
from benchkit.lm.packing.kernels import forced_kernel
from benchkit.lm.timing import find_cost_damage, record_stage_cost
from benchkit.source_hash import hash_sources
from benchkit.training.core.config import Precision
from benchkit.training.core.examples import hash_examples
from benchkit.training.core.training_context import autocast
from benchkit.training.core.weights import weights_hash
from benchkit.training.preference.loss_spec import PreferenceExample
from benchkit.training.preference.objective import PreferenceObjective
from benchkit.training.sft import PACKAGES
from benchkit.types import RunContext


def add_reference_logprobs(
    model: Any,
    examples: Sequence[PreferenceExample],
    objective: PreferenceObjective,
    precision: Precision,
    run: RunContext,
    batch_tokens: int = 8192,
) -> list[PreferenceExample]:
    """Return `examples` with the log-probabilities of their responses under `model`.

    They are cached under a hash of the model's weights, the examples and everything else that can
    change a digit; a damaged file is made again.

    Args:
        model: The reference, in its current state.
        examples: Preferences as token ids.
        objective: Its scope decides which tokens count.
        precision: That of the training, so that policy and reference agree at the first step.
        run: Device, threads, cache and progress.
        batch_tokens: Most tokens of a batch, including padding.
    """
    key = hash_json(
        {
            "model": weights_hash(model),
            "examples": hash_examples(examples),
            "of": objective.loss_spec.scope,
            "run": [precision, run.device, run.threads, forced_kernel()],
            "packages": package_versions(PACKAGES),
            "code": hash_sources(Path(__file__)),
        }
    )
    path = run.cache / "reference" / f"{key}.npy"
    record = path.with_suffix(".json")
    if path.exists() and (damage := find_file_damage(path) or find_cost_damage(record)):
        discard_damaged(path, damage, run.progress)
        record.unlink(missing_ok=True)
    with record_stage_cost(run, "reference", record):
        if path.is_file():
            table = np.load(path)
        else:
            table = _compute(model, examples, objective, precision, run, batch_tokens)
            with io.replace_file(path) as temporary:
                with temporary.open("wb") as file:  # numpy would add an ending to a path
                    np.save(file, table)
                seal_file(path, temporary)
    return [
        replace(example, reference=tuple(row[: len(example.responses)].tolist()))
        for example, row in zip(examples, table, strict=True)
    ]


def _compute(
    model: Any,
    examples: Sequence[PreferenceExample],
    objective: PreferenceObjective,
    precision: Precision,
    run: RunContext,
    batch_tokens: int,
) -> np.ndarray:
    """Compute [n, most responses] log-probabilities, 0 where an example has fewer responses."""
    plain = PreferenceObjective(replace(objective.loss_spec, reference=False, module=None))
    width = max(len(example.responses) for example in examples)
    table = np.zeros((len(examples), width), dtype=np.float32)
    order = sorted(range(len(examples)), key=lambda i: len(examples[i]))
    run.progress.start("reference", len(examples))
    model.eval()
    with torch.inference_mode(), plain.context(model), autocast(precision, run.device):
        batch: list[int] = []
        for position, row in enumerate(order):
            batch.append(row)
            last = position == len(order) - 1
            if not last and len(examples[order[position + 1]]) * (len(batch) + 1) <= batch_tokens:
                continue
            tensors = plain.collate([examples[i] for i in batch])
            moved = {name: value.to(run.device) for name, value in tensors.items()}
            logprobs = plain.responses(model, moved).policy.float().cpu().numpy()
            table[batch, : logprobs.shape[1]] = logprobs
            run.progress.advance(len(batch))
            batch = []
    return table

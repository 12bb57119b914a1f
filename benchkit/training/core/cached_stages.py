"""Stages that several runs share: the fine-tuned start, and what the reference model says."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from benchkit import io
from benchkit.fingerprint import hash_json, package_versions
from benchkit.lm.timing import record_stage_cost
from benchkit.training.core.config import Precision, TrainConfig
from benchkit.training.core.examples import Example
from benchkit.training.core.sft import train_sft
from benchkit.training.core.training_context import autocast
from benchkit.training.preference.loss_spec import PreferenceExample
from benchkit.training.preference.objective import PreferenceObjective
from benchkit.types import RunContext

_PACKAGES = ("torch", "transformers", "peft", "accelerate")


def load_or_train_sft(
    model: Any,
    examples: Sequence[Example],
    config: TrainConfig,
    run: RunContext,
    validation: Sequence[Example] | None = None,
) -> Any:
    """`train_sft`, once for all runs of a store that ask for the same.

    The same is: the model's weights, the examples, the settings, seed, device and threads. Another
    run that asks meanwhile waits.
    """
    key = hash_json(
        {
            "model": weights_hash(model),
            "examples": [_hash(examples), _hash(validation or ())],
            "config": config.model_dump(mode="json"),
            "run": [run.seed, run.device, run.threads],
            "packages": package_versions(_PACKAGES),
        }
    )
    folder = run.cache / "sft" / key
    with io.wrap_io_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    since = time.perf_counter()
    with FileLock(folder / "lock"), record_stage_cost(run, "sft", folder / "seconds.json", since):
        return train_sft(
            model, examples, config, replace(run, scratch=folder), validation=validation
        )


def add_reference_logprobs(
    model: Any,
    examples: Sequence[PreferenceExample],
    objective: PreferenceObjective,
    precision: Precision,
    run: RunContext,
    batch_tokens: int = 8192,
) -> list[PreferenceExample]:
    """`examples` with what `model`, as it is now, says of their responses.

    precision: that of the training, so that at its first step policy and reference are the same.
    Computed once and kept under a hash of the model's weights, the examples and all else that can
    change a digit.
    """
    key = hash_json(
        {
            "model": weights_hash(model),
            "examples": _hash(examples),
            "of": objective.loss_spec.scope,
            "run": [precision, run.device, run.threads],
            "packages": package_versions(_PACKAGES),
        }
    )
    path = run.cache / "reference" / f"{key}.npy"
    k = max(len(example.responses) for example in examples)
    with record_stage_cost(run, "reference", path.with_suffix(".json")):
        if path.is_file():
            table = np.load(path)
        else:
            table = _reference(model, examples, objective, precision, run, batch_tokens, k)
            with io.wrap_io_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(f"{key}.{run.seed}.part.npy")
                np.save(part, table)
                io.move_into_place(part, path)
    return [
        replace(example, reference=tuple(row[: len(example.responses)].tolist()))
        for example, row in zip(examples, table, strict=True)
    ]


def _reference(
    model: Any,
    examples: Sequence[PreferenceExample],
    objective: PreferenceObjective,
    precision: Precision,
    run: RunContext,
    batch_tokens: int,
    k: int,
) -> np.ndarray:
    bare = PreferenceObjective(replace(objective.loss_spec, reference=False, module=None))
    table = np.zeros((len(examples), k), dtype=np.float32)
    order = sorted(range(len(examples)), key=lambda i: len(examples[i]))
    run.progress.start("reference", len(examples))
    model.eval()
    with torch.inference_mode(), bare.context(model), autocast(precision, run.device):
        batch: list[int] = []
        for place, row in enumerate(order):
            batch.append(row)
            last = place == len(order) - 1
            if not last and len(examples[order[place + 1]]) * (len(batch) + 1) <= batch_tokens:
                continue
            tensors = bare.collate([examples[i] for i in batch])
            there = {name: value.to(run.device) for name, value in tensors.items()}
            found = bare.responses(model, there).policy.float().cpu().numpy()
            table[batch, : found.shape[1]] = found
            run.progress.advance(len(batch))
            batch = []
    return table


def weights_hash(model: Any) -> str:
    """32 hexadecimal digits of all parameters, names and values."""
    text = hashlib.blake2b(digest_size=16)
    for name, parameter in sorted(model.named_parameters()):
        text.update(f"{name} {tuple(parameter.shape)} {parameter.dtype}\n".encode())
        text.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return text.hexdigest()


def _hash(examples: Sequence[Any]) -> str:
    text = hashlib.blake2b(digest_size=16)
    for example in examples:
        text.update(repr(example).encode())
    return text.hexdigest()

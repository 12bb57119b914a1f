"""Does measurements one after another, and writes a line before and after each.

A process of its own: should one of them take it down, the others go on in another process.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.gpu import inference, training
from tests.benchmarks.gpu.bench import Bench
from tests.benchmarks.gpu.models import count_parameters, model_config
from tests.benchmarks.gpu.plan import KINDS, SIZES, TOY_SIZES, Measurement

TASKS: dict[str, Callable[[Bench, str], dict[str, Any]]] = {
    "scoring": inference.scoring, "sampling": inference.sampling, "rollouts": inference.rollouts,
    "preference": training.preference, "sft": training.sft,
}  # fmt: skip


def work(measurements: Sequence[Measurement], file: Path, toy: bool, deadline: float) -> None:
    """Do the measurements that fit before `deadline` (of `time.time`)."""
    if not (toy or torch.cuda.is_available()):
        raise SystemExit("there is no GPU that PyTorch can use; --toy runs on a CPU")
    device = "cpu" if toy else "cuda:0"
    bench: Bench | None = None

    def write(**line: Any) -> None:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")

    write(environment=_environment(device))
    for each in measurements:
        left = deadline - time.time()
        if left < (1 if toy else each.needed_seconds):
            reason = f"{max(0, left):.0f} s are left, it takes about {each.needed_seconds} s"
            write(name=each.name, status="skipped", reason=reason)
            continue
        write(begins=each.name)
        if bench is None or bench.kind != each.kind:
            if bench is not None:
                bench.drop_model()
            bench = Bench(each.kind, toy, device, TOY_SIZES if toy else SIZES)
        write(name=each.name, **attempt(TASKS[each.task], bench, each.way))
        bench.free_memory()
        if device != "cpu":
            torch.cuda.synchronize()  # a device that has failed ends this process
        if each.way == "vllm":
            break  # it keeps its memory; what is left is done in another process


def attempt(task: Callable[[Bench, str], dict[str, Any]], bench: Bench, way: str) -> dict[str, Any]:
    """Do one measurement; return its figures, or why there are none."""
    try:
        return {"status": "measured", **task(bench, way)}
    except Exception as error:  # each library raises its own
        reason = _reason(error)
    bench.drop_model()  # whatever has been half done to it
    return {"status": "failed", "reason": reason}


def _reason(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed"
    message = next(iter(str(error).strip().splitlines()), "")
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return f"out of memory: {message}"
    return f"{type(error).__name__}: {message}"


def _environment(device: str) -> dict[str, Any]:
    models = {}
    for kind in KINDS:
        toy = device == "cpu"
        config = model_config(kind, toy).to_dict()
        names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers")
        names += ("num_attention_heads", "num_key_value_heads", "head_dim", "sliding_window")
        models[kind] = {"parameters": count_parameters(kind, toy)}
        models[kind] |= {name: config.get(name) for name in names}
    environment: dict[str, Any] = {"device": "cpu", "dtype": "bfloat16", "models": models}
    if device != "cpu":
        properties = torch.cuda.get_device_properties(0)
        environment |= {
            "device": properties.name,
            "device_memory_mb": properties.total_memory // 2**20,
            "compute_capability": list(torch.cuda.get_device_capability(0)),
            "cuda": torch.version.cuda,
        }
    return environment

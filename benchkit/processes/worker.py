"""The process in which a recommender is constructed, fitted and asked.

It gets training data and questions, and never an answer or a path to one. Nothing here can be
relied on by the harness: a method may change this code while it runs.
"""

import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchkit import cards
from benchkit.cards import Card
from benchkit.data.request_batch import PackedTrainData, RequestBatch
from benchkit.errors import BenchkitError, ConfigError, StoreError
from benchkit.evaluation.predict import as_sampler
from benchkit.io import disk_error
from benchkit.key_access import check_keys
from benchkit.lm.generation_cache import ask_again_since
from benchkit.processes.threads import limit_threads
from benchkit.processes.wire import Channel, ChannelClosedError, pack_prediction, plain
from benchkit.types import Catalog, Recommender, Request, RunContext

_FLUSH_SECONDS = 0.2  # answers wait at most so long to be sent
_FLUSH_COUNT = 256
_LONGEST_TRACE = 20_000  # characters


@dataclass(frozen=True)
class MethodStart:
    """What a recommender's process is begun with."""

    card: Card
    config: Mapping[str, Any]
    """Settings beside those of the card."""
    seed: int
    catalog: Catalog
    scratch: Path
    cache: Path
    artifacts: Path
    device: str
    threads: int
    decoding: Mapping[str, float]
    answers_since: float
    """Older stored answers of language models do not count."""


class ChannelProgress:
    """The `Progress` of a run whose log and screen are the harness's."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def start(self, what: str, total: int | None = None) -> None:
        self._channel.send("stage", plain(what), plain(total))

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._channel.send("advance", plain(steps), plain(note))


def serve(channel: Channel) -> None:
    """Do what the harness asks for, until it closes the channel."""
    try:
        kind, *arguments = channel.receive()
        if kind == "inspect":
            channel.send("description", *inspect_method(*arguments))
        elif kind == "start":
            _serve_run(channel, *arguments)
    except ChannelClosedError:
        return
    except BaseException as error:  # sys.exit of a method, too
        channel.send("failed", *error_fields(error))


def _serve_run(channel: Channel, start: MethodStart, data: PackedTrainData) -> None:
    recommender = cards.construct_recommender(
        start.card, cards.build_config(start.card, start.config)
    )
    run = RunContext(
        seed=start.seed,
        catalog=start.catalog,
        scratch=start.scratch,
        progress=ChannelProgress(channel),
        cache=start.cache,
        device=start.device,
        threads=start.threads,
        artifacts=start.artifacts,
        decoding=start.decoding,
    )
    needs_torch = "torch" in start.card.packages
    with ask_again_since(start.answers_since), limit_threads(start.threads, needs_torch):
        recommender.fit(data.unpack(), run)
        channel.send("fitted", *_describe_costs(run))
        while True:
            kind, requests = channel.receive()
            if isinstance(requests, RequestBatch):
                requests = list(requests.bind(start.catalog.ids))
            _answer(channel, recommender, kind, requests, run)


def _answer(
    channel: Channel, recommender: Recommender, kind: str, requests: list[Request], run: RunContext
) -> None:
    """Send the answers to a slice of questions as they come, a few at a time."""
    answers: Iterable[object] = (
        as_sampler(recommender).sample(requests, run)
        if kind == "sample"
        else recommender.predict(requests, run)
    )
    packed: list[Any] = []
    last = time.monotonic()
    for prediction in answers:
        packed.append(pack_prediction(prediction))
        is_due = len(packed) >= _FLUSH_COUNT or time.monotonic() - last >= _FLUSH_SECONDS
        if is_due or _may_be_fault(prediction):  # too many faults end the run
            channel.send("answers", packed)
            packed, last = [], time.monotonic()
    channel.send("answers", packed)
    channel.send("answered", *_describe_costs(run))


def _may_be_fault(prediction: object) -> bool:
    """Return whether the harness may count the answer as a fault: whether any part is not "ok"."""
    samples = getattr(prediction, "samples", ())
    return any(getattr(answer, "status", "ok") != "ok" for answer in (prediction, *samples))


def _describe_costs(run: RunContext) -> tuple[dict[str, list[float]], float, float]:
    """Return what the stages of `fit` cost, and the most memory in use so far, in MB: of the
    machine, and of its GPU."""
    import resource

    stages = {plain(name): plain(list(cost)) for name, cost in run.stages.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return stages, peak, measure_gpu_peak(run.device)


def measure_gpu_peak(device: str) -> float:
    """Return the most memory of a GPU that PyTorch has reserved in this process, in MB.

    It is 0 where nothing was computed there; PyTorch is not loaded for this.
    """
    torch = sys.modules.get("torch")
    if torch is None or not device.startswith("cuda") or not torch.cuda.is_initialized():
        return 0.0
    return float(torch.cuda.max_memory_reserved(device)) / 2**20


def inspect_method(card: Card, config: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what planning has to know of a method: see `inspection.MethodDescription`."""
    settings = cards.build_config(card, config)
    check_keys(settings)  # before anything is sent, and before a run fails
    identity = cards.identify_component(card, settings)
    if card.missing_packages:  # it cannot be run anyway
        return plain(identity), [], []
    try:
        recommender = cards.construct_recommender(card, settings)
        caveats = plain(list(getattr(recommender, "caveats", ())))
        return plain(identity), plain(sorted(recommender.capabilities)), caveats
    except BenchkitError:
        raise
    except Exception as error:
        raise construction_error(card, error) from error


def construction_error(card: Card, error: Exception) -> BenchkitError:
    """Return the error of a method that cannot be constructed."""
    return ConfigError(
        f"method {card.name!r} cannot be constructed: {type(error).__name__}: {error}",
        "constructing must only take its Config; learn and load in fit",
    )


def error_fields(error: BaseException) -> tuple[str, str, str, str]:
    """Return the class, cause, hint and traceback of an error, as plain texts."""
    trace = "".join(traceback.format_exception(error))[-_LONGEST_TRACE:]
    if not isinstance(error, StoreError) and (fault := disk_error(error)) is not None:
        return "StoreError", fault.cause, fault.hint, trace
    if isinstance(error, BenchkitError):
        return type(error).__name__, plain(error.cause), plain(error.hint), trace
    if isinstance(error, SystemExit):
        cause = f"it ended its process: sys.exit({error.code!r})"
        return "MethodError", cause, "return from fit and predict instead", trace
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return (
        "MethodError",
        f"it raised {type(error).__name__}: {error}{place}",
        "the traceback is in the run's log.jsonl; correct the method and run again with"
        " --overwrite failed",
        trace,
    )


def serve_and_end(descriptor: int) -> None:
    """Serve one recommender, and end the process."""
    channel = Channel(descriptor, trusted=True)
    try:
        serve(channel)
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads any more
        return
    finally:
        channel.close()

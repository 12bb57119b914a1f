"""Ask a recommender that is in another process, or, if it was made in this one, here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchkit import cards, interactive
from benchkit.cards import Card
from benchkit.data.request_batch import PackedTrainData
from benchkit.errors import BenchkitError, ConfigError, DataError, EngineError, MethodError
from benchkit.evaluation.predict import as_sampler
from benchkit.lm.generation_cache import ask_again_since
from benchkit.processes.launcher import Worker, start_worker
from benchkit.processes.threads import limit_threads
from benchkit.processes.wire import ChannelClosedError, Message, unpack_prediction
from benchkit.processes.worker import MethodStart, measure_gpu_peak
from benchkit.types import Capability, Prediction, Progress, Request, RunContext, StageCost

SHIPPED = ("baselines.", "benchkit.")
# A disk that was full for the method may have room again: such a run is done again, as after a
# fault of a server. If it is the store's, no record of the run can be written, which ends all.
_RAISED: dict[str, type[BenchkitError]] = {
    "ConfigError": ConfigError,
    "DataError": DataError,
    "EngineError": EngineError,
    "MethodError": MethodError,
    "StoreError": EngineError,
}
_LONGEST_CAUSE = 2000  # characters
_LARGEST_COST = 1e12
_CHECK_SECONDS = 1.0  # between looks at whether a silent process still runs
_PRELOADED = ("torch", "transformers", "peft")
UNISOLATED = (
    "made in this Python process, it was asked where the answer key is; a class in a file, given"
    " as FILE.py:Class, is not"
)


class RunCancelled(BaseException):
    """A run was ended from outside; nothing is to be recorded of it."""


class IsolatedRecommender:
    """A recommender in a process of its own: sends questions there, and yields what comes back."""

    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, worker: Worker, start: MethodStart) -> None:
        self._worker, self._start = worker, start
        self.peaks: dict[str, float] = {}
        """Most memory that it has used, in MB, by its name among the costs of a run."""

    def fit(self, data: PackedTrainData, run: RunContext) -> None:
        """Have it constructed and fitted."""
        self._send("start", self._start, data)
        for kind, *values in self._messages(run.progress):
            if kind == "fitted":
                self._note_costs(run, *values)
                return

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Yield what `predict` gives."""
        return self._ask("predict", requests, run)

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Yield what `sample` gives."""
        return self._ask("sample", requests, run)

    def _ask(self, kind: str, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        self._send(kind, requests)
        for answer, *values in self._messages(run.progress):
            if answer == "answers":
                yield from map(unpack_prediction, values[0])
            elif answer == "answered":
                self._note_costs(run, *values)
                return

    def _note_costs(
        self, run: RunContext, stages: Mapping[str, Any], memory: float, gpu_memory: float
    ) -> None:
        numbers = [memory, gpu_memory, *(value for cost in stages.values() for value in cost)]
        if not all(isinstance(n, int | float) and 0 <= n < _LARGEST_COST for n in numbers):
            raise MethodError(
                "it told costs that are no numbers of seconds or megabytes",
                "use benchkit.lm.timing to record what stages cost",
            )
        run.stages.update({name: StageCost(*cost) for name, cost in stages.items()})
        self.peaks = _name_peaks(memory, gpu_memory)

    def _send(self, *message: Any) -> None:
        try:
            self._worker.channel.send(*message)
        except OSError:
            raise self._end() from None

    def _messages(self, progress: Progress) -> Iterator[Message]:
        """Yield messages, after those about progress are shown and failures raised."""
        while True:
            try:
                message = self._worker.receive()
            except ChannelClosedError:
                raise self._end() from None
            kind, *values = message
            if kind == "stage":
                what, total = values
                progress.start(str(what), total if isinstance(total, int) else None)
            elif kind == "advance":
                steps, note = values
                progress.advance(steps if isinstance(steps, int) else 0, str(note))
            elif kind == "failed":
                raise rebuild_error(*values)
            else:
                yield message

    def _end(self) -> BaseException:
        """Return the error for a process that has ended."""
        if self._worker.is_cancelled:
            return RunCancelled()
        return MethodError(describe_exit(self._worker.close()), "see what it printed")


class LocalRecommender:
    """A recommender of this Python process, such as a class of a notebook."""

    def __init__(self, start: MethodStart) -> None:
        config = cards.build_config(start.card, start.config)
        self._recommender = cards.construct_recommender(start.card, config)
        self._device = start.device

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""
        return self._recommender.capabilities

    @property
    def peaks(self) -> dict[str, float]:
        """Most memory that this process has used so far, as of an isolated one."""
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return _name_peaks(peak, measure_gpu_peak(self._device))

    def fit(self, data: PackedTrainData, run: RunContext) -> None:
        """Fit it."""
        self._recommender.fit(data.unpack(), run)

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Yield what `predict` gives."""
        return self._recommender.predict(list(requests), run)

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Yield what `sample` gives."""
        return as_sampler(self._recommender).sample(list(requests), run)


def _name_peaks(memory: float, gpu_memory: float) -> dict[str, float]:
    """Return peaks by their names among the costs of a run; that of a GPU, where one was used."""
    peaks = {"peak_memory_mb": float(memory)}
    return {**peaks, "peak_gpu_memory_mb": float(gpu_memory)} if gpu_memory else peaks


@contextmanager
def open_recommender(
    start: MethodStart,
    watch: Callable[[Worker], None] = lambda _worker: None,
    hidden: Sequence[Path] = (),
) -> Iterator[IsolatedRecommender | LocalRecommender]:
    """Give the recommender of a run, and end its process after the block.

    Args:
        start: The method, and what it may know.
        watch: Called with the process, so that it can be ended from outside.
        hidden: Folders that the process cannot read, but for those of the run itself.
    """
    if interactive.is_live(start.card.target):
        needs_torch = "torch" in start.card.packages
        with ask_again_since(start.answers_since), limit_threads(start.threads, needs_torch):
            yield LocalRecommender(start)
        return
    visible = (start.scratch, start.cache, start.artifacts)
    worker = start_worker(start.threads, _modules_before_fork(start.card), hidden, visible)
    try:
        watch(worker)
        yield IsolatedRecommender(worker, start)
    except BaseException:
        worker.kill()  # it may still be asking a server, for answers that nobody wants
        raise
    finally:
        worker.close()


def is_shipped(card: Card) -> bool:
    """Return whether the code of a card is benchkit's own."""
    return card.target.startswith(SHIPPED)


def _modules_before_fork(card: Card) -> list[str]:
    modules = [name for name in _PRELOADED if name in card.packages]
    if is_shipped(card):
        modules.append(card.target.partition(":")[0])
    return modules


def rebuild_error(name: str, cause: str, hint: str, trace: str) -> BenchkitError:
    """Return the error that a worker has described; its traceback is a note."""
    error = _RAISED.get(name, MethodError)(_cut(cause), _cut(hint))
    error.add_note(f"in the process of the method:\n{trace}")
    return error


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CAUSE else f"{text[:_LONGEST_CAUSE]} ..."


def describe_exit(exit_code: int) -> str:
    """Return why a process ended without a result."""
    if exit_code >= 0:
        return f"its process ended with exit code {exit_code}"
    cause = f"its process was killed by signal {-exit_code}"
    return f"{cause} (out of memory?)" if exit_code == -9 else cause

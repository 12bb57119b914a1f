"""Requests answered by batches: none is lost, and none is paid for twice, whoever is killed when.

A request is named by its key in the cache of answers. Under a lock that processes share, one that
is neither answered nor in a batch on record goes into a new one; so whoever needs an answer that
somebody has asked for waits for the same batch.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchkit.count_text import count_text
from benchkit.errors import BenchkitError, ConfigError, EngineError
from benchkit.lm.engines.budget import Budget, TokenUsage
from benchkit.lm.engines.openai.batches.batch_requests import BatchRequest, BatchWork, Failure
from benchkit.lm.engines.openai.batches.endpoint import BatchEndpoint, write_line
from benchkit.lm.engines.openai.batches.journal import BatchJournal, BatchRecord
from benchkit.lm.engines.openai.batches.results import BatchResults
from benchkit.lm.engines.openai.batches.state import BatchLine, BatchState
from benchkit.lm.engines.openai.config import OpenAIConfig
from benchkit.lm.engines.retry import Backoff, TransientError
from benchkit.lm.generation_cache import GenerationCache


class BatchRunner:
    """Sends requests in batches and reads what comes of them; for one thread."""

    def __init__(
        self,
        config: OpenAIConfig,
        cache: GenerationCache,
        budget: Budget,
        backoff: Backoff,
        folder: Path,
    ) -> None:
        self.note: Callable[[str], None] = lambda _: None
        self._config, self._cache, self._budget, self._backoff = config, cache, budget, backoff
        self._endpoint = BatchEndpoint(config, backoff)
        self._journal = BatchJournal(folder)
        self._results = BatchResults(config, cache, self._endpoint.client)
        self._server = config.base_url.rstrip("/")
        self._most_lines = config.batch_lines
        # Record -> number of its reservation, and its requests.
        self._reserved: dict[str, tuple[int, Sequence[BatchRequest]]] = {}

    @property
    def fresh(self) -> set[str]:
        """Keys of answers that a batch brought and nobody has used yet."""
        return self._results.fresh

    def submit(self, requests: Sequence[BatchRequest]) -> None:
        """Send what is neither answered nor on its way, as far as the budget goes."""
        self._send_rest(BatchWork({request.key: request for request in requests}))

    def run(self, requests: Sequence[BatchRequest]) -> dict[str, Failure]:
        """Wait until each request has its answer in the cache; return those that have none.

        Raises:
            EngineError: The server or the budget does not go on; what was answered is cached.
            ConfigError: No request can be right.
            KeyboardInterrupt: As the user's, with words on what is kept.
        """
        work = BatchWork({request.key: request for request in requests})
        states: dict[str, BatchState] = {}
        try:
            while work.todo:
                if not (work.is_blocked and work.open):
                    self._send_rest(work)
                ended = [r for r in work.open.values() if self._look(r, states).has_ended]
                work.is_blocked &= not ended
                for record in ended:
                    self._collect(record, states[record.name], work)
                if not ended and work.todo:
                    self._wait()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self._describe_open()) from None
        return work.failures

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.client.close()

    def _has_answer(self, key: str) -> bool:
        return self._cache.get(key) is not None

    def _wait(self) -> None:
        (self._backoff.sleep or time.sleep)(self._config.batch_poll_s)

    def _describe_open(self) -> str:
        """Return what is left at the server when the user interrupts."""
        records = self._journal.records(self._server)
        count = sum(len(record.keys) for record in records)
        batches = count_text(len(records), "batch", "batches")
        return (
            f"{batches} with {count_text(count, 'request')} at {self._server} on record in"
            f" {self._journal.folder}; what came is stored, and the server goes on: run the same"
            " command again to fetch the rest"
        )

    def _look(self, record: BatchRecord, states: dict[str, BatchState]) -> BatchState:
        """Ask how a batch stands, and say so where that is new."""
        state = self._endpoint.retrieve(str(record.batch))
        if state != states.get(record.name):
            self.note(str(state))
        states[record.name] = state
        return state

    # Sending

    def _send_rest(self, work: BatchWork) -> None:
        """Put all requests into open batches: those on record, or new ones."""
        rest = {request.key: request for request in work.rest()}
        if not rest:
            return
        with self._journal.lock():
            records = self._journal.records(self._server)
            self._release({record.name for record in records})
            for record in records:
                if not any(key in rest for key in record.keys):
                    if all(self._has_answer(key) for key in record.keys):
                        self._journal.remove(record)  # its reader was killed before it could
                elif record.created >= self._cache.oldest:
                    begun = record if record.batch else self._resume(record)
                    if begun is not None:
                        work.open[begun.name] = begun
                        for key in begun.keys:
                            rest.pop(key, None)
            # Only now: whoever read a batch stored its answers before its record went.
            for key in [key for key in rest if self._has_answer(key)]:
                del rest[key], work.todo[key]
            for part in self._parts(list(rest.values())):
                record = self._create(part)
                work.open[record.name] = record
        if work.todo and not work.open:  # the budget waits for what was submitted before
            for _, requests in self._reserved.values():
                work.todo |= {request.key: request for request in requests}

    def _release(self, names: set[str]) -> None:
        """Give back what is reserved for batches that another process has read."""
        for name in self._reserved.keys() - names:
            number, _ = self._reserved.pop(name)
            self._budget.settle(number, TokenUsage())

    def _parts(self, requests: Sequence[BatchRequest]) -> Iterator[list[BatchRequest]]:
        """Yield the requests of each new batch, as far as the budget goes."""
        part: list[BatchRequest] = []
        size, cost = 0, TokenUsage()
        most_bytes = self._config.batch_megabytes * 1_000_000
        for request in requests:
            length = len(write_line(request.key, self._config.endpoint, request.body))
            if part and (len(part) >= self._most_lines or size + length > most_bytes):
                yield part
                part, size, cost = [], 0, TokenUsage()
            if not self._budget.has_room(cost + request.max_usage):
                if not part and not self._reserved:
                    # Raises, unless another thread's requests are settled meanwhile.
                    self._budget.settle(self._budget.reserve(request.max_usage), TokenUsage())
                break
            part.append(request)
            size, cost = size + length, cost + request.max_usage
        if part:
            yield part

    def _create(self, part: Sequence[BatchRequest]) -> BatchRecord:
        cost = sum((request.max_usage for request in part), TokenUsage())
        number = self._budget.reserve(cost)
        endpoint = self._config.endpoint
        try:
            content = b"".join(write_line(r.key, endpoint, r.body) for r in part)
            file = self._endpoint.upload(content)
            keys = tuple(request.key for request in part)
            record = BatchRecord(server=self._server, endpoint=endpoint, input_file=file, keys=keys)
            begun = self._begin(self._journal.write(record))
        except BaseException:
            self._budget.settle(number, TokenUsage())
            raise
        self._reserved[begun.name] = (number, part)
        self.note(f"batch {begun.batch}: {count_text(len(part), 'request')} sent")
        return begun

    def _resume(self, record: BatchRecord) -> BatchRecord | None:
        """Return a record whose batch may or may not have been created; None if it cannot be."""
        try:
            return self._begin(record, is_certain=False)
        except ConfigError:  # e.g. the server has dropped the file; the requests go anew
            return None

    def _begin(self, record: BatchRecord, is_certain: bool = True) -> BatchRecord:
        """Create the batch of a record unless there is one, and record its id.

        Raises:
            EngineError: The server cannot be asked; the record stays.
            ConfigError: The server does not take the batch; the record goes.
        """
        is_first = is_certain

        def attempt() -> BatchState:
            nonlocal is_first
            if not is_first:
                if (state := self._endpoint.find(record)) is not None:
                    return state
                # A batch that was created a moment ago may not be listed yet.
                self._wait()
                if (state := self._endpoint.find(record)) is not None:
                    return state
            is_first = False
            return self._endpoint.create(record)

        problem: BenchkitError
        try:
            state = self._backoff.call(attempt)
            return self._journal.write(record.model_copy(update={"batch": state.id}))
        except TransientError as error:
            problem = EngineError(
                f"{self._server} could not be asked for a batch: {error}",
                "run again later: if it has begun the batch all the same, that one is used",
            )
        except ConfigError as error:
            self._journal.remove(record)
            problem = error
        raise problem

    # Reading

    def _collect(self, record: BatchRecord, state: BatchState, work: BatchWork) -> None:
        """Store the answers of a batch that has ended, and sort out the requests without one."""
        wanted = {key: work.todo[key] for key in record.keys if key in work.todo}
        spent = TokenUsage()
        fatal: Exception | None = None
        lines: dict[str, BatchLine] = {}
        for line in self._endpoint.read(state):
            if line.key in wanted:
                lines.setdefault(line.key, line)
        is_refused = state.status == "failed" and not lines
        has_progress = any(line.status == 200 for line in lines.values())
        for key, request in wanted.items() if not is_refused else ():
            used, problem = self._results.take(request, lines.get(key), has_progress, work)
            spent += used
            fatal = fatal or problem
        if record.name in self._reserved:
            number, _ = self._reserved.pop(record.name)
            self._budget.settle(number, spent)
        else:
            self._budget.charge(spent)
        read = {key for key in record.keys if key in wanted or self._has_answer(key)}
        self._journal.remove_keys(record, read)
        del work.open[record.name]
        if is_refused:
            fatal = self._handle_refusal(state, len(wanted), work)
        elif state.status == "cancelled" and fatal is None and wanted.keys() & work.todo.keys():
            fatal = EngineError(
                f"batch {state.id} was cancelled at {self._server} after {state.completed:,} of"
                f" {state.total:,}",
                "run again to ask for the rest",
            )
        if fatal is not None:
            raise fatal

    def _handle_refusal(
        self, state: BatchState, size: int, work: BatchWork
    ) -> EngineError | ConfigError | None:
        """Return why no further batch is to be sent after one that was refused, None if one is."""
        problem = self._endpoint.client.redact(state.problem) or "it does not say why"
        if not state.over_limit:
            return ConfigError(
                f"{self._server} does not take the batch {state.id}: {problem}",
                "correct the engine's settings, or ask it live: batch_api = false",
            )
        if work.open:
            work.is_blocked = True
        elif size > 1:
            self._most_lines = -(-size // 2)
        else:
            return EngineError(
                f"{self._server} does not take the batch {state.id}: {problem}",
                "wait until other batches of the account have ended, and run again",
            )
        self.note(f"batch {state.id}: {problem}; its requests wait or go in smaller batches")
        return None

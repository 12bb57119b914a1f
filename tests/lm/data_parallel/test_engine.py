"""Requests spread over processes: order, processes that are lost, errors; without processes."""

import itertools
import random

import pytest

from benchkit.errors import ConfigError, EngineError
from benchkit.lm.data_parallel import worker_pool
from benchkit.lm.data_parallel.engine import DataParallelEngine
from benchkit.lm.data_parallel.worker_pool import CallReply, WorkerLostError, WorkerPool
from benchkit.lm.types import Decoding, Message, Prompt


class FakeWorkers:
    """Processes that end in any order.

    loses: which tasks, by number, end without a reply; starts are tasks, too.
    answer: returns the reply to a call.
    room: processes that get a place; the others never come to be.
    """

    def __init__(self, loses=(), answer=None, room=99, seed=0):
        self.loses, self.room, self.draw = set(loses), room, random.Random(seed)
        self.answer = answer or (lambda call: CallReply(tuple(map(reply, call.arguments[0]))))
        self.numbers, self.tasks = itertools.count(), {}
        self.alive, self.places, self.served, self.busy = set(), {}, [], {}

    def start(self):
        worker = object()
        self.alive.add(worker)
        if len(self.places) < self.room:
            self.places[worker] = True
        return worker, self._task(worker, None)

    def call(self, worker, call):
        assert worker in self.alive and worker not in self.busy.values(), "it has a call already"
        return self._task(worker, call)

    def _task(self, worker, call):
        task = next(self.numbers)
        self.tasks[task], self.busy[task] = call, worker
        return task

    def wait(self, tasks):
        able = [task for task in tasks if self.busy[task] in self.places]
        assert able, "nothing would ever end"
        return [self.draw.choice(able)]

    def fetch(self, task):
        worker, call = self.busy.pop(task), self.tasks.pop(task)
        if task in self.loses:
            del self.places[worker]
            raise WorkerLostError(f"task {task}")
        if call is None:
            return CallReply()
        self.served += [prompt.key for prompt in call.arguments[0]]
        return self.answer(call)

    def stop(self, worker):
        self.alive.discard(worker)
        self.places.pop(worker, None)

    def close(self):
        self.alive, self.places = set(), {}


def reply(prompt):
    return f"re: {prompt.key}"


def prompts(count):
    return [Prompt(f"p{number}", (Message("user", "hello"),)) for number in range(count)]


def spread(workers, count=3, retries=2, part=None, notes=None):
    note = (notes if notes is not None else []).append
    pool = WorkerPool(workers, count, retries)
    return DataParallelEngine(True, False, pool.answer, lambda _: pool.count, part, note), pool


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("total", "count", "part"), [(1, 3, None), (50, 3, None), (50, 4, 7)])
def test_answers_come_in_the_order_of_the_requests(total, count, part, seed):
    workers = FakeWorkers(seed=seed)
    engine, pool = spread(workers, count, part=part)
    asked = prompts(total)
    assert list(engine.generate(asked, Decoding())) == [reply(prompt) for prompt in asked]
    assert sorted(workers.served) == sorted(prompt.key for prompt in asked)
    assert 1 <= len(workers.alive) <= count
    pool.close()
    assert not workers.alive


def test_nothing_is_started_where_nothing_is_asked():
    workers = FakeWorkers()
    engine, _ = spread(workers)
    assert list(engine.generate([], Decoding())) == []
    assert engine.count_tokens("tée") == 4
    assert not workers.alive


@pytest.mark.parametrize("seed", range(5))
def test_what_was_lost_is_asked_again_and_nothing_else(seed):
    notes = []
    workers = FakeWorkers(loses=[0, 3, 5, 8], seed=seed)
    engine, _ = spread(workers, retries=4, notes=notes)
    asked = prompts(40)
    assert list(engine.generate(asked, Decoding())) == [reply(prompt) for prompt in asked]
    assert sorted(workers.served) == sorted(prompt.key for prompt in asked)
    assert len(workers.alive) <= 3 and notes


def test_processes_without_a_place_hinder_no_others():
    workers = FakeWorkers(room=1)
    engine, pool = spread(workers)
    asked = prompts(20)
    assert list(engine.generate(asked, Decoding())) == [reply(prompt) for prompt in asked]
    pool.close()
    assert not workers.alive


def test_it_says_once_that_no_process_is_there(monkeypatch):
    monkeypatch.setattr(worker_pool, "_PATIENCE_SECONDS", -1.0)

    class Busy(FakeWorkers):
        def wait(self, tasks):
            self.rounds = getattr(self, "rounds", 0) + 1
            return [] if self.rounds < 5 else super().wait(tasks)

    notes = []
    engine, _ = spread(Busy(), notes=notes)
    assert len(list(engine.generate(prompts(3), Decoding()))) == 3
    assert notes == ["no process for an engine has started yet: are all machines busy?"]


def test_requests_that_end_every_process_end_the_others_in_order():
    def answer(call):
        return CallReply(tuple(map(reply, call.arguments[0])))

    class Deadly(FakeWorkers):
        def fetch(self, task):
            call = self.tasks[task]
            if call is not None and call.arguments[0][0].key == "p4":
                self.loses.add(task)
            return super().fetch(task)

    workers = Deadly(answer=answer)
    engine, _ = spread(workers, part=2)
    answers = engine.generate(prompts(10), Decoding())
    assert list(itertools.islice(answers, 4)) == ["re: p0", "re: p1", "re: p2", "re: p3"]
    with pytest.raises(EngineError, match="lost 3 times"):
        next(answers)


def test_processes_that_never_come_to_be_end_it():
    engine, _ = spread(FakeWorkers(loses=range(100)))
    with pytest.raises(EngineError, match="lost as they started"):
        list(engine.generate(prompts(3), Decoding()))


def test_an_error_comes_after_the_answers_before_it():
    def answer(call):
        keys = [prompt.key for prompt in call.arguments[0]]
        if "p3" in keys:
            error = ConfigError("no such model", "name another")
            return CallReply(("re: p2",), error=error)
        return CallReply(tuple(map(reply, call.arguments[0])))

    engine, _ = spread(FakeWorkers(answer=answer), part=2)
    answers = engine.generate(prompts(6), Decoding())
    assert [next(answers) for _ in range(3)] == ["re: p0", "re: p1", "re: p2"]
    with pytest.raises(ConfigError, match="no such model"):
        next(answers)


def test_too_few_answers_shift_no_others():
    engine, _ = spread(FakeWorkers(answer=lambda _: CallReply(("one",))), part=2)
    with pytest.raises(EngineError, match="1 answer to 2 requests"):
        list(engine.generate(prompts(4), Decoding()))


def test_two_batches_at_once_get_each_their_own():
    workers = FakeWorkers()
    engine, _ = spread(workers, part=1)
    first, second = prompts(9), [Prompt(f"q{n}", ()) for n in range(9)]
    both = zip(engine.generate(first, Decoding()), engine.generate(second, Decoding()), strict=True)
    assert list(both) == [(reply(a), reply(b)) for a, b in zip(first, second, strict=True)]


def test_a_batch_that_is_left_disturbs_no_later_one():
    workers = FakeWorkers()
    engine, _ = spread(workers, part=1)
    answers = engine.generate(prompts(9), Decoding())
    assert next(answers) == "re: p0"
    answers.close()
    later = [Prompt(f"q{n}", ()) for n in range(5)]
    assert list(engine.generate(later, Decoding())) == [reply(prompt) for prompt in later]


def test_scores_go_with_their_prompts():
    def answer(call):
        rows = zip(*call.arguments[:2], strict=True)
        return CallReply(tuple((p.key, tuple(texts), call.arguments[2]) for p, texts in rows))

    engine, _ = spread(FakeWorkers(answer=answer), part=2)
    texts = [[f"a{n}", f"b{n}"] for n in range(5)]
    scores = list(engine.score(prompts(5), texts, end=False))
    assert scores == [(f"p{n}", (f"a{n}", f"b{n}"), False) for n in range(5)]


def test_what_every_process_says_is_said_once():
    def answer(call):
        return CallReply(tuple(map(reply, call.arguments[0])), notes=("no chat template",))

    notes = []
    engine, _ = spread(FakeWorkers(answer=answer), part=1, notes=notes)
    assert len(list(engine.generate(prompts(6), Decoding()))) == 6
    assert notes == ["no chat template"]

"""Which run begins next, by hand-made jobs and events."""

from types import SimpleNamespace

from benchkit.files.shared_lock import WAITING
from benchkit.runs.executors.job_queue import JobQueue
from benchkit.runs.progress import RunEvent

MODEL = ("torch", "transformers")


def make_job(name, family, packages=MODEL, seconds=None, task="movies"):
    expected = SimpleNamespace(seconds=None if seconds is None else SimpleNamespace(value=seconds))
    card = SimpleNamespace(family=family, packages=packages)
    return SimpleNamespace(task=task, title=f"{task} / {name}", card=card, expected=expected)


def begin_all(queue):
    """Begin what has room; return the names."""
    names = []
    while (job := queue.begin()) is not None:
        names.append(job.title.partition(" / ")[2])
    return names


def stage(name, stage):
    return RunEvent("progress", f"movies / {name}", stage)


EASE = make_job("ease", "cf", ("numpy",), 2.0)
SASREC = make_job("sasrec", "cf", ("torch",), 60.0)
SFT = make_job("sft", "sft", seconds=20.0)
DPO = make_job("dpo", "preference", seconds=25.0)
CAPO = make_job("c-apo", "preference", seconds=90.0)


def test_what_others_wait_for_comes_first_and_the_longest_of_it():
    queue = JobQueue([EASE, SASREC, SFT, DPO, CAPO], workers=5)
    assert begin_all(queue) == ["c-apo", "dpo", "sft", "sasrec", "ease"]


def test_tasks_keep_their_order():
    other = make_job("c-apo", "preference", seconds=90.0, task="books")
    queue = JobQueue([EASE, SASREC, other], workers=3)
    assert begin_all(queue) == ["sasrec", "ease", "c-apo"]


def test_unknown_times_count_as_long_and_keep_their_order():
    jobs = [make_job(name, "cf", ("numpy",), seconds) for name, seconds in
            [("a", 3.0), ("b", None), ("c", 5.0), ("d", None)]]  # fmt: skip
    assert begin_all(JobQueue(jobs, workers=4)) == ["b", "d", "c", "a"]


def test_a_run_that_waits_gives_its_place_to_one_that_shares_nothing():
    queue = JobQueue([EASE, SASREC, SFT, DPO, CAPO], workers=2)
    assert begin_all(queue) == ["c-apo", "dpo"]
    queue.note(stage("dpo", WAITING))
    assert begin_all(queue) == ["sasrec"]
    queue.note(stage("dpo", "sft steps"))  # goes on: three compute now
    queue.end(SASREC)
    assert begin_all(queue) == []
    queue.end(DPO)
    assert begin_all(queue) == ["sft"]


def test_at_most_twice_as_many_runs_are_under_way_as_compute():
    jobs = [make_job(name, "sft") for name in "abcdef"]
    queue = JobQueue(jobs, workers=2)
    for name in "ab":
        queue.begin()
        queue.note(stage(name, WAITING))
    assert begin_all(queue) == ["c", "d"]
    for name in "cd":
        queue.note(stage(name, WAITING))
    assert begin_all(queue) == []
    queue.end(jobs[0])
    assert begin_all(queue) == ["e"]


def test_events_of_a_run_that_has_ended_make_no_room():
    queue = JobQueue([EASE, SASREC, SFT], workers=1)
    job = queue.begin()
    queue.end(job)
    queue.note(RunEvent("progress", job.title, WAITING))
    assert len(begin_all(queue)) == 1


def test_runs_of_one_name_are_counted_apart():
    queue = JobQueue([EASE, EASE, SASREC], workers=2)
    assert begin_all(queue) == ["sasrec", "ease"]
    queue.end(EASE)
    assert begin_all(queue) == ["ease"] and begin_all(queue) == []
    queue.end(SASREC)
    queue.end(EASE)
    assert queue.begin() is None

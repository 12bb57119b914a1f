"""Recommenders in a file, a small suite, and a quiet way to run it."""

import os
import subprocess
import sys
import time
from pathlib import Path

from benchkit.config.suite import Suite
from benchkit.runs import plan
from benchkit.runs.options import RunOptions

METHODS = '''
import os, signal, time
import numpy as np
from typing import Literal
from pydantic import BaseModel
from benchkit.types import Prediction


class Base:
    capabilities = frozenset({"scores", "cold_users"})

    def fit(self, data, run):
        self.view = data

    def predict(self, requests, run):
        for request in requests:
            yield Prediction(request.case_id, self.scores(request, run))

    def scores(self, request, run):
        return [float(len(item)) for item in request.candidates]


class Counts(Base):
    """Popularity."""

    def fit(self, data, run):
        ids = np.array(data.catalog.ids)[data.interactions.item]
        self.count = dict(zip(*np.unique(ids, return_counts=True)))

    def scores(self, request, run):
        return [float(self.count.get(item, 0)) for item in request.candidates]


class Noise(Base):
    class Config(BaseModel, extra="forbid", frozen=True):
        scale: float = 1.0
        kind: Literal["normal"] = "normal"

    def __init__(self, config):
        self.config = config

    def scores(self, request, run):
        rng = run.generator(request.case_id)
        return rng.normal(0, self.config.scale, len(request.candidates)).tolist()


class Raises(Base):
    def fit(self, data, run):
        raise ZeroDivisionError("no users")


class TooFew(Base):
    def scores(self, request, run):
        return super().scores(request, run)[1:]


class Nan(Base):
    def scores(self, request, run):
        return [float("nan"), *super().scores(request, run)[1:]]


class WrongCase(Base):
    def predict(self, requests, run):
        for prediction in super().predict(requests, run):
            yield Prediction("someone else's", prediction.scores)


class Stops(Base):
    def predict(self, requests, run):
        return super().predict(requests[:-1], run)


class Refuses(Base):
    """Answers every second case."""

    def predict(self, requests, run):
        for i, prediction in enumerate(super().predict(requests, run)):
            yield Prediction(prediction.case_id, None, status="refused") if i % 2 else prediction


class Killed(Base):
    """Its process dies, as one does that runs out of memory."""

    def fit(self, data, run):
        os.kill(os.getpid(), signal.SIGKILL)


class Slow(Base):
    """Says that it has begun, then waits for a file to appear."""

    def fit(self, data, run):
        marks = os.environ["SLOW_MARKS"]
        with open(os.path.join(marks, "began"), "a") as file:
            file.write("x")
        end = time.monotonic() + 60
        while not os.path.exists(os.path.join(marks, "go")) and time.monotonic() < end:
            time.sleep(0.02)


class NoScores(Base):
    capabilities = frozenset({"samples"})
'''


def make_suite(*names, **changes):
    """A suite on 40 generated users; names are classes of recs.py."""
    toy = {"source": "toy", "options": {"users": 40, "items": 50}, "candidates": {"count": 10}}
    values = {
        "name": "small",
        "title": "Small",
        "datasets": [{"name": "toy", **toy}],
        "methods": [{"method": f"recs.py:{name}"} for name in names or ("Counts",)],
        **changes,
    }
    return Suite.model_validate(values)


def run_all(suite, folder, **options):
    """Outcomes of a suite, by label and seed."""
    planned = plan.plan_runs(
        suite, RunOptions(store=folder / "runs", data=folder / "data", **options)
    )
    return {(o.job.method.name, o.job.seed): o for o in plan.execute_plan(planned, lambda _: None)}


def start_script(
    folder: Path, marks: Path, name: str = "Slow", options: str = "", **more
) -> subprocess.Popen:
    """Start a separate benchkit, in a process group of its own, on the store of a folder.

    It prints which runs it computed.
    """
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from tests.support.suites import make_suite, run_all
if __name__ == "__main__":
    outcomes = run_all(make_suite({name!r}), Path({str(folder)!r}), {options})
    print([o.computed for o in outcomes.values()])
"""
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "SLOW_MARKS": str(marks)}, start_new_session=True, **more,
    )  # fmt: skip


def wait_until(condition, seconds=60):
    """Wait for a condition; fail after a minute."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)

"""Conformance tests that any executor can inherit.

class TestMine(ExecutorContract):
    def make(self, workers):
        return MyExecutor(workers)
"""

import os
import signal
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchkit.config.suite import Suite
from benchkit.runs.executors import JobExecutor
from benchkit.runs.executors.inline import InlineExecutor
from benchkit.runs.job import Outcome
from benchkit.runs.options import RunOptions
from benchkit.runs.plan import execute_plan, plan_runs
from benchkit.runs.progress import EventHandler, RunEvent
from benchkit.runs.store import Store
from benchkit.testing.pytest_module import pytest
from benchkit.types import Prediction, Request, RunContext, TrainView


class NoiseRecommender:
    """Draws its scores; what a wrong seed or another number of threads would change."""

    capabilities = frozenset({"scores"})

    def fit(self, data: TrainView, run: RunContext) -> None:
        """Learn nothing."""

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Return normally distributed scores."""
        for request in requests:
            scores = run.generator(request.case_id).normal(size=len(request.candidates))
            yield Prediction(request.case_id, scores.tolist())


class RaisingRecommender(NoiseRecommender):
    """Cannot learn."""

    def fit(self, data: TrainView, run: RunContext) -> None:  # noqa: ARG002
        """Raise an error."""
        raise ZeroDivisionError("no users")


class KilledRecommender(NoiseRecommender):
    """Takes its process down with it, as one does that runs out of memory."""

    def fit(self, data: TrainView, run: RunContext) -> None:  # noqa: ARG002
        """Kill this process."""
        os.kill(os.getpid(), signal.SIGKILL)


def _ignore(event: RunEvent) -> None:
    """Show nothing."""


class ExecutorContract:
    """What a plan relies on. Inherit it and implement `make`."""

    survives_kill = True
    """Whether jobs run outside this process, so that one that is killed ends its run alone."""

    @abstractmethod
    def make(self, workers: int) -> JobExecutor:
        """Return a fresh executor for so many runs at a time."""

    def run_all(
        self, executor: JobExecutor, folder: Path, *methods: str, emit: EventHandler = _ignore
    ) -> dict[tuple[str, int], Outcome]:
        """Return the outcomes, by method and seed, of two seeds of each method of this module."""
        plan = plan_runs(
            Suite.model_validate(
                {
                    "name": "executor",
                    "title": "Executor",
                    "seeds": [0, 1],
                    "datasets": [{"name": "toy", "source": "toy", "options": {"users": 30}}],
                    "methods": [{"method": f"{__name__}:{name}"} for name in methods],
                }
            ),
            RunOptions(store=folder / "runs", data=folder / "data", executor=executor),
        )
        outcomes = list(execute_plan(plan, emit))
        assert len(outcomes) == len(plan.jobs), "one outcome a job"
        return {(outcome.job.method.name, outcome.job.seed): outcome for outcome in outcomes}

    def test_it_gives_the_numbers_of_the_inline_executor(self, tmp_path: Path) -> None:
        expected = self.run_all(InlineExecutor(), tmp_path / "inline", "NoiseRecommender")
        outcomes = self.run_all(self.make(2), tmp_path / "other", "NoiseRecommender")
        assert outcomes.keys() == expected.keys()
        for key, outcome in outcomes.items():
            assert outcome.computed and outcome.manifest.status == "complete"
            assert outcome.job.run_id == expected[key].job.run_id
            run, same = outcome.job.run, expected[key].job.run
            for table in ("predictions.parquet", "metrics.parquet"):
                assert (run.path / table).read_bytes() == (same.path / table).read_bytes()

    def test_it_emits_that_runs_start_and_end(self, tmp_path: Path) -> None:
        events: list[RunEvent] = []
        self.run_all(
            self.make(2), tmp_path, "NoiseRecommender", "RaisingRecommender", emit=events.append
        )
        for kind, number in (("started", 4), ("complete", 2), ("failed", 2)):
            assert sum(event.kind == kind for event in events) == number

    def test_what_is_complete_is_not_computed_again(self, tmp_path: Path) -> None:
        self.run_all(self.make(2), tmp_path, "NoiseRecommender")
        again = self.run_all(self.make(2), tmp_path, "NoiseRecommender")
        assert not any(outcome.computed for outcome in again.values())

    def test_a_method_that_raises_fails_alone(self, tmp_path: Path) -> None:
        outcomes = self.run_all(self.make(2), tmp_path, "RaisingRecommender", "NoiseRecommender")
        _check_failed_alone(outcomes, "RaisingRecommender", "ZeroDivisionError")

    def test_a_worker_that_is_killed_fails_its_run_alone(self, tmp_path: Path) -> None:
        if not self.survives_kill:
            pytest.skip("computes in this process")
        outcomes = self.run_all(self.make(2), tmp_path, "KilledRecommender", "NoiseRecommender")
        _check_failed_alone(outcomes, "KilledRecommender", "")

    def test_an_interrupt_ends_it_and_the_next_run_goes_on(self, tmp_path: Path) -> None:
        def interrupt(event: RunEvent) -> None:
            if event.kind == "started":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.run_all(self.make(2), tmp_path, "NoiseRecommender", emit=interrupt)
        store = Store(tmp_path / "runs")
        for run in store.runs():
            manifest = run.manifest()
            assert manifest is not None and not store.is_locked(manifest.run_id)
            assert manifest.status != "failed"
        outcomes = self.run_all(self.make(2), tmp_path, "NoiseRecommender")
        assert all(outcome.manifest.status == "complete" for outcome in outcomes.values())
        assert any(outcome.computed for outcome in outcomes.values())


def _check_failed_alone(outcomes: dict[tuple[str, int], Outcome], method: str, cause: str) -> None:
    for (name, _), outcome in outcomes.items():
        manifest = outcome.job.run.manifest()
        assert manifest is not None and manifest == outcome.manifest
        assert manifest.status == ("failed" if name == method else "complete")
        assert name != method or (manifest.error and cause in manifest.error)

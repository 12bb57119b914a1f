"""What a method's process can say to the harness, and what that makes of its run."""

import pytest

from tests.support.suites import make_suite, run_all

METHODS = """
import os, sys
from benchkit.types import Prediction, StageCost


class Base:
    capabilities = frozenset({"scores"})

    def fit(self, data, run):
        self.spoil(run)

    def spoil(self, run):
        pass

    def predict(self, requests, run):
        for request in requests:
            yield Prediction(request.case_id, [0.0] * len(request.candidates))


class EndOfFile(Base):
    def spoil(self, run):
        raise EOFError("the checkpoint is cut")


class Exits(Base):
    def spoil(self, run):
        sys.exit(0)


class EndsAtOnce(Base):
    def spoil(self, run):
        os._exit(0)


class Interrupts(Base):
    def spoil(self, run):
        raise KeyboardInterrupt


class OddCost(Base):
    def spoil(self, run):
        run.stages["teacher"] = StageCost(float("nan"), 1.0)


class TextCost(Base):
    def spoil(self, run):
        run.stages["teacher"] = StageCost("much", 1.0)


class NegativeCost(Base):
    def spoil(self, run):
        run.stages["teacher"] = StageCost(-1e9, 0.0)


class Forged(Base):
    def spoil(self, run):
        run.progress._channel.send("answers")


class Reordered(Base):
    def predict(self, requests, run):
        requests.sort(key=lambda request: request.case_id, reverse=True)
        for request in requests:
            yield Prediction(request.case_id, [float(len(i)) for i in request.candidates])


class Ordered(Base):
    def predict(self, requests, run):
        for request in requests:
            yield Prediction(request.case_id, [float(len(i)) for i in request.candidates])
"""


@pytest.fixture
def odd(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recs.py").write_text(METHODS)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("EndOfFile", "it raised EOFError: the checkpoint is cut"),
        ("Exits", "it ended its process: sys.exit(0)"),
        ("EndsAtOnce", "its process ended with exit code 0"),
        ("Interrupts", "it raised KeyboardInterrupt"),
        ("OddCost", "costs that are no numbers"),
        ("TextCost", "costs that are no numbers"),
        ("NegativeCost", "costs that are no numbers"),
    ],
)
def test_it_fails_alone_and_says_why(odd, tmp_path, name, cause):
    outcomes = run_all(make_suite(name, "Base"), tmp_path)
    assert cause in outcomes[name, 0].manifest.error
    assert "hint:" in outcomes[name, 0].manifest.error
    assert outcomes["Base", 0].manifest.status == "complete"


def test_a_forged_message_changes_nothing(odd, tmp_path):
    outcomes = run_all(make_suite("Forged", "Base"), tmp_path)
    summaries = [o.manifest.summary for o in outcomes.values() if o.manifest.status == "complete"]
    assert summaries[0] == summaries[-1]


def test_a_method_that_sorts_its_questions_is_scored_as_one_that_does_not(odd, tmp_path):
    outcomes = run_all(make_suite("Reordered", "Ordered"), tmp_path)
    assert outcomes["Reordered", 0].manifest.summary == outcomes["Ordered", 0].manifest.summary

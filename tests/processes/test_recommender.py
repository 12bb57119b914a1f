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


class Surrogate(Base):
    def spoil(self, run):
        raise ValueError("half a pair: \\ud800")


class Long(Base):
    def spoil(self, run):
        raise ValueError("long " * 500_000)


class HashBomb(Base):
    def spoil(self, run):
        key = b"\\x91" * 2_000_000
        run.progress._channel._connection.send_bytes(b"\\x92\\xa1a\\x81" + key)


class Helped(Base):
    # Has a helper process when it is killed, which holds its end of the channel.

    def spoil(self, run):
        if os.fork() == 0:
            import time
            time.sleep(60)
            os._exit(0)
        os.kill(os.getpid(), 9)


class OddProgress(Base):
    def spoil(self, run):
        run.progress.start(None, "many")
        run.progress.advance(float("nan"), 3)
        run.progress.start("\\x1b[2J", -1)


class FullDisk(Base):
    def spoil(self, run):
        raise OSError(28, "No space left on device")


class KillsWhatItIsForkedFrom(Base):
    def spoil(self, run):
        import time
        os.kill(os.getppid(), 9)
        time.sleep(60)  # its end takes this process along


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
        ("Surrogate", "half a pair: \\ud800"),
        ("Long", "it raised ValueError: long long"),
        ("HashBomb", "no plain data"),
        ("Helped", "killed by signal 9"),
        ("FullDisk", "No space left on device"),
        ("KillsWhatItIsForkedFrom", "killed by signal 9"),
    ],
)
def test_it_fails_alone_and_says_why(odd, tmp_path, name, cause):
    outcomes = run_all(make_suite(name, "Base"), tmp_path)
    assert cause in outcomes[name, 0].manifest.error
    assert "hint:" in outcomes[name, 0].manifest.error
    assert len(outcomes[name, 0].manifest.error) < 5000
    assert outcomes["Base", 0].manifest.status == "complete"


def test_a_forged_message_changes_nothing(odd, tmp_path):
    outcomes = run_all(make_suite("Forged", "Base"), tmp_path)
    summaries = [o.manifest.summary for o in outcomes.values() if o.manifest.status == "complete"]
    assert summaries[0] == summaries[-1]


def test_a_method_that_sorts_its_questions_is_scored_as_one_that_does_not(odd, tmp_path):
    outcomes = run_all(make_suite("Reordered", "Ordered"), tmp_path)
    assert outcomes["Reordered", 0].manifest.summary == outcomes["Ordered", 0].manifest.summary


@pytest.mark.parametrize("jobs", [1, 2])
def test_odd_progress_is_shown_as_far_as_it_can_be(odd, tmp_path, jobs):
    outcomes = run_all(make_suite("OddProgress", "Base"), tmp_path, jobs=jobs)
    assert {o.manifest.status for o in outcomes.values()} == {"complete"}


@pytest.mark.parametrize("name", ["FullDisk", "KillsWhatItIsForkedFrom"])
def test_what_is_not_the_method_s_fault_is_done_again(odd, tmp_path, name):
    (tmp_path / "recs.py").write_text(METHODS)
    first = run_all(make_suite(name), tmp_path)[name, 0]
    assert first.manifest.resumable == (name == "FullDisk")


ODD_PLANS = {
    "nothing": "channel.send('description')",
    "numbers": "channel.send('description', 1, 2, 3)",
    "too few texts": "channel.send('failed', 'x')",
    "gone": "os._exit(0)",
}


@pytest.mark.parametrize("code", ODD_PLANS.values(), ids=ODD_PLANS)
def test_what_planning_is_told_is_checked(odd, tmp_path, code):
    import benchkit.errors

    (tmp_path / "plans.py").write_text(
        f"import gc, os\nfrom benchkit.processes.wire import Channel\n"
        f"for channel in [c for c in gc.get_objects() if isinstance(c, Channel)]:\n    {code}\n"
        + METHODS
    )
    suite = make_suite(methods=[{"method": "plans.py:Base"}])
    with pytest.raises(benchkit.errors.MethodError, match="method 'Base'"):
        run_all(suite, tmp_path)

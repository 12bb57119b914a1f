"""Judges on servers that answer badly, through the command line."""

import json

import pytest

from benchkit.errors import EngineError
from benchkit.runs.store import Store
from tests.support.command_line import invoked
from tests.support.openai_server import Status
from tests.support.server_suites import (
    OVERLOADED,
    write_suite,
)

pytestmark = pytest.mark.usefixtures("environment")


def test_a_judge_whose_server_fails_is_asked_again(tmp_path, server, benchkit):
    suite = write_suite(tmp_path, server.url)
    benchkit("run", suite)
    judged = write_suite(tmp_path, server.url, judge=True)
    server.always = OVERLOADED
    code, screen = benchkit("judge", judged)
    assert code == 1
    assert "judgements without a readable answer" in screen and "model overloaded" in screen
    assert "max_fault_share" in screen
    server.always = None
    code, screen = benchkit("judge", judged)  # without --again
    assert code == 0
    (run,) = Store(tmp_path / "runs").runs()
    (judgement,) = run.judgements()
    assert (judgement.status, judgement.faults) == ("complete", [])
    server.seen.clear()
    benchkit("judge", judged)
    assert not server.seen


def test_a_judge_that_is_asked_again_asks_its_server(tmp_path, server, benchkit):
    suite = write_suite(tmp_path, server.url, judge=True)
    benchkit("run", suite)
    (run,) = Store(tmp_path / "runs").runs()

    def grades():
        (judgement,) = run.judgements()
        rows = run.verdicts(judgement).filter(stage="judged")["grades"].to_list()
        return {row[0]["grade"] for row in rows}

    assert grades() == {2.0}
    server.backend.reply = lambda *_: "<eval>RATING-3</eval>"
    server.seen.clear()
    server.faults.extend([None] * 3 + [Status(500)])
    assert benchkit("judge", suite, "--again")[0] == 1
    assert benchkit("judge", suite)[0] == 0
    assert grades() == {3.0}
    # Users who had the same and are answered the same are the same question to a judge.
    questions = {json.dumps(seen.body) for seen in server.seen}
    assert 1 < len(questions) <= run.judgements()[0].counts["judged"]
    assert len(server.seen) == len(questions) + 1


def test_a_judgement_that_broke_off_uses_no_older_answers(tmp_path, server, benchkit):
    suite = write_suite(tmp_path, server.url, judge=True)
    second = suite.read_text().partition("[[methods]]")[2].partition("[judging]")[0]
    second = second.replace('"chat-rec"', '"chat-rec"\nlabel = "again"')
    second = second.replace('backbone = "m"', 'backbone = "m", answer_tokens = 399')
    suite.write_text(suite.read_text().replace("\n[judging]", f"[[methods]]{second}\n[judging]"))
    benchkit("run", suite)
    runs = sorted(Store(tmp_path / "runs").runs(), key=lambda run: run.manifest().label)
    server.backend.reply = lambda *_: "<eval>RATING-3</eval>"
    server.faults.extend([None, Status(500)])  # neither of the two comes to its end
    server.always = Status(500)
    assert benchkit("judge", suite, "--again")[0] == 1
    server.faults.clear()
    server.always = None
    for path in (runs[1].path / "judgements").iterdir():
        path.unlink()
    assert benchkit("judge", suite)[0] == 0
    for run in runs:
        (judgement,) = run.judgements()
        rows = run.verdicts(judgement).filter(stage="judged")["grades"].to_list()
        assert {row[0]["grade"] for row in rows} == {3.0}


def test_a_few_faults_of_a_judge_are_named(tmp_path, server, benchkit):
    suite = write_suite(tmp_path, server.url)
    benchkit("run", suite)
    server.faults.extend([None, OVERLOADED])
    lenient = write_suite(tmp_path, server.url, head="max_fault_share = 0.5", judge=True)
    code, screen = benchkit("judge", lenient)
    assert code == 0
    assert "warning" in screen and "judgements without a readable answer" in screen


def test_probes_of_a_judge_whose_server_fails_are_no_table(tmp_path, server, benchkit):
    suite = write_suite(tmp_path, server.url)
    benchkit("run", suite)
    judged = write_suite(tmp_path, server.url, judge=True)
    server.always = OVERLOADED
    with pytest.raises(EngineError, match=r"judgements without .* model overloaded"):
        invoked("judge", "--suite", judged, "--probe", 3)

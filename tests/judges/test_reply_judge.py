"""Replies of a file: read as those of a judge that is asked, and of the answers that they name."""

import json

import pytest

from benchkit.errors import ConfigError, DataError
from benchkit.judging.reply_file import read_replies
from benchkit.runs.records import Manifest
from benchkit.testing.judges import JudgeContract, toy_judge_inputs
from judges.reply_judge import ReplyJudge, ReplyJudgeConfig
from tests.support.judge_inputs import judging_run


def manifest(label="pop", task="tea", seed=0):
    return Manifest(
        run_id=f"{label}-{task}-{seed}", row_id=label, status="complete", suite="made", task=task,
        label=label, family="cf", seed=seed, identity={}, provenance={}, started="",
    )  # fmt: skip


def write(path, *lines):
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def reply(case, grade=2, method="pop", **more):
    return {"case": case, "method": method, "text": f"<eval>RATING-{grade}</eval>", **more}


def reply_judge(path, **config):
    return ReplyJudge(ReplyJudgeConfig(replies=path, **config))


class TestReplyJudge(JudgeContract):
    @pytest.fixture(autouse=True)
    def _write(self, tmp_path):
        keys = [judge_input.key for judge_input in toy_judge_inputs()][:20]
        self.path = write(
            tmp_path / "replies.jsonl", *(reply(key, n % 4) for n, key in enumerate(keys))
        )

    def make(self):
        return reply_judge(self.path).for_run(manifest())


def verdicts_of(path, tmp_path, **config):
    judge = reply_judge(path, **config).for_run(manifest())
    verdicts = list(judge.judge(toy_judge_inputs()[:4], judging_run(tmp_path / "cache")))
    return judge, verdicts


def test_replies_are_read_and_missing_ones_are_unscored(tmp_path):
    a, b, c, d = (judge_input.key for judge_input in toy_judge_inputs()[:4])
    path = write(
        tmp_path / "r.jsonl", reply(a, 3), reply(b, 9), reply(c, 1, method="other"),
        reply(d, 2, finish="length"), reply("test:elsewhere", 1),
    )  # fmt: skip
    judge, verdicts = verdicts_of(path, tmp_path)
    assert [dict(verdict.grades) for verdict in verdicts] == [{"rating": 3}, {}, {}, {}]
    assert [verdict.reason for verdict in verdicts] == [
        "", "grade out of range: rating 9 is outside 0..3", "the file has no reply to this answer",
        "the reply was cut off",
    ]  # fmt: skip
    assert ["no reply" in verdict.flags for verdict in verdicts] == [False, False, True, False]
    assert judge.warnings == (
        "1 of 4 replies are not used: their cases are not drawn, or need no judge",
    )


def test_equal_verdicts_are_one_and_differing_ones_are_named(tmp_path):
    case = toy_judge_inputs()[0].key
    unreadable = {**reply(case), "text": "hm"}
    path = write(tmp_path / "r.jsonl", unreadable, reply(case), reply(case, seed=0))
    assert verdicts_of(path, tmp_path)[1][0].grades == {"rating": 2}
    path = write(tmp_path / "r.jsonl", reply(case), reply("x"), reply(case, 3))
    with pytest.raises(ConfigError, match="lines 1 and 3: different verdicts of case"):
        reply_judge(path).for_run(manifest())


def test_a_reply_must_be_of_one_answer(tmp_path):
    runs = [
        (manifest(label, task, seed), frozenset({"test:u1"}))
        for label, task, seed in [("pop", "tea", 0), ("pop", "ale", 0), ("knn", "tea", 0),
                                  ("knn", "tea", 1)]
    ]  # fmt: skip
    for line, problem in [
        (reply("test:u1", task="tea"), ""),
        (reply("test:u1", method="knn", seed=1), ""),
        ({"case": "test:u1", "run": "knn-tea-1", "text": ""}, ""),
        (reply("test:u1", method="kmn"), "no complete run 'kmn'"),
        (reply("test:u1"), "several runs: tea / pop #0, ale / pop #0"),
        (reply("test:u1", method="knn"), "several runs: tea / knn #0, tea / knn #1"),
        (reply("test:u9", task="tea"), "line 1: tea / pop has no case 'test:u9'"),
    ]:
        judge = reply_judge(write(tmp_path / "r.jsonl", line))
        if problem:
            with pytest.raises(ConfigError, match=problem):
                judge.check_runs(runs)
        else:
            judge.check_runs(runs)
    assert reply_judge(write(tmp_path / "r.jsonl", reply("c"))).for_run(manifest("knn")) is None


def test_a_file_decides_the_identity_and_is_not_probed(tmp_path):
    path = write(tmp_path / "r.jsonl", reply("c", 1))
    judge, before = reply_judge(path), ReplyJudgeConfig(replies=path).content_hash
    with pytest.raises(ConfigError, match="replies to answers as they are"):
        list(judge.judge(toy_judge_inputs()[:1], judging_run(tmp_path / "cache")))
    write(path, reply("c", 2))
    assert ReplyJudgeConfig(replies=path).content_hash != before
    with pytest.raises(ConfigError, match="No such file"):
        ReplyJudgeConfig(replies=tmp_path / "none.jsonl").content_hash  # noqa: B018


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no replies"),
        ("[]\n", "line 1: no JSON object"),
        ("{\n", "line 1: no JSON object"),
        ('{"case": "a", "method": "m", "text": "x"}\n{"case": "a", "method": "m"}\n',
         "line 2: text: Field required"),
        ('{"case": 3, "method": "m", "text": "x"}', "line 1: case: Input should be a valid string"),
        ('{"case": "a", "text": "x"}', "neither method nor run"),
        ('{"case": "a", "method": "m", "text": "x", "finish": "eos"}', "line 1: finish"),
        ('{"case": "a", "method": "m", "text": "x", "judge": "b"}\n'
         '{"case": "a", "method": "m", "text": "x"}', "several judges: \\(none\\), b"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read_say_where(tmp_path, text, problem):
    path = tmp_path / "r.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=problem):
        read_replies(path)

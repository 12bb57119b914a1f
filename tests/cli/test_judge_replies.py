"""benchkit judge --replies: replies made elsewhere become a judgement like any other."""

import json

import polars as pl
import pytest

from benchkit.errors import ConfigError
from benchkit.runs.store import Store
from tests.support.command_line import said
from tests.support.explained_suite import STRICT_JUDGE, run_explained_suite, write_explained_suite
from tests.support.toy_judges import JUDGES

RUBRIC = """
title = "Wit"
source = "a test"
reply = ["rating", { json = "score" }]
half_grades = true
system = "You judge."
user = "{history} {item} {rationale}"
[[criteria]]
name = "wit"
low = 1
high = 5
description = "how witty"
"""


@pytest.fixture
def cases(methods, tmp_path):
    """A store with two methods that explain, and the cases that are judged."""
    write_explained_suite(methods, tmp_path, STRICT_JUDGE)
    (tmp_path / "judges.py").write_text(JUDGES)
    (tmp_path / "wit.toml").write_text(RUBRIC)
    run_explained_suite(tmp_path)
    store = Store(tmp_path / "runs")
    row = store.plan("small").rows[0]
    return store.run("small", row.task, row.label, row.run_id).predictions()["case_id"].to_list()


def judge(*more):
    return said("judge", "--suite", "small.toml", "--rubric", "wit.toml", *more)


def test_replies_are_a_judgement_like_any_other(cases, tmp_path):
    grades = {case: 1 + place % 9 / 2 for place, case in enumerate(cases)}
    lines = [
        {"case": case, "method": "Explains", "judge": "acme/talker", "text": text}
        for case, grade in grades.items()
        for text in (f"**Rating: {grade:g}/5**", json.dumps({"score": grade}))
    ]
    lines += [
        {"case": case, "method": "ExplainsMore", "judge": "acme/talker", "text": "Rating: 2"}
        for case in cases[:30]
    ]
    path = tmp_path / "replies.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    printed = judge("--replies", "replies.jsonl", "--cases", "400")
    assert "acme-talker" in printed
    assert "24/40" in printed  # the others have no item or no rationale, and no grade
    (verdicts,) = tmp_path.glob("runs/**/Explains/**/judgements/acme-talker-*.parquet")
    table = pl.read_parquet(verdicts)
    judged = table.filter(pl.col("stage") == "judged")
    read = {row["case_id"]: row["grades"][0]["grade"] for row in judged.iter_rows(named=True)}
    assert read == {case: grades[case] for case in judged["case_id"]}
    assert len(read) == 24
    (other,) = tmp_path.glob("runs/**/ExplainsMore/**/judgements/acme-talker-*.parquet")
    judged = pl.read_parquet(other).filter(pl.col("stage") == "judged")
    for row in judged.iter_rows(named=True):
        assert (row["flags"] == ["no reply"]) == (row["case_id"] not in cases[:30])
    assert 0 < judged["status"].eq("unscored").sum() < 10
    report = said("report", "--suite", "small", "--leaderboards", "boards")
    assert "acme-talker" in report


def test_replies_to_nothing_are_named(cases, tmp_path):
    path = tmp_path / "replies.jsonl"
    path.write_text(json.dumps({"case": "u1", "method": "Explains", "text": "Rating: 2"}))
    with pytest.raises(ConfigError, match="line 1: toy / Explains has no case 'u1'"):
        judge("--replies", "replies.jsonl")
    with pytest.raises(ConfigError, match="leave out --by or --replies"):
        judge("--replies", "replies.jsonl", "--by", "heuristic")
    path.write_text(json.dumps({"case": cases[0], "method": "Explains", "text": "Rating: 2"}))
    with pytest.raises(ConfigError, match="answers as they are"):
        judge("--replies", "replies.jsonl", "--probe", "3")

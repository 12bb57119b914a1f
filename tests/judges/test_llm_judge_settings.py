"""What a language-model judge is made with: settings, identity, keys, real engines."""

import logging
from urllib.parse import urlsplit

import pytest

from benchkit import cards, fingerprint
from benchkit.errors import ConfigError
from benchkit.judging.verdicts import construct_judge
from judges.llm_judge import LLMJudge, LLMJudgeConfig
from tests.support.judge_inputs import FakeJudgeEngine, grade_of, judging_run, many_inputs
from tests.support.openai_engine import KEY

OPENAI = {"kind": "openai", "model": "org/judge-1", "base_url": "http://127.0.0.1:9/v1"}


def judge(fake_engine, /, **settings):
    values = {"engine": OPENAI, "rubric": "rationale-0-3", **settings}
    return LLMJudge(LLMJudgeConfig.model_validate(values), lambda _: fake_engine)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"decoding": {"n": 2}}, "one verdict"),
        ({"retries": 2}, "repeats itself"),
        ({"engine": {"kind": "hf"}}, "judge's engine has no backbone"),
        ({"engine": {"kind": "hf", "backbone": "nano"}}, "nano cannot judge"),
        ({"engine": {"kind": "abacus"}}, "engine"),
        ({"engine": {"kind": "openai"}}, "model"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        judge(FakeJudgeEngine(), **settings)


def test_an_unknown_rubric_is_refused():
    with pytest.raises(ConfigError, match="rationale-0-3"):
        judge(FakeJudgeEngine(), rubric="rationale-0-4")


def test_a_key_in_the_settings_is_refused_and_not_repeated():
    with pytest.raises(ConfigError) as raised:
        judge(FakeJudgeEngine(), engine=OPENAI | {"api_key": KEY})
    assert "api_key" in str(raised.value)
    assert KEY not in repr(raised.value)
    assert raised.value.__cause__ is None and raised.value.__suppress_context__


def test_only_what_a_verdict_depends_on_is_part_of_its_identity():
    def dumped(**engine):
        values = {"engine": OPENAI | engine, "decoding": {"temperature": 0.5}}
        return fingerprint.canonical_settings(LLMJudgeConfig.model_validate(values))

    assert dumped() == dumped(concurrency=2, max_cost=5.0, price_prompt=1.0, api_key_env="MY_KEY")
    assert dumped() != dumped(model="other")
    assert dumped()["engine_semantics"]["model"] == "org/judge-1"


def test_it_says_who_judges():
    asking = judge(FakeJudgeEngine(), decoding={"temperature": 0.5})
    assert asking.models == ("org/judge-1",)
    assert asking.caveats == ("graded by org/judge-1, rubric rationale-0-3, temperature 0.5",)


def test_it_is_made_by_its_dotted_path():
    card = cards.find_card("judges.llm_judge:LLMJudge", "judge")
    config = cards.build_config(card, {"engine": OPENAI, "rubric": "rationale-quality"})
    instance = construct_judge(card, config)
    assert instance.rubric.name == "rationale-quality"
    with pytest.raises(ConfigError, match="rubrik"):
        cards.build_config(card, {"engine": OPENAI, "rubrik": "x"})


@pytest.mark.usefixtures("environment")
def test_the_key_is_nowhere(tmp_path, caplog, monkeypatch, echo):
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("BENCHKIT_ALLOW_KEYS", f"MY_KEY={urlsplit(echo.url).netloc}")
    caplog.set_level(logging.DEBUG)
    echo.backend.reply = lambda text, number, seed: f"<eval>RATING-{grade_of(text)}</eval>"
    engine = {"kind": "openai", "model": "tiny", "base_url": echo.url, "api_key_env": "MY_KEY"}
    asking = LLMJudge(LLMJudgeConfig(engine=engine))
    result = list(asking.judge(many_inputs(3), judging_run(tmp_path)))
    assert {v.status for v in result} == {"scored"}
    assert echo.seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert not [text for text in (caplog.text, repr(result), repr(vars(asking))) if KEY in text]
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert [file.name for file in files if file.suffix == ".sqlite"] == ["requests.sqlite"]
    assert not [file for file in files if KEY.encode() in file.read_bytes()]


def test_a_model_in_this_process_judges_too(tmp_path):
    from tests.support.tiny_models import tiny_backbone

    config = LLMJudgeConfig(
        engine={"kind": "hf", "backbone": tiny_backbone()},
        decoding={"temperature": 0, "max_tokens": 8},
        history=1,
    )
    run = judging_run(tmp_path)
    result = list(LLMJudge(config).judge(many_inputs(2), run))
    assert [v.key for v in result] == ["e0", "e1"]
    # Its weights are random: what it says is no verdict, and none is made of it.
    assert all(v.status == "unscored" and v.reason and not v.grades for v in result)
    assert LLMJudge(config).estimate(many_inputs(2), run).calls > 0

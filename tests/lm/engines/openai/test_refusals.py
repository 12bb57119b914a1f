"""The openai engine against a server that refuses: errors that asking again does not mend."""

import logging
import traceback

import pytest

from benchkit.errors import ConfigError, EngineError
from benchkit.lm.engines.openai.config import OpenAIConfig
from benchkit.lm.engines.openai.engine import OpenAIEngine
from tests.support.openai_engine import GREEDY, KEY, SAMPLED, make, prompts, texts
from tests.support.openai_server import Cut, Edit, Status

pytestmark = pytest.mark.usefixtures("environment")


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, EngineError, "OPENAI_API_KEY"),
        (403, EngineError, "OPENAI_API_KEY"),
        (404, ConfigError, "no model 'tiny'"),
        (405, ConfigError, "does not take this request"),
    ],
)
def test_errors_that_stay_are_raised_at_once(echo, tmp_path, status, kind, words):
    echo.faults.append(Status(status, body={"error": {"message": f"your key {KEY} is bad"}}))
    with pytest.raises(kind, match=words) as raised:
        list(make(echo, tmp_path, concurrency=1).generate(prompts(3), GREEDY))
    assert type(raised.value) is kind
    assert raised.value.hint and "made" not in raised.value.hint
    assert len(echo.seen) == 1
    assert KEY not in "".join(traceback.format_exception(raised.value))
    assert raised.value.__context__ is None


def words(message, **fields):
    return {"error": {"message": message, **fields}}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, words("This model's maximum context length is 8 tokens.", param="messages")),
        (400, words("'max_tokens' is too large: maximum context length is 8", param="max_tokens")),
        (413, words("request too large")),
        (422, {"detail": "prompt is too long"}),
        (400, words("I do not like this one")),
    ],
)
def test_a_request_that_is_rejected_is_a_fault_of_its_case_alone(echo, tmp_path, status, body):
    engine = make(echo, tmp_path, concurrency=1)
    echo.faults.extend([None, Status(status, body=body)])
    answers = list(engine.generate(prompts(3), GREEDY))
    assert [a.completions[0].finish for a in answers] == ["stop", "error", "stop"]
    assert f"does not take the request (HTTP {status}" in answers[1].completions[0].fault
    assert len(echo.seen) == 3  # asking again would not help
    assert engine.budget.spent.prompt == 12


def test_a_prompt_that_cannot_be_scored_is_a_fault_of_its_case_alone(echo, tmp_path, folder):
    engine = make(echo, tmp_path, concurrency=1, tokenizer=str(folder))
    echo.faults.extend([None, Status(400, body=words("maximum context length is 8"))])
    first, second, third = engine.score(prompts(3), [["ab"]] * 3)
    assert (first.finish, second.finish, third.finish) == ("stop", "error", "stop")
    assert "maximum context length" in second.fault and not first.fault


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (words("Unsupported parameter", param="top_p"), 'omit_fields = ["top_p"]'),
        (words("Unsupported value: 'temperature' does not support 0.0"), '["temperature"]'),
        (words("use 'max_completion_tokens'", param="max_tokens"), "max_completion_tokens"),
        ({"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs"}]}, '["seed"]'),
        (words('Unknown name "reasoning"'), "extra_body"),
        (words("not supported", param="reasoning_effort"), "leave reasoning_effort out"),
    ],
)
def test_a_field_that_a_server_refuses_ends_the_run_with_its_setting(echo, tmp_path, body, hint):
    echo.always = Status(400, body=body)
    engine = make(
        echo,
        tmp_path,
        concurrency=1,
        extra_body={"reasoning": {"effort": "low"}},
        reasoning_effort="low",
    )
    with pytest.raises(ConfigError, match="does not take '") as raised:
        list(engine.generate(prompts(3), SAMPLED))
    assert hint in raised.value.hint
    assert len(echo.seen) == 1


def test_the_key_is_in_no_cause_of_a_fault(echo, tmp_path):
    echo.always = Edit(lambda r: {"error": {"message": f"bad key {KEY}"}})
    [answer] = make(echo, tmp_path, retries=0).generate(prompts(1), GREEDY)
    assert answer.completions[0].fault.endswith("bad key [key]")


# Several answers a request


class RefusesSeveral:
    """A server that takes one answer a request."""

    def __init__(self, status=400):
        self.status = status

    def __call__(self, body):
        several = Status(self.status, body=words("n > 1 is not supported", param="n"))
        return several if body.get("n", 1) > 1 else None


@pytest.mark.parametrize("sends_seed", [True, False])
def test_a_server_that_refuses_n_is_asked_one_by_one_and_that_is_remembered(
    echo, tmp_path, sends_seed
):
    echo.judge = RefusesSeveral()
    engine = make(echo, tmp_path, concurrency=1, send_seed=sends_seed)
    first = list(engine.generate(prompts(3), SAMPLED))
    assert [s.body["n"] for s in echo.seen] == [3, *[1] * 9]
    assert all(len(a.completions) == 3 and a.usage["requests"] == 3 for a in first)
    if sends_seed:  # the echo server answers by the seed
        assert all(len({c.text for c in a.completions}) == 3 for a in first)
    echo.seen.clear()
    assert texts(make(echo, tmp_path, send_seed=sends_seed).generate(prompts(3), SAMPLED)) == (
        texts(first)
    )
    assert not echo.seen
    assert None not in list(make(echo, tmp_path, send_seed=sends_seed).lookup(prompts(3), SAMPLED))


def test_a_prompt_that_is_rejected_says_nothing_of_n(echo, tmp_path):
    echo.faults.extend([Status(400, body=words("too long"))] * 2)
    engine = make(echo, tmp_path, concurrency=1)
    first, second = engine.generate(prompts(2), SAMPLED)
    assert (first.completions[0].finish, second.completions[0].finish) == ("error", "stop")
    assert [s.body["n"] for s in echo.seen] == [3, 1, 3]


def test_a_model_that_is_not_there(echo, tmp_path):
    with pytest.raises(ConfigError, match=r"'big'.*HTTP 404.*does not exist"):
        list(make(echo, tmp_path, model="big").generate(prompts(1), GREEDY))


@pytest.mark.parametrize(
    ("key", "words"), [("", "needs a key"), ("sk-ü", "characters"), ("a\nb", "characters")]
)
def test_a_key_that_cannot_be(tmp_path, monkeypatch, key, words):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    engine = OpenAIEngine(OpenAIConfig(model="m"), tmp_path)
    with pytest.raises(ConfigError, match=words) as raised:
        list(engine.generate(prompts(1), GREEDY))
    assert "OPENAI_API_KEY" in str(raised.value) and (not key or key not in str(raised.value))


def test_the_key_is_nowhere(echo, tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("MY_KEY", f"{KEY}\n")
    monkeypatch.setenv("BENCHKIT_ALLOW_KEYS", "MY_KEY=127.0.0.1")
    caplog.set_level(logging.DEBUG)
    engine = make(echo, tmp_path, api_key_env="MY_KEY")
    echo.faults.extend([None, Status(500, body={"error": {"message": KEY}}), Cut(0.5)])
    answers = list(engine.generate(prompts(3), GREEDY))
    assert echo.seen[0].headers["authorization"] == f"Bearer {KEY}"
    echo.always = Status(500, body={"error": {"message": f"Bearer {KEY} {KEY}"}})
    with pytest.raises(EngineError) as raised:
        list(engine.generate(prompts(5), GREEDY))
    engine.close()
    said = [caplog.text, repr(engine), repr(engine.config), repr(vars(engine)), repr(answers)]
    said += ["".join(traceback.format_exception(raised.value)), repr(vars(engine._client))]
    said += [engine.config.model_dump_json(), repr(engine._client._client)]
    assert not [text for text in said if KEY in text]
    assert caplog.records
    files = [f for f in tmp_path.rglob("*") if f.is_file()]
    assert files and not [f for f in files if KEY.encode() in f.read_bytes()]

"""What the openai engine asks only once, and what it may spend."""

import threading
import time

import pytest

from benchkit.errors import EngineError
from benchkit.lm.engines.budget import TokenUsage
from benchkit.lm.engines.openai.client import OpenAIClient
from benchkit.lm.generation_cache import ask_again_since
from benchkit.lm.types import Decoding, Message, Prompt
from tests.support.openai_engine import GREEDY, SAMPLED, edit, make, prompts, texts
from tests.support.openai_server import Slow, TestServer
from tests.support.server_backends import EchoBackend
from tests.support.tiny_chat_model import tiny_tokenizer

pytestmark = pytest.mark.usefixtures("environment")


def test_a_second_run_asks_nothing_and_needs_neither_server_nor_key(tmp_path, folder, monkeypatch):
    asked = prompts(5)
    with TestServer(EchoBackend(tiny_tokenizer())) as server:
        engine = make(server, tmp_path, tokenizer=str(folder))
        first = list(engine.generate(asked, SAMPLED))
        scores = list(engine.score(asked, [["ab", "in"]] * 5))
        assert len(server.seen) == 15
    monkeypatch.delenv("OPENAI_API_KEY")
    # An address that needs a key, which is read for a request only.
    monkeypatch.setattr(OpenAIClient, "post", lambda *_: pytest.fail("asked"))
    engine = make(server, tmp_path, tokenizer=str(folder), base_url=f"{server.url}/")
    second = list(engine.generate(asked[::-1], SAMPLED))[::-1]
    assert [a.completions for a in second] == [a.completions for a in first]
    assert all(a.usage["cached"] == 1 and a.usage["completion_tokens"] == 3 for a in second)
    again = list(engine.score(asked, [["ab", "in"]] * 5))
    assert all((a.logprobs == b.logprobs).all() for a, b in zip(scores, again, strict=True))
    assert all(a.usage["cached"] == 2 for a in again)
    assert engine.budget.spent == TokenUsage()


def test_another_model_revision_or_temperature_is_another_question(echo, tmp_path):
    for changes in ({}, {"model_revision": "2"}, {"model_revision": "3"}, {}):
        list(make(echo, tmp_path, **changes).generate(prompts(1), GREEDY))
    assert len(echo.seen) == 3
    list(make(echo, tmp_path).generate(prompts(1), Decoding(temperature=0.5, max_tokens=6)))
    assert len(echo.seen) == 4


def test_another_server_is_another_question(tmp_path):
    replies = []
    for word in ("first", "second"):
        with TestServer(EchoBackend(reply=lambda *_, w=word: w)) as server:
            replies += texts(make(server, tmp_path).generate(prompts(1), GREEDY))
    assert replies == [["first"], ["second"]]


def test_the_same_tokens_cut_elsewhere_are_another_question(echo, tmp_path, folder):
    engine = make(echo, tmp_path, tokenizer=str(folder))
    [short] = prompts(1, begun=("a", "😀"))
    [long] = prompts(1, begun=("a",))
    (one,) = engine.score([short], [["😁"]], end=False)
    (other,) = engine.score([long], [["😀😁"]], end=False)
    assert echo.seen[0].body == echo.seen[1].body
    assert one.token_counts[0] < other.token_counts[0]
    assert one.logprobs[0] > other.logprobs[0]


def test_asking_again_asks_everything_once_more_but_once(echo, tmp_path):
    list(make(echo, tmp_path).generate(prompts(3), SAMPLED))
    since = time.time()
    echo.backend.reply = lambda *_: "new"
    for _ in range(2):
        with ask_again_since(since):
            answers = list(make(echo, tmp_path).generate(prompts(3), SAMPLED))
        assert texts(answers) == [["new"] * 3] * 3
        assert len(echo.seen) == 6
    # The new answers took the place of the old ones.
    assert texts(make(echo, tmp_path).generate(prompts(3), SAMPLED)) == [["new"] * 3] * 3
    assert len(echo.seen) == 6


def test_a_closed_engine_can_be_asked_again(echo, tmp_path):
    engine = make(echo, tmp_path)
    for _ in range(2):
        assert texts(engine.generate(prompts(2), GREEDY)) == [["w0-0-None"], ["w1-0-None"]]
        engine.close()
    assert len(echo.seen) == 2


def test_two_runs_at_once_share_the_cache(echo, tmp_path):
    results = {}

    def run(name):
        results[name] = texts(make(echo, tmp_path).generate(prompts(20), SAMPLED))

    threads = [threading.Thread(target=run, args=(n,)) for n in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results["a"] == results["b"]
    assert len(results["a"]) == 20


def test_the_same_question_twice_is_asked_once(echo, tmp_path):
    echo.always = Slow(0.05)
    same = [Prompt(str(i), (Message("user", "x"),)) for i in range(8)]
    answers = list(make(echo, tmp_path, concurrency=8).generate(same, GREEDY))
    assert len(answers) == 8
    assert len(echo.seen) == 1
    assert sum(a.usage["cached"] for a in answers) == 7


def test_the_token_budget_stops_the_run(echo, tmp_path):
    # A prompt takes 7 characters, one word is generated; reserved are 7 + 16 and 6 tokens.
    asked = [Prompt(str(i), (Message("user", f"say w{i}"),)) for i in range(10, 60)]
    engine = make(echo, tmp_path, max_tokens_total=100)
    got = []
    with pytest.raises(EngineError, match="budget of 100 tokens is spent") as raised:
        for answer in engine.generate(asked, GREEDY):
            got.append(answer)
    assert len(echo.seen) == 9  # 8 * 8 + 29 <= 100 < 9 * 8 + 29
    assert engine.budget.spent == TokenUsage(63, 9)
    assert "63 prompt and 9 completion" in str(raised.value)
    assert texts(got) == [[f"w{i}-0-None"] for i in range(10, 10 + len(got))]
    # What was answered is kept, so another run of the same budget comes further.
    with pytest.raises(EngineError, match="budget"):
        list(make(echo, tmp_path, max_tokens_total=100).generate(asked, GREEDY))
    assert len({s.body["messages"][0]["content"] for s in echo.seen}) == len(echo.seen) == 18


def test_the_money_budget_stops_the_run(echo, tmp_path):
    prices = {"price_prompt": 1e5, "price_completion": 1e6, "max_cost": 20.0}
    engine = make(echo, tmp_path, concurrency=1, **prices)
    with pytest.raises(EngineError, match="a cost of 20 is spent"):
        list(engine.generate(prompts(50), GREEDY))
    # A request costs 1.6, at most 2.2 + 6 are reserved: 7 * 1.6 + 8.2 <= 20 < 8 * 1.6 + 8.2
    assert len(echo.seen) == 8
    assert engine.budget.price(engine.budget.spent) == pytest.approx(12.8)


def test_unusable_answers_cost_as_well(echo, tmp_path):
    engine = make(echo, tmp_path, retries=2)
    echo.always = edit(lambda c: c["message"].update(content=None))
    list(engine.generate(prompts(1), GREEDY))
    assert engine.budget.spent == TokenUsage(18, 3)


def test_losing_interest_ends_the_requests(echo, tmp_path):
    answers = make(echo, tmp_path, concurrency=2).generate(prompts(500), GREEDY)
    next(answers)
    del answers
    count = len(echo.seen)
    assert count < 30
    time.sleep(0.05)
    assert len(echo.seen) == count


def test_nothing_heavy_is_imported_before_the_first_request(echo, tmp_path):
    import subprocess
    import sys

    code = (
        "import sys; from benchkit.lm.engines.openai.engine import OpenAIEngine, OpenAIConfig; "
        "from pathlib import Path; OpenAIEngine(OpenAIConfig(model='m'), Path('x')); "
        "print([m for m in ('openai', 'transformers', 'torch', 'vllm') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert out.stdout.strip() == "[]"
    assert not list(tmp_path.iterdir())

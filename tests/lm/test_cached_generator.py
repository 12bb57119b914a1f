"""Prompts answered by an engine, each answer stored once."""

import pytest

from benchkit.errors import EngineError
from benchkit.lm.cached_generator import CachedGenerator, CallCount
from benchkit.lm.generation_cache import CACHE_FILE, GenerationCache
from benchkit.lm.types import Completion, Decoding, Generation, Message, Prompt
from tests.support.openai_engine import GREEDY, make, prompts
from tests.support.openai_server import Status


class Counting:
    """An engine in this process, which stores nothing."""

    def __init__(self, finish="stop"):
        self.finish, self.keys = finish, []

    def generate(self, prompts, decoding):
        for prompt in prompts:
            self.keys.append(prompt.key)
            completion = Completion(f"to {prompt.key}", self.finish, 3)
            yield Generation((completion,), {"prompt_tokens": 2.0})

    def count_tokens(self, text):
        return len(text.split())


def generator(engine, cache, **changes):
    values = {"identity": {"engine": "e"}, "decoding": GREEDY, "batch": 2, **changes}
    return CachedGenerator(lambda: engine, cache=cache, **values)


def ask(generator, wanted, usable=lambda text: True):
    return [(r.text, r.cached) for r in generator.generate(wanted, usable)]


def test_an_engine_in_this_process_is_asked_once(tmp_path):
    engine, cache = Counting(), GenerationCache(tmp_path)
    first = ask(generator(engine, cache), prompts(3))
    assert first == [("to p0", False), ("to p1", False), ("to p2", False)]
    assert ask(generator(engine, cache), prompts(3)) == [(text, True) for text, _ in first]
    assert engine.keys == ["p0", "p1", "p2"]
    assert len(cache) == 3
    assert list(generator(None, cache).lookup(prompts(3))) == [text for text, _ in first]


@pytest.mark.parametrize(("finish", "usable"), [("length", True), ("stop", False)])
def test_what_cannot_be_used_is_asked_for_again(tmp_path, finish, usable):
    engine = Counting(finish)
    for _ in range(2):
        cache = GenerationCache(tmp_path)
        ask(generator(engine, cache), prompts(1), lambda text: usable)
    assert engine.keys == ["p0", "p0"]


def test_the_key_counts_where_answers_are_drawn(tmp_path):
    same = [Prompt(key, (Message("user", "x"),)) for key in "ab"]
    for temperature, n_asked in ((0, 1), (0.5, 2)):
        engine = Counting()
        decoding = Decoding(temperature=temperature)
        ask(generator(engine, GenerationCache(tmp_path), decoding=decoding), same)
        assert len(engine.keys) == n_asked


@pytest.mark.usefixtures("environment")
def test_the_answers_of_a_server_are_stored_once(echo, tmp_path):
    engine = make(echo, tmp_path)
    cache = GenerationCache(tmp_path / "cache")  # where the engine's lies, too
    assert [cached for _, cached in ask(generator(engine, cache), prompts(3))] == [False] * 3
    assert len(cache) == len(echo.seen) == 3
    asking = generator(make(echo, tmp_path), cache)
    assert asking.count_calls(prompts(3)) == CallCount(0, 0, 0, 3)
    assert list(asking.lookup(prompts(4)))[2:] == ["w2-0-None", None]
    replies = list(asking.generate(prompts(3), lambda text: True))
    assert all(reply.cached and reply.usage == {"cached": 1.0} for reply in replies)
    assert len(echo.seen) == 3


@pytest.mark.usefixtures("environment")
def test_counting_asks_nothing_and_writes_nothing(echo, tmp_path):
    asking = generator(make(echo, tmp_path), GenerationCache(tmp_path / "cache"))
    assert asking.count_calls(prompts(3)).calls == 3
    assert list(asking.lookup(prompts(3))) == [None] * 3
    assert not echo.seen
    assert not list(tmp_path.rglob(CACHE_FILE))


@pytest.mark.usefixtures("environment")
def test_a_broken_off_run_asks_a_server_only_what_is_missing(echo, tmp_path):
    """Also answers that arrived before an earlier one failed are paid for, and so are stored."""
    asking = generator(make(echo, tmp_path, retries=0), None, batch=8)
    echo.faults.extend([None, None, Status(401)])
    with pytest.raises(EngineError):
        ask(asking, prompts(8))
    answered = len(echo.seen) - 1
    assert ask(generator(make(echo, tmp_path), None, batch=8), prompts(8))
    assert len(echo.seen) == answered + 1 + 8 - answered


@pytest.mark.usefixtures("environment")
def test_a_cut_off_answer_of_a_server_is_paid_for_once(echo, tmp_path):
    finish = Decoding(max_tokens=1)
    for _ in range(2):
        engine = make(echo, tmp_path)
        ask(generator(engine, None, decoding=finish), prompts(1), lambda text: False)
    assert len(echo.seen) == 1

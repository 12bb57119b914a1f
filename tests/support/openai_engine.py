"""What tests ask test servers, and the engine with which they do."""

import time

from benchkit.lm.engines.openai.config import OpenAIConfig
from benchkit.lm.engines.openai.engine import OpenAIEngine
from benchkit.lm.engines.retry import Backoff
from benchkit.lm.types import Decoding, Message, Prompt
from tests.support.openai_server import Edit

KEY = "sk-fake-1234567890"
GREEDY = Decoding(max_tokens=6)
SAMPLED = Decoding(n=3, temperature=1.0, max_tokens=6, seed=1)


def prompts(count, begun=()):
    return [Prompt(f"p{i}", (Message("user", f"say w{i}"),), begun) for i in range(count)]


def make(running, tmp_path, waits=None, retries=3, now=time.time, **changes):
    """An engine that does not really wait."""
    values = {"base_url": running.url, "model": "tiny", "max_retries": retries, "concurrency": 4}
    config = OpenAIConfig(**(values | changes))
    sleep = (lambda s: None) if waits is None else waits.append
    return OpenAIEngine(config, tmp_path / "cache", Backoff(retries=retries, sleep=sleep, now=now))


def texts(answers):
    return [[c.text for c in answer.completions] for answer in answers]


def edit(change):
    """A fault that changes each choice."""

    def apply(reply):
        for choice in reply["choices"]:
            change(choice)
        return reply

    return Edit(apply)

"""What tests of judges use: inputs by the thousand, a language model without one, grades."""

import re
import zlib
from dataclasses import replace

from benchkit.errors import EngineError
from benchkit.judging.rubric import Rubric
from benchkit.lm.types import Completion, Generation
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.testing.judges import toy_judge_inputs


def judging_run(folder):
    """A run on the toy data whose cache is `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return run_context(toy_dataset(users=60, items=60, length=8).catalog, cache=folder)


def many_inputs(count):
    """So many inputs, all different."""
    some = toy_judge_inputs()
    return [
        replace(
            some[n % len(some)], key=f"e{n}", rationale=f"Reason {n}, as the customer likes it."
        )
        for n in range(count)
    ]


def grade_of(text):
    """0 to 3, which only the rationale decides."""
    reason = re.search(r"Reason \d+", text)
    return zlib.crc32((reason[0] if reason else text).encode()) % 4


def fake_reply(text, number=0, seed=None):
    """What a judge says to a prompt."""
    return f"It fits. <eval>RATING-{grade_of(text)}</eval>"


class FakeEngine:
    """Answers by a function of the prompt, (text, finish), and notes what it was asked."""

    can_score = can_constrain = False

    def __init__(self, answer=None, stop_after=None):
        self.answer = answer or (lambda prompt: (fake_reply(prompt.messages[-1].content), "stop"))
        self.asked, self.left = [], stop_after

    def generate(self, prompts, decoding):
        for prompt in prompts:
            if self.left == 0:
                raise EngineError("the server is gone")
            self.left = None if self.left is None else self.left - 1
            self.asked.append((prompt, decoding))
            usage = {"prompt_tokens": 100.0, "completion_tokens": 5.0, "requests": 1.0}
            yield Generation((Completion(*self.answer(prompt), 5),), usage)

    def count_tokens(self, text):
        return len(text.split())


def small_rubric(*criteria, shows_target=False):
    """A small rubric with criteria given as (name, low, high)."""
    return Rubric.model_validate(
        {
            "name": "small",
            "title": "Small",
            "source": "a test",
            "shows_target": shows_target,
            "criteria": [
                {"name": name, "low": low, "high": high, "description": "how good"}
                for name, low, high in criteria
            ],
            "system": "You judge.",
            "user": "{scale}\n{history}\n{item}\n{rationale}" + "\n{target}" * shows_target,
        }
    )

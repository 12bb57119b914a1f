"""What tests of judges use: inputs by the thousand, a language model without one, grades."""

import re
import zlib
from dataclasses import replace

from benchkit.judging.rubric import Rubric
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.testing.judges import toy_judge_inputs
from tests.support.fake_engine import FakeEngine


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


class FakeJudgeEngine(FakeEngine):
    """Answers as a judge does, unless another function is passed."""

    def __init__(self, answer=None, stop_after=None):
        super().__init__(
            answer or (lambda prompt: (fake_reply(prompt.messages[-1].content), "stop")), stop_after
        )


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

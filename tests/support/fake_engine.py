"""An engine without a language model."""

from benchkit.errors import EngineError
from benchkit.lm.types import Completion, Generation


class FakeEngine:
    """Answers by a function of the prompt, (text, finish), and notes prompts and decodings.

    stop_after: after so many answers it fails.
    """

    can_score = can_constrain = False

    def __init__(self, answer, stop_after=None):
        self.answer = answer
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

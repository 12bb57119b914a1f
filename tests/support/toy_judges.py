"""Small judges for tests, in a file as `conftest.METHODS` are."""

JUDGES = '''
from pydantic import BaseModel
from benchkit.judging.verdicts import Verdict
from benchkit.judging.rubric import load_rubric
from benchkit.lm.cost_estimate import CostEstimate


class Strict:
    """Grades by the number of words; nothing under two words can be graded."""

    class Config(BaseModel, extra="forbid", frozen=True):
        rubric: str = "rationale-0-3"
        most: int = 3

    caveats = ("a judge for tests",)
    models = ("org/Some-Model",)

    def __init__(self, config):
        self.config = config
        self.rubric = load_rubric(config.rubric)

    def judge(self, inputs, run):
        for judge_input in inputs:
            yield self.verdict(judge_input)

    def verdict(self, judge_input):
        words = len(judge_input.rationale.split())
        if words < 2:
            return Verdict(judge_input.key, {}, "unscored", "one word", usage={"calls": 1})
        grades = {c.name: min(c.high, self.config.most) for c in self.rubric.criteria}
        return Verdict(judge_input.key, grades, evidence={"words": words}, usage={"calls": 1})

    def estimate(self, inputs, run):
        return CostEstimate(len(inputs), 10 * len(inputs), 5 * len(inputs), 0.5, 0)


class Silent(Strict):
    def judge(self, inputs, run):
        yield from list(super().judge(inputs, run))[:-1]


class Generous(Strict):
    def verdict(self, judge_input):
        return Verdict(judge_input.key, {"rating": 9})


class Curious(Strict):
    """Fails if it is shown more than it may see."""

    def verdict(self, judge_input):
        assert not hasattr(judge_input, "method")
        shown = judge_input.target is not None
        assert shown == self.rubric.shows_target
        return super().verdict(judge_input)
'''

EXPLAINERS = '''

class Explains(Base):
    """Guesses among four candidates; its reasons are missing, short or whole."""

    capabilities = frozenset({"scores", "samples", "explains", "cold_users"})
    words = "you liked such things before"

    def sample(self, requests, run):
        for request in requests:
            answers = (self.one(request, run, place) for place in range(int(run.decoding["n"])))
            yield Prediction(request.case_id, None, tuple(answers))

    def one(self, request, run, place):
        pick, why = run.generator("pick", request.case_id, place).integers(0, 5, 2)
        if pick >= len(request.candidates):
            return Sample("?", None, "eh", "unparsed")
        why = {0: None, 1: "Because"}.get(int(why), self.words)
        return Sample("text", request.candidates[pick], why, "ok")


class ExplainsMore(Explains):
    words = "you liked such things before and so you will like this one as well, as many do"


class Backbone(Explains):
    class Config(BaseModel, extra="forbid", frozen=True):
        backbone: str = "elsewhere/some-model"

    def __init__(self, config):
        pass
'''

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

    def judge(self, exhibits, run):
        for exhibit in exhibits:
            yield self.verdict(exhibit)

    def verdict(self, exhibit):
        words = len(exhibit.rationale.split())
        if words < 2:
            return Verdict(exhibit.key, {}, "unscored", "one word", usage={"calls": 1})
        grades = {c.name: min(c.high, self.config.most) for c in self.rubric.criteria}
        return Verdict(exhibit.key, grades, evidence={"words": words}, usage={"calls": 1})

    def estimate(self, exhibits, run):
        return CostEstimate(len(exhibits), 10 * len(exhibits), 5 * len(exhibits), 0.5, 0)


class Silent(Strict):
    def judge(self, exhibits, run):
        yield from list(super().judge(exhibits, run))[:-1]


class Generous(Strict):
    def verdict(self, exhibit):
        return Verdict(exhibit.key, {"rating": 9})


class Curious(Strict):
    """Fails if it is shown more than it may see."""

    def verdict(self, exhibit):
        assert not hasattr(exhibit, "method")
        shown = exhibit.target is not None
        assert shown == self.rubric.shows_target
        return super().verdict(exhibit)
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

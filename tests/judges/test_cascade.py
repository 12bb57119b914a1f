"""A cheap judge first: who is escalated and why, and that both costs are counted."""

import math

import numpy as np
import pytest

from benchkit import cards
from benchkit.errors import ConfigError
from benchkit.judging.validation import validate_verdicts
from benchkit.judging.verdicts import Verdict, construct_judge
from benchkit.lm.cost_estimate import CallCost, CostEstimate
from benchkit.lm.types import ContinuationScores
from judges.composite.cascade import ESCALATED, Cascade, CascadeConfig
from judges.composite.verdict_margins import list_verdicts, margin_of_probabilities
from judges.llm_judge import LLMJudge, LLMJudgeConfig
from tests.support.judge_inputs import FakeJudgeEngine, judging_run, many_inputs, small_rubric

ONE = small_rubric(("rating", 0, 3))
OPENAI = {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "judge-1"}


class Plain:
    """Gives these grades to e0, e1, ...; None is no grade."""

    caveats, models, rubric = ("plain",), ("m",), ONE

    def __init__(self, *grades, evidence=None, name="plain"):
        self.grades, self.evidence, self.asked, self.models = grades, evidence or {}, [], (name,)

    def judge(self, inputs, run):
        for one in inputs:
            self.asked.append(one.key)
            grade = self.grades[int(one.key[1:])]
            usage = {"requests": 1.0}
            if grade is None:
                yield Verdict(one.key, {}, "unscored", "no verdict", usage=usage)
            else:
                evidence = self.evidence.get(one.key, {})
                yield Verdict(one.key, {"rating": float(grade)}, evidence=evidence, usage=usage)

    def estimate(self, inputs, run):
        n = len(inputs)
        return CostEstimate(n, 10 * n, 5 * n, 1.0 * n, 0, CallCost(n, 8 * n, 4 * n, 0.5 * n))


class Drawn(Plain):
    """Another call gives other grades."""

    def __init__(self, *calls):
        super().__init__(*calls[0])
        self.calls = calls

    def repeat(self, number):
        return Plain(*self.calls[number])


def make(cheap, strong, *unsure, **settings):
    config = CascadeConfig.model_validate(
        {"cheap": {"judge": "heuristic", "label": "small"},
         "strong": {"judge": "heuristic", "label": "large"}, "unsure": unsure, **settings}
    )  # fmt: skip
    return Cascade.from_judges(cheap, strong, config)


def judged(cascade, n, tmp_path):
    inputs = many_inputs(n)
    return list(validate_verdicts(cascade.judge(inputs, judging_run(tmp_path)), inputs, ONE))


def test_only_what_the_cheap_judge_cannot_grade_goes_on(tmp_path):
    cheap, strong = Plain(1, None, 2, None), Plain(0, 3, 0, None, name="strong")
    cascade = make(cheap, strong, "unscored")
    verdicts = judged(cascade, 4, tmp_path)
    assert [v.grades.get("rating") for v in verdicts] == [1.0, 3.0, 2.0, None]
    assert [ESCALATED in v.flags for v in verdicts] == [False, True, False, True]
    assert strong.asked == ["e1", "e3"]
    assert verdicts[3].status == "unscored"  # the strong judge has the last word
    assert verdicts[1].evidence == {"doubt: unscored": 1.0}
    assert verdicts[0].usage == {"requests": 1.0, "cheap: requests": 1.0}
    assert verdicts[1].usage == {
        "requests": 2.0, "cheap: requests": 1.0, "strong: requests": 1.0, ESCALATED: 1.0
    }  # fmt: skip
    assert "2 of 4 escalated (50.0 %)" in cascade.caveats
    assert cascade.models == ("plain", "strong")


def test_samples_that_disagree(tmp_path):
    cheap = Drawn((1, 2, 3), (1, 2, 2), (1, None, 3))
    strong = Plain(0, 0, 0)
    verdicts = judged(make(cheap, strong, "unscored", "disagreement", samples=3), 3, tmp_path)
    assert [v.grades["rating"] for v in verdicts] == [1.0, 0.0, 0.0]
    assert verdicts[2].evidence == {"doubt: disagreement": 1.0, "cheap: rating": 3.0}
    assert verdicts[0].usage["cheap: requests"] == verdicts[0].usage["requests"] == 3.0
    few = judged(make(cheap, Plain(0, 0, 0), "unscored", "disagreement"), 3, tmp_path)
    assert [ESCALATED in v.flags for v in few] == [False, False, True]  # of two calls


def test_grades_next_to_a_boundary(tmp_path):
    cascade = make(Plain(0, 1, 2, 3), Plain(*[0] * 4), "unscored", "boundary", boundaries=[1.5])
    verdicts = judged(cascade, 4, tmp_path)
    assert [ESCALATED in v.flags for v in verdicts] == [False, True, True, False]
    assert verdicts[1].evidence["doubt: boundary"] == 1.0


def test_small_margins_by_probabilities(tmp_path):
    sure = {f"rating_p{n}": p for n, p in enumerate((0.05, 0.05, 0.1, 0.8))}
    torn = {f"rating_p{n}": p for n, p in enumerate((0.1, 0.1, 0.35, 0.45))}
    cheap = Plain(3, 3, 3, evidence={"e0": sure, "e1": torn})
    verdicts = judged(make(cheap, Plain(0, 0, 0), "unscored", "margin", margin=1.0), 3, tmp_path)
    # log 8 is 2.1, log(45/35) is 0.25, and of the third nothing is known.
    assert [ESCALATED in v.flags for v in verdicts] == [False, True, True]
    assert margin_of_probabilities(sure, ONE) == pytest.approx(math.log(8))
    certain = {f"rating_p{n}": float(n == 1) for n in range(4)}
    assert margin_of_probabilities(certain, ONE) == math.inf


def test_small_margins_by_the_scores_of_a_language_model(tmp_path):
    class Scoring(FakeJudgeEngine):
        can_score = True

        def score(self, prompts, continuations, end=True):
            assert not end
            for prompt, texts in zip(prompts, continuations, strict=True):
                assert texts == [f"<eval>RATING-{n}</eval>" for n in range(4)]
                assert prompt.prefill == ("It fits. ",)
                gap = 3.0 if "Reason 0" in prompt.messages[-1].content else 0.5
                values = np.array([-9.0, -9.0, -1.0 - gap, -1.0])
                yield ContinuationScores(values, np.ones(4, dtype=int))

    engine = Scoring(lambda _: ("It fits. <eval>RATING-3</eval>", "stop"))
    cheap = LLMJudge(LLMJudgeConfig.model_validate({"engine": OPENAI}), lambda _: engine)
    strong = LLMJudge(
        LLMJudgeConfig.model_validate({"engine": OPENAI | {"model": "large"}}),
        lambda _: FakeJudgeEngine(lambda _: ("<eval>RATING-1</eval>", "stop")),
    )
    inputs, run = many_inputs(2), judging_run(tmp_path)
    verdicts = list(make(cheap, strong, "unscored", "margin").judge(inputs, run))
    assert [v.grades["rating"] for v in verdicts] == [3.0, 1.0]
    engine.can_score = False
    verdicts = list(make(cheap, strong, "unscored", "margin").judge(inputs, run))
    assert [v.grades["rating"] for v in verdicts] == [1.0, 1.0]  # nothing is known of them


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("tag", "<eval>RATING-2</eval>"),
        ({"tag": "score"}, "<score>2</score>"),
        ("json", '{"rating": 2}'),
        ("rating", "Rating: 2"),
        ("fraction", "2/3"),
        ("letter", "Grade: B"),
    ],
)
def test_a_verdict_of_each_form_is_read_as_its_grade(reply, expected):
    from benchkit.judging.rubric import Rubric
    from judges.verdict_parser import read_verdict

    rubric = Rubric.model_validate({**ONE.model_dump(), "reply": reply})
    forms = list_verdicts(rubric)
    assert forms[2] == expected and len(forms) == 4
    for grade, form in enumerate(forms):
        assert read_verdict(form, "stop", rubric).grades == {"rating": grade}


def test_several_criteria_have_no_single_verdict():
    assert list_verdicts(small_rubric(("wit", 1, 5), ("tact", 1, 5))) == []


def test_an_estimate_is_of_both_and_of_all_calls(tmp_path):
    inputs, run = many_inputs(10), judging_run(tmp_path)
    cheap = Drawn([1] * 10, [1] * 10)
    cascade = make(cheap, Plain(), "unscored", "disagreement", likely_share=0.2)
    cost = cascade.estimate(inputs, run)
    assert (cost.calls, cost.cost) == (30, 30.0)  # two calls of the cheap judge, and all escalated
    assert (cost.likely.calls, cost.likely.cost) == (22, pytest.approx(5 + 5 + 1))


def test_settings_that_contradict_are_refused():
    with pytest.raises(ConfigError, match="need each other"):
        make(Plain(), Plain(), "unscored", "boundary")
    with pytest.raises(ConfigError, match="need each other"):
        make(Plain(), Plain(), "unscored", boundaries=[1.5])
    with pytest.raises(ConfigError, match="would stay unscored"):
        make(Plain(), Plain(), "margin")
    with pytest.raises(ConfigError, match="the same whenever it is asked"):
        make(Plain(), Plain(), "unscored", "disagreement")
    for setting in ({"margin": 2.0}, {"samples": 3}):
        with pytest.raises(ConfigError, match="says nothing without"):
            make(Plain(), Plain(), "unscored", **setting)
    other = Plain()
    other.rubric = small_rubric(("rating", 0, 4))
    with pytest.raises(ConfigError, match="different rubrics"):
        make(Plain(), other, "unscored")


@pytest.mark.parametrize("boundary", [-0.5, 0.0, 3.0, 3.5, 2.5e9, math.nan])
def test_a_boundary_that_is_between_no_grades_is_refused(boundary):
    with pytest.raises(ConfigError, match=r"not within the scale of rubric .*, 0 to 3"):
        make(Plain(), Plain(), "unscored", "boundary", boundaries=[1.5, boundary])


def test_a_boundary_may_be_on_the_scale_of_any_criterion():
    cheap, strong = Plain(), Plain()
    cheap.rubric = strong.rubric = small_rubric(("wit", 0, 1), ("tact", 1, 7))
    assert make(cheap, strong, "unscored", "boundary", boundaries=[0.5, 6.5])


@pytest.mark.parametrize(
    ("judge", "config", "allowed"),
    [
        ("heuristic", {}, False),
        ("llm", {"engine": OPENAI}, False),  # without a tokenizer a server scores nothing
        ("llm", {"engine": OPENAI | {"tokenizer": "any"}}, True),
        ("llm", {"engine": OPENAI | {"tokenizer": "any"}, "rubric": "rationale-quality"}, False),
    ],
)
def test_margins_need_a_cheap_judge_that_has_some(judge, config, allowed):
    spec = {"judge": judge, "label": "small", "config": {"rubric": "rationale-0-3"} | config}
    card = cards.find_card("cascade", "judge")
    settings = {
        "cheap": spec,
        "strong": spec | {"label": "large"},
        "unsure": ["unscored", "margin"],
    }
    if allowed:
        assert construct_judge(card, cards.build_config(card, settings))
        return
    with pytest.raises(ConfigError, match="'small' gives no log-probabilities"):
        construct_judge(card, cards.build_config(card, settings))


def test_it_is_constructed_by_its_card_and_its_identity_holds_both_judges():
    card = cards.find_card("cascade", "judge")
    settings = {
        "cheap": {"judge": "llm", "config": {"engine": OPENAI}},
        "strong": {"judge": "llm", "label": "large", "config": {"engine": OPENAI}},
    }
    config = cards.build_config(card, settings)
    cascade = construct_judge(card, config)
    assert cascade.rubric.name == "rationale-0-3" and len(cascade.caveats) == 3
    changed = {
        **settings,
        "strong": {**settings["strong"], "config": {"engine": OPENAI | {"model": "x"}}},
    }
    identities = [
        cards.identify_component(card, cards.build_config(card, one)) for one in (settings, changed)
    ]
    assert identities[0] != identities[1]


def test_another_call_and_other_words_reach_both_judges(tmp_path):
    class Pliable(Drawn):
        def with_rubric(self, rubric):
            judge = Pliable(*self.calls)
            judge.rubric = rubric
            return judge

    cheap = Pliable((1,), (1,), (2,), (2,))
    words = ONE.model_copy(update={"system": "You weigh."})
    cascade = make(cheap, Pliable((0,)), "unscored")
    assert cascade.with_rubric(words).rubric == words
    assert make(cheap, Plain(0), "unscored").with_rubric(words) is None
    again = make(cheap, Plain(0), "unscored").repeat(1)
    (verdict,) = again.judge(many_inputs(1), judging_run(tmp_path))
    assert verdict.grades == {"rating": 2.0}  # call 2, as each call has two samples


@pytest.mark.parametrize("doubt", ["unscored", "disagreement"])
def test_a_doubt_named_twice_is_refused(doubt):
    cheap = Drawn([1], [1])
    with pytest.raises(ConfigError, match=f'`unsure` names "{doubt}" twice'):
        make(cheap, Plain(1), "unscored", "disagreement", doubt)

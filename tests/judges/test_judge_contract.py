"""The judges keep the contract, and the contract finds the faults that it is for."""

import inspect
from dataclasses import replace
from pathlib import Path

import pytest

from benchkit.errors import MethodError
from benchkit.judging.verdicts import Verdict
from benchkit.testing.judges import JudgeContract, toy_judge_inputs
from judges.composite.cascade import Cascade, CascadeConfig
from judges.llm_judge import LLMJudge, LLMJudgeConfig
from judges.panel import Panel
from tests.support.contracts import collect_contracts, untested_judges
from tests.support.judge_inputs import FakeJudgeEngine, grade_of


def answer(prompt):
    """Grades by the prompt; some prompts have no usable answer, others only when asked again."""
    text = prompt.messages[1].content.partition("\n\nYour verdict must")[0]
    number = grade_of(text)
    return {
        0: ("<eval>RATING-1</eval>", "stop"),
        1: ("hm" if "#2" not in prompt.key else "<eval>RATING-2</eval>", "stop"),
        2: ("<eval>RATING-3</eval>", "length"),
        3: ("<eval>RATING-3</eval>", "stop"),
    }[number]


def llm_judge(**settings):
    values = {"engine": {"kind": "openai", "model": "m"}, "batch": 5, **settings}
    return LLMJudge(LLMJudgeConfig.model_validate(values), lambda _: FakeJudgeEngine(answer))


class TestLLMJudge(JudgeContract):
    def make(self):
        return llm_judge()


class TestHidingLLMJudge(JudgeContract):
    def make(self):
        return llm_judge(rubric="coherence-1-7")


class TestDrawnLLMJudge(JudgeContract):
    def make(self):
        return llm_judge(decoding={"temperature": 0.7})


class TestPanel(JudgeContract):
    def make(self):
        return Panel.from_judges(
            {"a": llm_judge(), "b": llm_judge(history=1), "c": llm_judge(history=2)}
        )


class TestCascade(JudgeContract):
    def make(self):
        llm = {"judge": "llm", "config": {"engine": {"kind": "openai", "model": "m"}}}
        config = CascadeConfig.model_validate(
            {"cheap": llm, "strong": llm | {"label": "strong"}, "boundaries": [2.5],
             "unsure": ["unscored", "disagreement", "boundary"]}
        )  # fmt: skip
        cheap = llm_judge(history=1, decoding={"temperature": 0.7})
        return Cascade.from_judges(cheap, llm_judge(), config)


def test_toy_inputs_are_of_all_sorts():
    some = toy_judge_inputs()
    assert len(some) == 24
    assert len({judge_input.key for judge_input in some}) == 24
    assert {judge_input.item == judge_input.target for judge_input in some} == {True, False}
    assert all(judge_input.item in judge_input.request.candidates for judge_input in some)
    assert all(judge_input.target is None for judge_input in toy_judge_inputs(target=False))


def test_every_judge_has_its_contract(request):
    contracts = collect_contracts(request.session, Path(__file__).parent, JudgeContract)
    assert not untested_judges(contracts)
    without = [c for c in contracts if c.__name__ != "TestPanel"]
    assert untested_judges(without) == ["panel"]


class Wrong(LLMJudge):
    """A judge with one fault each."""

    def __init__(self, fault):
        config = LLMJudgeConfig(engine={"kind": "openai", "model": "m"}, rubric="coherence-1-7")
        super().__init__(
            config, lambda _: FakeJudgeEngine(lambda _: ("<eval>RATING-3</eval>", "stop"))
        )
        self.fault, self.count = fault, 0
        if fault == "rubric":
            self.rubric = self.rubric.model_copy(update={"system": f"{id(self)}"})
        if fault == "caveats":
            self.caveats = ["no tuple"]

    def judge(self, inputs, run):
        result = list(super().judge(inputs, run))
        for place, (verdict, judge_input) in enumerate(zip(result, inputs, strict=True)):
            self.count += 1
            grades = {
                "outside": 9.0,
                "batch": float(1 + place % 7),
                "memory": float(1 + self.count % 7),
                "target": 1.0 + bool(judge_input.target),
            }
            if self.fault in grades and verdict.status == "scored":
                yield replace(verdict, grades={"coherence": grades[self.fault]})
            elif self.fault == "order":
                yield result[-1 - place]
            elif self.fault == "guess" and verdict.status == "unscored":
                yield Verdict(verdict.key, {"coherence": 4.0})
            elif self.fault == "silent" and place == 2:
                yield Verdict(verdict.key, {}, "unscored")
            elif self.fault != "short" or place:
                yield verdict


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("rubric", "test_its_rubric_is_always_the_same"),
        ("caveats", "test_it_says_what_it_is"),
        ("order", "test_it_gives_one_verdict_an_input_in_order"),
        ("short", "test_it_gives_one_verdict_an_input_in_order"),
        ("outside", "test_it_grades_within_limits_or_says_why_not"),
        ("silent", "test_it_grades_within_limits_or_says_why_not"),
        ("batch", "test_a_verdict_does_not_depend_on_the_others"),
        ("memory", "test_it_says_the_same_again"),
        ("target", "test_it_does_not_use_a_target_that_its_rubric_hides"),
        ("guess", "test_what_cannot_be_judged_is_unscored"),
    ],
)
def test_the_contract_finds(fault, check):
    contract = type("Contract", (JudgeContract,), {"make": lambda self: Wrong(fault)})()
    parameters = inspect.signature(getattr(JudgeContract, check)).parameters
    needs = [toy_judge_inputs(target=False)] * ("judge_inputs" in parameters)
    with pytest.raises((AssertionError, MethodError)):
        getattr(contract, check)(*needs)
    right = type("Contract", (JudgeContract,), {"make": lambda self: Wrong("none")})()
    getattr(right, check)(*needs)

"""Several judges as one: medians, quorum, disagreement."""

import pytest

from benchkit import cards, fingerprint
from benchkit.errors import ConfigError, EngineError
from benchkit.judging.validation import validate_verdicts
from benchkit.judging.verdicts import INJECTION, Verdict, construct_judge
from benchkit.lm.cost_estimate import CallCost, CostEstimate
from judges.panel import DISAGREEMENT, Panel, PanelConfig
from tests.support.judge_inputs import judging_run, many_inputs, small_rubric

ONE = small_rubric(("rating", 0, 3))
TWO = small_rubric(("clarity", 1, 5), ("wit", 1, 5))
OPENAI = {"kind": "openai", "base_url": "http://127.0.0.1:9/v1"}


class Says:
    """A judge that gives the same grades to all; None leaves an judge_input unscored."""

    def __init__(self, *grades, rubric=ONE, flags=(), models=(), estimate=None, stop=False):
        self.rubric, self.models, self.caveats = rubric, models, ("says so",)
        self.grades, self.flags, self.stop = grades, flags, stop
        self.cost = estimate or CostEstimate(0, 0, 0, None, 0)

    def judge(self, inputs, run):
        for judge_input in inputs:
            if self.stop:
                raise EngineError("the server is gone")
            if self.grades[0] is None:
                yield Verdict(judge_input.key, {}, "unscored", "no verdict", "hm", flags=self.flags)
                continue
            names = [criterion.name for criterion in self.rubric.criteria]
            grades = dict(zip(names, map(float, self.grades), strict=True))
            yield Verdict(
                judge_input.key, grades, text="fine", flags=self.flags, usage={"requests": 1.0}
            )

    def estimate(self, inputs, run):
        return self.cost


def sat(tmp_path, *judges, **settings):
    """The verdict of a panel, checked as the harness checks it."""
    panel = Panel.from_judges({f"j{n}": judge for n, judge in enumerate(judges)}, **settings)
    inputs = many_inputs(3)
    result = list(
        validate_verdicts(panel.judge(inputs, judging_run(tmp_path)), inputs, panel.rubric)
    )
    assert [v.key for v in result] == [e.key for e in inputs]
    return result[0]


@pytest.mark.parametrize(
    ("grades", "median", "spread", "flags"),
    [
        ((3, 1, 2), 2.0, 2.0, (DISAGREEMENT,)),
        ((2, 2, 3), 2.0, 1.0, ()),
        ((0, 3, 3), 3.0, 3.0, (DISAGREEMENT,)),
        ((1, 2), 1.5, 1.0, ()),
        ((0, 1, 1, 3), 1.0, 3.0, (DISAGREEMENT,)),
        ((2, None, 2), 2.0, 0.0, ()),
    ],
)
def test_the_grade_is_the_median_of_those_given(tmp_path, grades, median, spread, flags):
    result = sat(tmp_path, *map(Says, grades))
    assert (result.status, result.grades, result.flags) == ("scored", {"rating": median}, flags)
    assert result.evidence["spread: rating"] == spread
    assert result.evidence["scored"] == len([g for g in grades if g is not None])
    by_label = {f"j{n}: rating": float(g) for n, g in enumerate(grades) if g is not None}
    assert by_label.items() <= result.evidence.items()


def test_each_criterion_has_its_own_median_and_spread(tmp_path):
    members = [Says(1, 5, rubric=TWO), Says(2, 5, rubric=TWO), Says(5, 4, rubric=TWO)]
    result = sat(tmp_path, *members, gap=3)
    assert result.grades == {"clarity": 2.0, "wit": 5.0}
    assert (result.evidence["spread: clarity"], result.evidence["spread: wit"]) == (4.0, 1.0)
    assert result.flags == (DISAGREEMENT,)
    assert sat(tmp_path, *members, gap=4).flags == ()


@pytest.mark.parametrize(
    ("grades", "quorum", "scored"),
    [
        ((2, None), None, False),  # one of two is not more than half
        ((2, None, None), None, False),
        ((2, 2, None), None, True),
        ((2, 2, None, None), None, False),
        ((2, None, None), 1, True),
        ((2, 2, None), 3, False),
        ((None, None), 1, False),
    ],
)
def test_too_few_grades_are_none(tmp_path, grades, quorum, scored):
    result = sat(tmp_path, *map(Says, grades), quorum=quorum)
    assert (result.status == "scored") == scored
    if not scored:
        n_graded = len([g for g in grades if g is not None])
        needed = quorum or len(grades) // 2 + 1
        assert not result.grades
        assert result.reason.startswith(
            f"{n_graded} of {len(grades)} judges graded, {needed} are needed (j"
        )
        assert "no verdict" in result.reason or not n_graded < len(grades)


def test_flags_texts_and_usage_of_all_are_kept(tmp_path):
    members = Says(1, flags=(INJECTION,)), Says(None, flags=(INJECTION, "odd")), Says(1)
    result = sat(tmp_path, *members)
    assert result.flags == (INJECTION, "odd")
    assert result.text == "[j0]\nfine\n\n[j1]\nhm\n\n[j2]\nfine"
    assert result.usage == {"requests": 2.0}


def test_a_judge_that_cannot_go_on_stops_the_panel(tmp_path):
    with pytest.raises(EngineError):
        sat(tmp_path, Says(1), Says(2), Says(3, stop=True))


def test_estimates_are_added(tmp_path):
    asks = Says(1, estimate=CostEstimate(2, 30, 10, 0.5, 1))
    free, unknown = Says(1), Says(1, estimate=CostEstimate(2, 30, 10, None, 1))
    run = judging_run(tmp_path)
    result = Panel.from_judges({"a": asks, "b": asks, "c": free}).estimate(many_inputs(1), run)
    assert result == CostEstimate(4, 60, 20, 1.0, 2)
    assert Panel.from_judges({"a": asks, "b": unknown}).estimate(many_inputs(1), run).cost is None
    assert Panel.from_judges({"a": free, "b": free}).estimate(many_inputs(1), run).cost is None
    bound = Says(1, estimate=CostEstimate(4, 60, 20, 2.0, 0, CallCost(2, 15, 5, 0.25)))
    mixed = Panel.from_judges({"a": bound, "b": asks}).estimate(many_inputs(1), run)
    assert mixed.upper_bound == (6, 90, 30, 2.5)
    assert mixed.likely == (4, 45, 15, 0.75)  # of the other, the most is all that is known


def test_it_says_who_sits_on_it():
    panel = Panel.from_judges({"a": Says(1, models=("m", "n")), "b": Says(1, models=("m",))})
    assert panel.models == ("m", "n")
    assert panel.caveats == (
        "median of 2 judges, of whom 2 must grade: a, b",
        "several judges of the panel are the same model: m",
        "a: says so",
        "b: says so",
    )


def member(model, **more):
    config = {"engine": OPENAI | {"model": model}, **more.pop("config", {})}
    return {"judge": "judges.llm_judge:LLMJudge", "label": model, "config": config, **more}


def test_it_is_made_of_judges_by_name():
    card = cards.find_card("judges.panel:Panel", "judge")
    config = cards.build_config(card, {"judges": [member("m"), member("n"), member("o")]})
    panel = construct_judge(card, config)
    assert panel.models == ("m", "n", "o")
    assert panel.rubric.name == "rationale-0-3"
    assert panel.caveats[0] == "median of 3 judges, of whom 2 must grade: m, n, o"


def test_its_identity_is_what_its_judges_grades_depend_on():
    def dumped(**engine):
        judges = [member("m"), member("n", config={"engine": OPENAI | {"model": "n"} | engine})]
        return fingerprint.canonical_settings(PanelConfig.model_validate({"judges": judges}))

    assert dumped() == dumped(concurrency=3)
    assert dumped() != dumped(model="o")
    first = dumped()["members"][0]
    assert first["judge"] == "LLMJudge"
    assert first["code"]
    assert first["config"]["engine_semantics"]["model"] == "m"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"judges": [member("m"), member("m")]}, "stands twice"),
        ({"judges": [member("m")]}, "judges"),
        ({"judges": [member("m"), member("n")], "quorum": 3}, "quorum of 3"),
        ({"judges": [member("m"), {"judge": "nobody"}]}, "unknown judge 'nobody'"),
        ({"judges": [member("m"), member("n", config={"rubrik": "x"})]}, "rubrik"),
        (
            {"judges": [member("m"), member("n", config={"rubric": "rationale-quality"})]},
            "different rubrics: rationale-0-3, rationale-quality",
        ),
    ],
)
def test_panels_that_cannot_work_are_refused(settings, words):
    card = cards.find_card("judges.panel:Panel", "judge")
    with pytest.raises(ConfigError, match=words):
        construct_judge(card, cards.build_config(card, settings))


class Faulty(Says):
    """A judge whose server answers with an error."""

    def judge(self, inputs, run):
        for judge_input in inputs:
            yield Verdict(judge_input.key, {}, "unscored", "no usable reply", fault="busy")


def test_a_panel_says_which_of_its_judges_had_a_fault(tmp_path):
    assert sat(tmp_path, Says(1), Says(2), Says(2)).fault == ""
    verdict = sat(tmp_path, Says(1), Faulty(), Says(2))
    assert (verdict.status, verdict.fault) == ("scored", "j1: busy")


def test_a_panel_is_asked_in_other_words_and_again_if_its_members_can_be(tmp_path):
    class Pliable(Says):
        def with_rubric(self, rubric):
            return Pliable(*self.grades, rubric=rubric)

        def repeat(self, number):
            return Pliable(*(grade - number for grade in self.grades))

    other = ONE.model_copy(update={"system": "You weigh."})
    panel = Panel.from_judges({"a": Pliable(3), "b": Pliable(2), "c": Pliable(2)}, quorum=3)
    assert panel.with_rubric(other).rubric == other
    assert panel.with_rubric(other).caveats == panel.caveats
    again = panel.repeat(1)
    (verdict,) = again.judge(many_inputs(1), judging_run(tmp_path))
    assert verdict.grades == {"rating": 1.0}
    mixed = Panel.from_judges({"a": Pliable(3), "b": Says(3)})
    assert mixed.with_rubric(other) is None
    (verdict,) = mixed.repeat(1).judge(many_inputs(1), judging_run(tmp_path))
    assert verdict.grades == {"rating": 2.5}

"""benchkit judge and benchkit ls judges, as a person meets them."""

import pytest

from benchkit.api.judgement import describe_costs
from benchkit.errors import ConfigError
from benchkit.judging.judgeable_runs import JudgeableRun
from benchkit.judging.runner import JudgeCost
from benchkit.lm.cost_estimate import ESTIMATE_NOTE, CallCost, CostEstimate
from benchkit.runs.store import Store
from tests.support.command_line import said
from tests.support.explained_suite import STRICT_JUDGE, run_explained_suite, write_explained_suite
from tests.support.toy_judges import JUDGES


@pytest.fixture
def ran(methods, tmp_path):
    write_explained_suite(methods, tmp_path, STRICT_JUDGE)
    (tmp_path / "judges.py").write_text(JUDGES)
    run_explained_suite(tmp_path)


def estimated(*more):
    lines = said("judge", "--suite", "small.toml", "--estimate", *more).splitlines()
    return dict(line.split(": ", 1) for line in lines)


@pytest.mark.usefixtures("ran")
def test_an_estimate_has_a_line_a_run_and_a_total():
    found = estimated()
    assert list(found) == [
        "toy / Explains / strict", "toy / ExplainsMore / strict", "all 2 runs / strict"
    ]  # fmt: skip
    assert "cost 1.00" in found["all 2 runs / strict"]
    probing = estimated("--probe", "3")
    assert "cost 0.50" in found["toy / Explains / strict"]
    assert "cost 5.00" in probing["toy / Explains / strict"]  # as it is, and nine probes


@pytest.mark.usefixtures("ran")
def test_probes_are_printed_and_written_where_there_is_a_leaderboard(tmp_path):
    text = said("judge", "--suite", "small.toml", "--probe", "20")
    assert "Probes of judge strict" in text and "would have been seen" in " ".join(text.split())
    assert not (tmp_path / "leaderboards").exists()
    (tmp_path / "leaderboards" / "small").mkdir(parents=True)
    said("judge", "--suite", "small.toml", "--probe", "20")
    names = {path.name for path in (tmp_path / "leaderboards" / "small").iterdir()}
    assert names == {"probes-strict.md", "probes-strict.csv", "probes-strict.json"}
    assert not list((tmp_path / "runs").rglob("judgements"))


@pytest.mark.usefixtures("ran")
def test_an_estimate_says_what_is_judged_already():
    said("judge", "--suite", "small.toml", "--method", "Explains")
    found = estimated()
    assert found["toy / Explains / strict"] == "judged already"
    assert "cost 0.50" in found["toy / ExplainsMore / strict"]
    assert "cost 0.50" in found["all 2 runs / strict"]
    assert "cost 1.00" in estimated("--again")["all 2 runs / strict"]


@pytest.mark.usefixtures("ran")
def test_a_judge_of_the_same_label_is_said_to_replace_the_former():
    first = said("judge", "--suite", "small.toml")
    assert "replaces" not in first
    assert "replaces" not in said("judge", "--suite", "small.toml")
    assert "replaces judge 'strict' (rubric " in said(
        "judge", "--suite", "small.toml", "--cases", "5"
    )


@pytest.mark.usefixtures("ran")
def test_the_report_names_the_judge_that_another_one_hides():
    said("judge", "--suite", "small.toml")
    assert "another judge" not in said("report", "--suite", "small")
    said("judge", "--suite", "small.toml", "--cases", "5")
    text = " ".join(said("report", "--suite", "small").split())
    assert text.count("another judge has the label strict, too, and is not shown") == 1
    assert "under a --label of its own" in text


@pytest.mark.usefixtures("ran")
def test_a_cascade_counts_what_it_escalates_and_what_both_judges_used(tmp_path):
    (tmp_path / "judges.py").write_text(
        JUDGES
        + """

class Patient(Strict):
    def verdict(self, judge_input):
        grades = {c.name: c.low for c in self.rubric.criteria}
        return Verdict(judge_input.key, grades, usage={"calls": 10})
"""
    )
    both = (
        f'[{name}]\njudge = "judges.py:{judge}"\nconfig = {{ rubric = "rationale-quality" }}\n'
        for name, judge in (("cheap", "Strict"), ("strong", "Patient"))
    )
    (tmp_path / "cascade.toml").write_text('unsure = ["unscored"]\n' + "".join(both))
    said("judge", "--suite", "small.toml", "--by", "cascade", "--config", "cascade.toml")
    store = Store(tmp_path / "runs")
    seen = judged = escalated = 0
    for row in store.plan("small").rows:
        run = store.run("small", row.task, row.label, row.run_id)
        (judgement,) = run.judgements()
        n_judged, n_escalated = judgement.counts["judged"], judgement.counts["escalated"]
        assert judgement.counts.get("unscored", 0) == 20 - n_judged  # what has no rationale
        assert judgement.cost["strong: calls"] == 10 * n_escalated > 0
        assert judgement.cost["calls"] == n_judged + 10 * n_escalated
        share = f"{n_escalated} of {n_judged} escalated ({100 * n_escalated / n_judged:.1f} %)"
        assert share in judgement.caveats
        seen += 1
        judged, escalated = judged + n_judged, escalated + n_escalated
    assert seen == 2
    text = " ".join(said("report", "--suite", "small").split())
    assert f" {escalated} of {judged} escalated ({100 * escalated / judged:.1f} %)" in text
    assert text.count(" escalated (") == 1


def test_all_judges_together_and_what_likely_means(tmp_path):
    class Named(JudgeableRun):
        title = "toy / Explains"

    target = Named(None, None, None, tmp_path)
    asks = CostEstimate(10, 4000, 10240, 3.0, 2, CallCost(5, 1000, 750, 0.2))
    lines = list(describe_costs([JudgeCost("a", target, asks), JudgeCost("b", target, asks)]))
    assert lines[2:] == [
        "all judges: 4 answered before; likely 10 calls, 2,000 prompt tokens, 1,500 completion"
        " tokens, cost 0.40; at most 20 calls, 8,000 prompt tokens, 20,480 completion tokens,"
        " cost 6.00",
        ESTIMATE_NOTE,
    ]


@pytest.mark.usefixtures("ran")
def test_wrong_settings_are_told_without_a_place_that_is_none():
    with pytest.raises(ConfigError) as caught:
        said("judge", "--suite", "small.toml", "--by", "distilled")
    assert caught.value.cause == "judge 'distilled': give either labels or a model"
    assert caught.value.hint == "correct this value"


def test_judges_are_listed_without_fidelity_and_deviations():
    text = said("ls", "judges")
    assert "heuristic  heuristic\n" in text
    assert "unknown" not in text and "deviations" not in text
    assert "lines with - are known deviations" in said("ls", "methods")

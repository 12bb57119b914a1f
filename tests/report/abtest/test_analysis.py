"""A/B tests: what is told of arms, and what papers print beside what their counts give."""

import csv
import io
import json
import math
from pathlib import Path

import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from benchkit.errors import ConfigError, DataError
from benchkit.report.abtest import rendering
from benchkit.report.abtest.analysis import (
    Arm,
    analyse_abtest,
    parse_arm,
    plan_sample_size,
    read_arms,
)
from benchkit.report.abtest.published_tests import check_published_test, load_published_tests
from benchkit.stats.multiple_testing import holm

ROOT = Path(__file__).resolve().parents[3]
PAPERS = ROOT.parent / "shared" / "papers"


def figures(paper):
    return {
        (c.printed.figure, c.printed.treatment, c.printed.control): c
        for c in check_published_test(paper).checks
    }


def test_c_apo_follows_from_its_counts_within_rounding():
    of = figures("c-apo")
    z = of["z", "C-APO", "ML model"]
    theirs = proportions_ztest([11950, 11940], [79500, 127830])[0]
    assert z.ours == pytest.approx(theirs, abs=1e-9)
    assert z.low < 39.42 < z.high and z.verdict == "within the rounding of the counts"
    low, high = confint_proportions_2indep(11950, 79500, 11940, 127830, method="wald")
    assert of["low", "C-APO", "ML model"].ours == pytest.approx(100 * low, abs=1e-9)
    assert of["high", "C-APO", "ML model"].ours == pytest.approx(100 * high, abs=1e-9)
    lift = of["lift", "C-APO", "ML model"]
    assert lift.low < 60.88 < lift.high and lift.ours == pytest.approx(60.927, abs=1e-3)
    assert of["difference", "C-APO", "SFT"].verdict == "within the rounding of the counts"
    assert of["z", "C-APO", "SFT"].ours == pytest.approx(3.2484, abs=1e-4)


def test_what_c_apo_prints_and_does_not_follow():
    of = figures("c-apo")
    wrong = {key for key, c in of.items() if c.verdict == "does not follow"}
    assert wrong == {
        ("ctr", "Random", ""),
        ("ratio", "C-APO", "*"),
        ("width", "C-APO", "ML model"),
        ("width", "C-APO", "SFT"),
    }
    # Both printed intervals are as wide as the pooled standard error makes them.
    for control in ("ML model", "SFT"):
        assert of["pooled_width", "C-APO", control].verdict == "follows"
    sft = of["p_greater_below", "C-APO", "SFT"]
    assert sft.ours < 0.001 < sft.p  # p < .001 holds one-sided only
    text = rendering.published_test_document(check_published_test("c-apo")).to_markdown()
    assert "two-sided p is 0.0012, not below it" in text
    assert "1.65 is that of no arm; the nearest is 1.609 against ML model" in text
    assert text.count("An interval of the difference takes each arm's own variance") == 2


def test_twice_rec_follows_from_its_counts_within_rounding():
    of = figures("twice-rec")
    assert not [key for key, c in of.items() if c.verdict == "does not follow"]
    own = of["ctr", "TWiCE-Rec", ""]
    assert own.ours == pytest.approx(100 * 1830 / 15880)
    assert own.verdict == "within the rounding of the counts"
    lift = of["lift", "TWiCE-Rec", "*"]
    assert (lift.against, lift.verdict) == ("ML", "follows")
    p = proportions_ztest([1830, 32980], [15880, 309040], alternative="larger")[1]
    assert of["p_greater_below", "TWiCE-Rec", "ML"].ours == pytest.approx(p, abs=1e-9)


@pytest.mark.parametrize("paper", ["c-apo", "twice-rec"])
def test_the_counts_are_those_of_the_transcribed_tables(paper):
    with (ROOT / "leaderboards" / "published" / f"{paper}.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["domain"] == "production"]
    cells = {(row["method"], row["metric"]): row["value"] for row in rows}
    own = load_published_tests()[paper]
    for arm in own.arms:
        assert arm.impressions == round(1000 * float(cells[arm.name, "impressions"]))
        assert arm.clicks == round(1000 * float(cells[arm.name, "clicks"]))
        assert arm.cvr == cells.get((arm.name, "cvr"))
    values = {row["value"] for row in rows}
    for printed in own.printed:
        if "width" not in printed.figure and not (
            printed.figure.endswith("_below") and printed.value == "0.05"
        ):
            assert printed.value in values, printed


@pytest.mark.skipif(not PAPERS.is_dir(), reason="the papers' texts are not here")
@pytest.mark.parametrize(
    ("paper", "file"), [("c-apo", "c_apo.txt"), ("twice-rec", "twice_rec.txt")]
)
def test_the_counts_are_those_of_the_papers(paper, file):
    text = (PAPERS / file).read_text(encoding="utf-8")
    for arm in load_published_tests()[paper].arms:
        name = "Ours" if arm.name in ("C-APO", "TWiCE-Rec") else arm.name
        row = f"{name}\t{arm.impressions / 1000:.2f}K\t{arm.clicks / 1000:.2f}K\t"
        assert row in text
    for printed in load_published_tests()[paper].printed:
        if not printed.figure.endswith(("width", "_below")):
            assert printed.value in text, printed


def test_several_arms_and_conversions():
    arms = [Arm("a", 1000, 90, 20), Arm("b", 1100, 120), Arm("c", 900, 99, 30)]
    found = analyse_abtest(arms[0], arms[1:])
    assert [(t.rate, t.treatment) for t in found.comparisons] == [
        ("CTR", "b"),
        ("CTR", "c"),
        ("CVR", "c"),
    ]
    raw = [t.result.p for t in found.comparisons]
    assert [t.p_holm for t in found.comparisons] == [*holm(raw[:2]), raw[2]]
    text = rendering.analysis_document(found).to_markdown()
    assert "Holm adjusts two-sided p over 2 treatments" in text
    records = json.loads(rendering.ANALYSIS_FORMATS["json"](found))["tests"]
    rows = list(csv.DictReader(io.StringIO(rendering.ANALYSIS_FORMATS["csv"](found))))
    for row, record, test in zip(rows, records, found.comparisons, strict=True):
        assert float(row["z"]) == record["z"] == test.result.z
        assert float(row["newcombe_low"]) == record["newcombe_low"] == test.result.newcombe.low
        assert record["always_valid_p"] == test.always_valid.p


def test_no_clicks_at_all_are_told_and_not_divided_by():
    found = analyse_abtest(Arm("a", 100, 0), [Arm("b", 100, 0)])
    assert "| z, pooled | - |" in rendering.analysis_document(found).to_markdown()
    assert json.loads(rendering.ANALYSIS_FORMATS["json"](found))["tests"][0]["lift"] is None


def test_arms_as_text():
    assert parse_arm("11,940/127_830", "x") == Arm("x", 127830, 11940)
    assert parse_arm(" 9 / 100 / 2", "x") == Arm("x", 100, 9, 2)
    for text in ("9", "9/", "a/b", "-1/5", "1/2/3/4", "200/100", "1/0", "1/10/11"):
        with pytest.raises(ConfigError, match="x:"):
            parse_arm(text, "x")


def test_arms_of_a_file(tmp_path):
    path = tmp_path / "arms.csv"
    path.write_text("arm,impressions,clicks,conversions\nml,100,9,\nours,200,30,5\n")
    first, others = read_arms(path)
    assert first == Arm("ml", 100, 9) and others == [Arm("ours", 200, 30, 5)]
    assert read_arms(path, "ours")[0].name == "ours"
    path.write_text('arm,impressions,clicks\nml,"127,830","11,940"\nours,79_500,11950\n')
    first, others = read_arms(path)
    assert (first, *others) == (Arm("ml", 127830, 11940), Arm("ours", 79500, 11950))
    path.write_text("sep=;\narm;impressions;clicks\nml;100;9\nours;200;30\n")
    assert read_arms(path) == (Arm("ml", 100, 9), [Arm("ours", 200, 30)])
    with pytest.raises(ConfigError, match="no arm 'x'"):
        read_arms(path, "x")
    for text, said in (
        ("arm,clicks\na,1\nb,2\n", "line 2: no impressions"),
        ("arm,impressions,clicks\n,10,1\nb,10,1\n", "line 2: no arm"),
        ("arm,impressions,clicks\na,10,many\nb,10,1\n", "line 2: clicks: 'many' is not a whole"),
        ("arm,impressions,clicks\na,10,1\nb,-10,1\n", "line 3: impressions: '-10' is not a whole"),
        ("arm,impressions,clicks\na,10\nb,10,1\n", "line 2: no clicks"),
        ("arm,impressions,clicks\na,10,1\nb,0,0\n", "line 3: b: 0 clicks of 0 impressions"),
        ("arm,impressions,clicks\na,127,830,9\nb,10,1\n", "line 2: more cells than the header"),
        ("sep=;\narm;impressions;clicks\na;10;1\nb;10;x\n", "line 4: clicks: 'x'"),
        ("arm,impressions,clicks\na,10,1\n", "two arms and more"),
        ("arm,impressions,clicks\na,10,1\na,10,2\n", "two arms and more"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=said):
            read_arms(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_arms(tmp_path / "none.csv")


def test_plans():
    planned = plan_sample_size(0.09, 0.05)
    assert planned.control == planned.treatment == 64_914
    assert "64,914" in rendering.sample_size_document(planned).to_markdown()
    assert json.loads(rendering.SAMPLE_SIZE_FORMATS["json"](planned))["control"] == 64_914
    with pytest.raises(ConfigError, match="needs rates"):
        plan_sample_size(0.9, 0.5)
    for tau in (0.0, -1.0, 1.5, math.inf, math.nan):
        with pytest.raises(ConfigError, match=r"--tau .*: is not above 0 and at most 1"):
            analyse_abtest(Arm("a", 9, 1), [Arm("b", 9, 1)], tau=tau)


def test_a_p_that_is_too_small_for_a_number_is_no_zero():
    lines = rendering.published_test_document(check_published_test("c-apo")).tables[1].rows
    of = {line[:2]: line[2:5] for line in lines}
    found = of["C-APO against ML model", "one-sided p of CTR, below"]
    assert found == ("0.001", "<1e-300", "<1e-300 to <1e-300")

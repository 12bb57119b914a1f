"""benchkit compare and benchkit abtest, as a person meets them."""

import json

import pytest

from benchkit.errors import ConfigError
from tests.support.command_line import invoked, said
from tests.support.suites import make_suite, run_all


@pytest.fixture
def runs(methods, tmp_path):
    run_all(make_suite("Counts", "Noise"), tmp_path)
    return str(tmp_path / "runs")


def test_compare_prints_every_format(runs, tmp_path):
    text = said("compare", "Counts", "Noise", "--out", runs, "--power", "0.05")
    assert "Counts - Noise" in text and "1 comparison made" in text and "Needed" in text
    value = json.loads(said("compare", "--out", runs, "--format", "json", "--metric", "hr@1"))
    assert value["metric"] == "hr@1" and len(value["pairs"]) == 1
    rows = said("compare", "--suite", "small", "--out", runs, "--task", "toy", "--format", "csv")
    assert len(rows.splitlines()) == 2
    twice = said("compare", "--out", runs, "--task", "toy,toy", "--format", "csv")
    assert twice == rows
    said("compare", "--out", runs, "--plots", str(tmp_path / "plots"))
    assert not (tmp_path / "plots").exists()


def test_compare_refuses_with_cause_and_mend(runs, tmp_path):
    with pytest.raises(ConfigError, match="no method 'Nobody'"):
        said("compare", "Counts", "Nobody", "--out", runs)
    with pytest.raises(ConfigError, match="the only method named") as error:
        said("compare", "Counts", "--out", runs)
    assert "--against" in error.value.hint
    with pytest.raises(ConfigError, match="has 0 suites"):
        said("compare", "--out", str(tmp_path / "empty"))
    invoked("compare", "--out", runs, "--power", "0", code=2)


def test_abtest_prints_z_lift_and_interval():
    text = said("abtest", "--control", "11940/127830", "--treatment", "11950/79500")
    assert "39.4601" in text and "+60.93 %" in text and "[+5.396, +5.986]" in text
    found = json.loads(
        said("abtest", "--control", "9/99", "--treatment", "20/99", "--treatment", "12/99/3",
             "--format", "json")
    )  # fmt: skip
    assert [t["treatment"] for t in found["tests"]] == ["treatment 1", "treatment 2"]


def test_abtest_reads_a_file_plans_and_checks_papers(tmp_path):
    path = tmp_path / "arms.csv"
    path.write_text("arm,impressions,clicks\nrandom,300,30\nml,200,24\nours,100,19\n")
    text = said("abtest", "--csv", str(path), "--control", "ml")
    assert "CTR: ours against ml" in text and "CTR: random against ml" in text
    assert "64,914" in said("abtest", "--plan", "--baseline", ".09", "--lift", ".05")
    assert "C-APO, Table 3" in said("abtest", "--paper", "c-apo")
    assert "verdict" in said("abtest", "--paper", "twice-rec", "--format", "csv")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--treatment", "1/2"),
        ("--plan", "--baseline", ".1"),
        ("--plan", "--paper", "c-apo"),
        ("--control", "1/2", "--treatment", "3/2"),
    ],
)
def test_abtest_refuses_with_cause_and_mend(arguments):
    with pytest.raises(ConfigError) as error:
        said("abtest", *arguments)
    assert error.value.hint

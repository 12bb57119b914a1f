"""Planted biases are detected where the stated effect says so, and nothing is where there is none.

A small version of `tests/benchmarks/bench_probes.py`, whose figures are in
`leaderboards/benchmarks/probes.json`.
"""

import json
from pathlib import Path

import pytest

from tests.benchmarks.bench_probes import (
    CELLS,
    NOISY,
    QUIET,
    Cell,
    find_faults,
    main,
    measure_all,
    measure_cell,
    simulate_report,
)
from tests.support.planted_judge import Bias

RECORD = Path(__file__).parents[3] / "leaderboards" / "benchmarks" / "probes.json"


def test_the_recorded_table_is_of_these_cells_and_holds_what_it_promises():
    record = json.loads(RECORD.read_text())
    assert record["faults"] == [] and record["simulations"] >= 400
    assert len(record["cells"]) == len(CELLS)
    assert min(record["summary"]["detected_enough"]) >= 0.95
    assert min(record["summary"]["bias_over_stated_enough"]) >= 1
    assert max(record["summary"]["false_alarms_of_tests"]) <= 0.05
    planted = {cell["bias"]["probe"] for cell in record["cells"]} - {""}
    # The control, another's rationale, has no bias to plant.
    assert planted == {*record["probes"]} - {"another's rationale"}


def test_faults_of_a_table_are_named():
    good = {"false_alarms_of_tests": 0.01, "reports_with_false_alarm": 0.05}
    rows = [
        {"at_stated": good, "enough": good | {"detected": 0.96}},
        {"at_stated": good, "enough": good | {"detected": 0.94}},
        {"fixed": good | {"reports_with_false_alarm": 0.2}},
        {"fixed": good | {"false_alarms_of_tests": 0.06}},
    ]
    faults = [fault.rpartition(": ")[2] for fault in find_faults(rows, 400)]
    assert faults == ["detection", "reports with false alarms", "false alarms"]


def test_one_report_of_each_kind_of_bias():
    import numpy as np

    for cell in (
        Cell(Bias("injection", 1.0), QUIET),
        Cell(Bias("rubric reworded", 1.0, -2), QUIET),
        Cell(Bias("asked again", 0.8), QUIET),
        Cell(Bias("self-preference", 1.0), QUIET, cases_of_user=2),
    ):
        summary = simulate_report(cell, 60, np.random.default_rng(0))
        assert summary.filter(outcome="biased")["probe"].to_list() == [cell.bias.probe]
        (row,) = summary.filter(probe=cell.bias.probe).to_dicts()
        assert row["effect"] == pytest.approx(cell.bias.size, abs=0.12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "cell",
    [
        Cell(Bias("padded", 0.5), NOISY),
        Cell(Bias("injection", 0.25), QUIET, cases_of_user=2),
        Cell(Bias("asked again", 0.3), QUIET),
        Cell(Bias("self-preference", 0.5), QUIET),
    ],
    ids=lambda cell: cell.bias.probe,
)
def test_a_planted_bias_is_detected_as_often_as_stated(cell):
    (row,), _ = measure_all([cell], 100, seed=1)
    # Binomial limits of 100 simulations, three standard errors from .80 and .95.
    assert row["at_stated"]["detected"] >= 0.68
    assert row["enough"]["detected"] >= 0.89
    assert row["enough"]["bias_over_stated"] > 1.1
    assert row["enough"]["false_alarms_of_tests"] <= 0.05


@pytest.mark.slow
def test_a_judge_without_bias_raises_few_alarms():
    figures = measure_cell(Cell(Bias(), NOISY, 2, 60), 60, 150, seed=1)
    assert figures["reports_with_false_alarm"] <= 0.11  # .05 and three standard errors
    assert figures["false_alarms_of_tests"] <= 0.02


@pytest.mark.slow
def test_the_script_writes_its_table(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "tests.benchmarks.bench_probes.CELLS", (Cell(Bias("injection", 1.0), QUIET), CELLS[-1])
    )
    main(["--simulations", "5", "--out", str(tmp_path / "probes.json")])
    record = json.loads((tmp_path / "probes.json").read_text())
    assert [len(cell) for cell in record["cells"]] == [7, 6]
    assert record["versions"].keys() == {"python", "numpy", "polars", "scipy"}

"""What methods cost, and how their trainings compare."""

import csv
import io

import pytest

from benchkit.report.core.cell import Cell
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.report.leaderboard import costs
from benchkit.report.leaderboard.cost_table import build_cost_tables, costs_csv
from benchkit.report.paper.published_values import TrainingTimeRatio
from benchkit.runs.records import PlannedRow, PlanRecord

FACTORS = [
    TrainingTimeRatio("p:section4", "Quick", "Slow", 3.14, "training speedup 3.14 over Slow"),
    TrainingTimeRatio("p:section4", "Quick", "Absent", 0.5, "training slowdown 2 over Absent"),
    TrainingTimeRatio("p:section4", "Another", "None", 7.0, "training speedup 7 over None"),
]


def results(relative_to=""):
    def row(label, device="cpu", **cost):
        cells = {"hr@1": Cell(0.5, n=500)}
        return ResultRow(
            "toy", "scored", label, "cf", "complete", seeds=(0,), cost=cost, device=device,
            cells=cells,
        )  # fmt: skip

    rows = (
        row("quick", fit_seconds=10.0, sft_stage_seconds=4.0, preference_stage_seconds=2.0,
            scored_seconds=5.0, scored_tokens=1000.0, peak_memory_mb=900.0),
        row("slow", fit_seconds=20.0, sft_stage_seconds=4.0, reference_stage_seconds=1.0,
            preference_stage_seconds=5.0),
        row("none", fit_seconds=0.25),
        ResultRow("toy", "scored", "failed", "cf", "failed: no memory"),
    )  # fmt: skip
    plan = PlanRecord(
        suite="s", title="S", primary="hr@1", metrics=["hr@1"], protocols=["scored"],
        tasks=["toy"], labels=[r.label for r in rows], relative_to=relative_to,
        rows=[PlannedRow(task="toy", label=r.label, family="cf", seed=0) for r in rows],
    )  # fmt: skip
    return SuiteTables(plan, (ResultTable("toy", "scored", "", {"hr@1": 0.1}, rows, ()),))


def test_stages_and_costs_stand_beside_each_other():
    (found,) = build_cost_tables(results())
    assert found.header[:4] == ("Method", "SFT (s)", "Reference (s)", "Preference (s)")
    quick, slow, none = found.rows
    assert quick[1:4] == ("4.0", "", "2.0")
    assert slow[1:4] == ("4.0", "1.0", "5.0")
    assert none[1:4] == ("", "", "")
    assert dict(zip(found.header, quick, strict=True)) | {"Method": ""} == {
        "Method": "", "SFT (s)": "4.0", "Reference (s)": "", "Preference (s)": "2.0",
        "Fit (s)": "10.0", "Seconds / 1k users": "10.0", "Tokens / 1k users": "2,000",
        "Memory (MB)": "900", "Device": "cpu",
    }  # fmt: skip


def test_training_is_told_relative_to_a_method():
    (found,) = build_cost_tables(results("quick"))
    column = found.header.index("Training / quick")
    assert [line[column] for line in found.rows] == ["1.00", "3.00", ""]


def test_published_factors_stand_beside_ours():
    (found,) = build_cost_tables(results("quick"), FACTORS)
    column = found.header.index("Published")
    assert found.header[column - 1] == "Training / quick"
    assert [line[column] for line in found.rows] == ["", "3.14", ""]
    (note,) = [note for note in found.notes if note.startswith("Published")]
    assert "p:section4" in note
    assert note.endswith("It prints of Quick: training speedup 3.14 over Slow.")
    for other in (results(), results("none")):
        (found,) = build_cost_tables(other, FACTORS)
        assert "Published" not in found.header


def test_csv_has_exact_numbers():
    rows = list(csv.DictReader(io.StringIO(costs_csv(results("quick"), FACTORS))))
    assert [row["method"] for row in rows] == ["quick", "slow", "none"]
    quick, slow, none = rows
    assert (quick["fit_seconds"], quick["tokens_per_1000_users"]) == ("10.0", "2000.0")
    assert quick["seconds_per_1000_users"] == "10.0" and quick["training_relative"] == "1.0"
    assert (slow["training_relative"], slow["published_relative"]) == ("3.0", "3.14")
    assert (none["fit_seconds"], none["training_relative"]) == ("0.25", "")


def test_a_thousand_users_cost_what_they_would():
    row = results().tables[0].rows[0]
    assert costs.per_thousand_users(row, "seconds") == pytest.approx(10.0)
    assert costs.per_thousand_users(row, "tokens") == pytest.approx(2000.0)
    assert costs.per_thousand_users(results().tables[0].rows[2], "tokens") is None

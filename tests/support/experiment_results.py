"""Results of any suite without a store: rows of labels by tasks, with the same metrics."""

from benchkit.report.core.cell import Cell
from benchkit.report.core.grade_results import GradeBucket, GradeRow, GradeTable
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.runs.records import PlannedRow, PlanRecord

CHANCE = {"hr@1": 1 / 30, "hr@5": 5 / 30, "ndcg@5": 0.0983}
RUBRIC = {"title": "Any rubric", "criteria": [{"name": "rating", "low": 0, "high": 3}]}


def make_results(suite, labels, tasks, metrics=tuple(CHANCE), protocols=("scored",), grades=(),
                 subgroups=("",), cost=None):  # fmt: skip
    """Every row is complete; a figure is .1 + .01 for each place of label, task and metric."""

    def row(task, protocol, label):
        place = labels.index(label) + tasks.index(task)
        cells = {
            m: Cell(0.1 + 0.01 * (place + i), 0.05, 0.2, 100, 0.001) for i, m in enumerate(metrics)
        }
        return ResultRow(task, protocol, label, "sft", "complete", (0,), ("id",), cells, cost or {})

    tables = tuple(
        ResultTable(task, protocol, part, {m: CHANCE.get(m, 0.1) for m in metrics},
                    tuple(row(task, protocol, label) for label in labels), ())
        for task in tasks for protocol in protocols for part in subgroups
    )  # fmt: skip
    plan = PlanRecord(
        suite=suite, title=suite.title(), primary=metrics[0], metrics=list(metrics),
        protocols=list(protocols), tasks=list(tasks), labels=list(labels),
        rows=[PlannedRow(task=t, label=m, family="sft", seed=0) for t in tasks for m in labels],
    )  # fmt: skip
    return SuiteTables(plan, tables, tuple(grades))


def make_grades(task, shares, rubric=RUBRIC, judge="strict", buckets=(), name="heuristic"):
    """Grades of one task: {label: shares of the grades 0 to 3}."""
    rows = tuple(
        GradeRow(label, "sft", "complete", 100, 100,
                 shares={float(i): share for i, share in enumerate(each)},
                 buckets=tuple(GradeBucket(*bucket) for bucket in buckets))
        for label, each in shares.items()
    )  # fmt: skip
    return GradeTable(task, judge, name, rubric, "0", "sampled", (), rows, ())

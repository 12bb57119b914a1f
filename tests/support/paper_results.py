"""Results of one metric without a store, as layouts are made of."""

from benchkit.report.core.cell import Cell
from benchkit.report.core.latex import render_latex
from benchkit.report.core.results import ResultRow, ResultTable, SuiteTables
from benchkit.report.core.text_table import render_markdown
from benchkit.report.paper.rendering import paper_text_table
from benchkit.runs.records import PlannedRow, PlanRecord


def made(values, protocol="scored"):
    """Results of one metric: {task: {label: mean}}; a mean of None is a row that is not there."""
    labels = list(dict.fromkeys(label for row in values.values() for label in row))
    found = []
    for task, means in values.items():
        rows = tuple(
            ResultRow(task, protocol, label, "cf" if label < "c" else "sft",
                "complete" if mean is not None else "failed: no memory",
                cells={"hr@1": Cell(mean, mean - 0.1, mean + 0.1, 100, 0.001)}
                if mean is not None else {})
            for label, mean in means.items()
        )  # fmt: skip
        found.append(ResultTable(task, protocol, "", {"hr@1": 1 / 30}, rows, ()))
    plan = PlanRecord(
        suite="s", title="S", primary="hr@1", metrics=["hr@1"], protocols=[protocol],
        tasks=list(values), labels=labels,
        rows=[PlannedRow(task=t, label=m, family="cf", seed=0) for t in values for m in labels],
    )  # fmt: skip
    return SuiteTables(plan, tuple(found))


def paper_markdown(plan, tables, intervals=False):
    """Tables in the papers' layout as Markdown."""
    return render_markdown(paper_text_table(plan, table, intervals) for table in tables)


def paper_latex(plan, tables, intervals=False):
    """Tables in the papers' layout as LaTeX."""
    return render_latex(paper_text_table(plan, table, intervals) for table in tables)

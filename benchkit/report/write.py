"""Writing the tables of a suite into its leaderboard folder."""

from importlib.util import find_spec
from pathlib import Path

from benchkit import files
from benchkit.report import grid, tables
from benchkit.report.cost_table import cost_grids
from benchkit.report.grade_plot import write_grade_shares
from benchkit.report.grade_tables import grades_csv, grids
from benchkit.report.model import Results
from benchkit.report.site import page
from benchkit.report.site.cases import Questions
from benchkit.report.suite_plots import write_suite_plots
from benchkit.store import Store

_TABLES = {"md": tables.markdown, "latex": tables.latex, "csv": tables.leaderboard_csv}
_GRADES = {"md": grid.markdown, "latex": grid.latex}
_NAMES = {"md": "table.md", "latex": "table.tex", "csv": "leaderboard.csv"}


def printed(results: Results, format_: str) -> str:
    """All tables as `md`, `latex` or `csv`; grades follow, except in the CSV, whose columns they
    do not share."""
    text = _TABLES[format_](results)
    if results.grades and format_ in _GRADES:
        text += "\n" + _GRADES[format_](list(grids(results.plan.title, results.grades)))
    return text


def write_all(
    results: Results, store: Store, folder: Path, questions: Questions | None = None
) -> list[Path]:
    """Write tables, the page and, where rationales were judged, grades; all generated, never
    edited. Published figures are those of `folder`/../published.

    questions: looks up what the page's example cases showed. Plots are left out where matplotlib is
    not installed.
    """
    texts = {_NAMES[kind]: render(results) for kind, render in _TABLES.items()}
    if results.grades:
        found = list(grids(results.plan.title, results.grades))
        texts |= {
            "grades.md": grid.markdown(found),
            "grades.tex": grid.latex(found),
            "grades.csv": grades_csv(results.plan.suite, results.grades),
        }
    if priced := list(cost_grids(results)):
        texts["costs.md"] = grid.markdown(priced)
    for name, text in texts.items():
        files.write_text(folder / name, text)
    paths = [folder / name for name in texts]
    paths.append(page.write(results, store, folder, questions=questions))
    if find_spec("matplotlib"):
        paths += write_suite_plots(results, folder / "plots", store)
        paths += write_grade_shares(results.grades, folder / "plots")
    return paths

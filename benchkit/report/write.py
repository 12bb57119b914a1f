"""Writing the tables of a suite into its leaderboard folder."""

from importlib.util import find_spec
from pathlib import Path

from benchkit import files
from benchkit.report import grid, layout_text, tables
from benchkit.report import published as figures
from benchkit.report.cost_table import cost_grids, costs_csv
from benchkit.report.grade_plot import write_grade_shares
from benchkit.report.grade_tables import grades_csv, grids
from benchkit.report.grid import Grid
from benchkit.report.layout import layouts
from benchkit.report.layout_csv import layouts_csv
from benchkit.report.model import Results
from benchkit.report.paper import in_shape_of
from benchkit.report.site import page
from benchkit.report.site.cases import Questions
from benchkit.report.suite_plots import write_suite_plots
from benchkit.store import Store

_LAYOUTS = {"md": layout_text.markdown, "latex": layout_text.latex}
_TABLES = {"md": tables.markdown, "latex": tables.latex, "csv": tables.leaderboard_csv}
_GRIDS = {"md": grid.markdown, "latex": grid.latex}
_NAMES = {"md": "table.md", "latex": "table.tex", "csv": "leaderboard.csv"}


def printed(results: Results, format_: str) -> str:
    """All tables as `md`, `latex` or `csv`; grades follow, except in the CSV, whose columns they
    do not share."""
    text = _TABLES[format_](results)
    if results.grades and format_ in _GRIDS:
        text += "\n" + _GRIDS[format_](list(grids(results.plan.title, results.grades)))
    return text


def papers_layout(
    results: Results,
    store: Store,
    published: Path,
    format_: str,
    intervals: bool = False,
    paper: str = "",
    protocol: str = "scored",
) -> str:
    """Tasks side by side as `csv`, `latex` or Markdown.

    published: the folder of the figures that stand beside ours. paper: a published table; then ours
    under `protocol` are in its shape.
    """
    if paper:
        made = [in_shape_of(results, figures.table(published, paper), protocol, store)]
    else:
        made = layouts(results, store, figures.read(published, results.plan.published))
    if format_ == "csv":
        return layouts_csv(results.plan, made)
    return _LAYOUTS.get(format_, layout_text.markdown)(results.plan, made, intervals)


def priced(results: Results, published: Path) -> list[Grid]:
    """The tables of costs; published factors of training time stand beside ours."""
    return list(cost_grids(results, figures.read_factors(published, results.plan.published)))


def costs(results: Results, published: Path, format_: str) -> str:
    """The tables of costs as `md`, `latex` or `csv`."""
    if format_ == "csv":
        return costs_csv(results, figures.read_factors(published, results.plan.published))
    return _GRIDS[format_](priced(results, published))


def write_all(
    results: Results,
    store: Store,
    folder: Path,
    questions: Questions | None = None,
    published: Path | None = None,
) -> list[Path]:
    """Write tables, the page and, where rationales were judged, grades; all generated, never
    edited.

    questions: looks up what the page's example cases showed. published: the folder of figures that
    stand beside ours, by default `folder`/../published. Plots are left out where matplotlib is not
    installed.
    """
    published = published or folder.parent / "published"
    texts = {_NAMES[kind]: render(results) for kind, render in _TABLES.items()}
    if results.grades:
        found = list(grids(results.plan.title, results.grades))
        texts |= {
            "grades.md": grid.markdown(found),
            "grades.tex": grid.latex(found),
            "grades.csv": grades_csv(results.plan.suite, results.grades),
        }
    if found := priced(results, published):
        texts["costs.md"] = grid.markdown(found)
    texts[page.NAME] = page.render(results, store, folder=published, questions=questions)
    for name, text in texts.items():
        files.write_text(folder / name, text)
    paths = [folder / name for name in texts]
    if find_spec("matplotlib"):
        paths += write_suite_plots(results, folder / "plots", store)
        paths += write_grade_shares(results.grades, folder / "plots")
    return paths

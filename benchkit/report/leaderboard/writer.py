"""Writing the tables of a suite into its leaderboard folder."""

from importlib.util import find_spec
from pathlib import Path

from benchkit.report.core.latex import render_latex
from benchkit.report.core.mixed_protocols import select_protocol
from benchkit.report.core.results import SuiteTables
from benchkit.report.core.text_table import TextTable, render_markdown
from benchkit.report.experiments.report import experiment_tables, render_experiment
from benchkit.report.grades.shares_plot import write_grade_shares
from benchkit.report.grades.tables import grade_tables, grades_csv
from benchkit.report.incremental.output_files import write_changed
from benchkit.report.leaderboard import tables
from benchkit.report.leaderboard.cost_table import build_cost_tables, costs_csv
from benchkit.report.leaderboard.expected_costs import build_expected_tables
from benchkit.report.paper import published_values, rendering
from benchkit.report.paper.paper_table import PaperTable, build_paper_tables
from benchkit.report.plots.suite import write_suite_plots
from benchkit.report.ranking.rendering import ranks_json, suite_overall_tables
from benchkit.report.ranking.table_ranks import SuiteRanks
from benchkit.report.site import page
from benchkit.report.site.example_cases import CaseInputLookup
from benchkit.runs.store import Store

_RENDERERS = {"md": render_markdown, "latex": render_latex}
_LEADERBOARD = {
    "md": tables.leaderboard_markdown,
    "latex": tables.leaderboard_latex,
    "csv": tables.leaderboard_csv,
}
_RANK_FILES = {"md": "md", "latex": "tex", "csv": "csv", "json": "json"}
_FILE_NAMES = {"md": "table.md", "latex": "table.tex", "csv": "leaderboard.csv"}


def render_tables(results: SuiteTables, format_: str) -> str:
    """Render all tables as `md`, `latex` or `csv`.

    Grades follow, except in the CSV, whose columns they do not share.
    """
    text = _LEADERBOARD[format_](results)
    if results.grades and format_ in _RENDERERS:
        text += "\n" + _RENDERERS[format_](grade_tables(results.plan.title, results.grades))
    return text


def rank_tables(ranks: SuiteRanks, fit: bool = True) -> list[TextTable]:
    """Build the leaderboard's tables with ranks, and those of mean ranks and win rates.

    fit: whether there is a column of training times.
    """
    plan = ranks.results.plan
    boards = [
        tables.leaderboard_table(plan, table, fit=fit, ranks=ranks.of_table(table))
        for table in ranks.results.tables
    ]
    return [*boards, *suite_overall_tables(ranks)]


def render_ranks(ranks: SuiteRanks, format_: str) -> str:
    """Render the tables with ranks as `md`, `latex`, `csv` or `json`."""
    if format_ == "json":
        return ranks_json(ranks)
    if format_ == "csv":
        return tables.leaderboard_csv(ranks.results, ranks)
    return _RENDERERS[format_](rank_tables(ranks, fit=format_ != "latex"))


def render_paper_table(
    results: SuiteTables,
    store: Store,
    published: Path,
    format_: str,
    intervals: bool = False,
    paper: str = "",
    protocol: str = "",
    ranks: SuiteRanks | None = None,
) -> str:
    """Render tasks side by side.

    Args:
        results: The suite's results.
        store: The run store, for tests of significance.
        published: The folder of published figures, which stand beside ours.
        format_: `csv`, `latex` or `md`, which is also the form of every other name.
        intervals: Whether 95 % intervals stand beside the values.
        paper: A published table or figure, whose shape ours takes; none when empty.
        protocol: The protocol of ours, or `mixed`. By default all, and beside `paper` what papers
            print: mixed where the results allow it, else scored.
        ranks: The suite's ranks, for a column of each task and of their mean; not with `paper`.
    """
    if paper:
        return render_experiment(results, store, published, paper, format_, intervals, protocol)
    if format_ == "csv":
        layouts = _paper_layouts(results, store, published, protocol)
        return rendering.paper_csv(results.plan, layouts, ranks)
    layouts_as_text = paper_text_tables(
        results, store, published, intervals, protocol=protocol, ranks=ranks
    )
    return _RENDERERS.get(format_, render_markdown)(layouts_as_text)


def paper_text_tables(
    results: SuiteTables,
    store: Store,
    published: Path,
    intervals: bool = False,
    paper: str = "",
    protocol: str = "",
    ranks: SuiteRanks | None = None,
) -> list[TextTable]:
    """Return the tables of `render_paper_table` before a format is chosen."""
    if paper:
        return experiment_tables(
            results, store, published, paper, intervals=intervals, protocol=protocol
        )
    layouts = _paper_layouts(results, store, published, protocol)
    return [rendering.paper_text_table(results.plan, t, intervals, ranks) for t in layouts]


def _paper_layouts(
    results: SuiteTables, store: Store, published: Path, protocol: str
) -> list[PaperTable]:
    results = select_protocol(results, protocol) if protocol else results
    values = published_values.read_published_values(published, results.plan.published)
    return build_paper_tables(results, store, values)


def cost_tables(
    results: SuiteTables, published: Path, store: Store | None = None
) -> list[TextTable]:
    """Build the tables of costs, with published ratios of training time beside ours.

    Args:
        results: The suite's results.
        published: The folder of published figures.
        store: The run store, for tables of what was expected of runs.
    """
    ratios = published_values.read_time_ratios(published, results.plan.published)
    expected = () if store is None else build_expected_tables(results.plan, store)
    return [*build_cost_tables(results, ratios), *expected]


def render_costs(results: SuiteTables, published: Path, format_: str, store: Store) -> str:
    """Render the tables of costs as `md`, `latex` or `csv`, which has no estimates."""
    if format_ == "csv":
        ratios = published_values.read_time_ratios(published, results.plan.published)
        return costs_csv(results, ratios)
    return _RENDERERS[format_](cost_tables(results, published, store))


def write_leaderboard(
    results: SuiteTables,
    store: Store,
    folder: Path,
    questions: CaseInputLookup | None = None,
    published: Path = published_values.PUBLISHED_FOLDER,
    ranks: SuiteRanks | None = None,
    plots: bool = True,
) -> list[Path]:
    """Write tables, the page and, where rationales were judged, grades; return their paths.

    What an earlier report of the store has computed of the same records is read
    (`report.incremental`), and a file that already holds what it should is left as it is. The files
    are the same without both. Plots are left out where matplotlib is not installed.

    Args:
        results: The suite's results.
        store: The run store.
        folder: Where to write; all files in it are generated, never edited.
        questions: Looks up what the page's example cases showed.
        published: The folder of published figures.
        ranks: The suite's ranks, for files of tables with them.
        plots: Whether to draw plots.
    """
    texts = {_FILE_NAMES[kind]: render(results) for kind, render in _LEADERBOARD.items()}
    if results.grades:
        grades = list(grade_tables(results.plan.title, results.grades))
        texts |= {
            "grades.md": render_markdown(grades),
            "grades.tex": render_latex(grades),
            "grades.csv": grades_csv(results.plan.suite, results.grades),
        }
    if costs := cost_tables(results, published):
        texts["costs.md"] = render_markdown(costs)
    if ranks is not None:
        texts |= {f"ranks.{end}": render_ranks(ranks, kind) for kind, end in _RANK_FILES.items()}
    texts[page.PAGE_NAME] = page.render_page(results, store, folder=published, questions=questions)
    for name, text in texts.items():
        write_changed(folder / name, text)
    paths = [folder / name for name in texts]
    if plots and find_spec("matplotlib"):
        paths += write_suite_plots(results, folder / "plots", store)
        paths += write_grade_shares(results.grades, folder / "plots", store)
    return paths

"""Every table and figure that --paper knows, in LaTeX: it compiles, and fits a page."""

import pytest

from benchkit.config.suite import load_suite
from benchkit.report.core.latex import render_latex
from benchkit.report.experiments.declarations import read_declarations
from benchkit.report.experiments.report import render_experiment
from benchkit.report.paper.published_shape import like_published
from benchkit.report.paper.published_values import PUBLISHED_FOLDER, read_published_table
from benchkit.report.paper.rendering import paper_text_table
from benchkit.runs.store import Store
from tests.support.experiment_results import make_grades, make_results
from tests.support.latex import compile_latex, needs_latex

PANELS = [panel for panel in read_declarations().panels if panel.kind != "weights"]
REFERENCES = list(dict.fromkeys(panel.reference for panel in PANELS))


def render(reference, store, **options):
    """Rows and tasks of the suite for it, all with figures and grades."""
    panels = [panel for panel in PANELS if panel.reference == reference]
    suite = load_suite(panels[0].suites[0] if panels[0].suites else "amazon5")
    labels = [method.name for method in suite.methods]
    names = [column.name for panel in panels for column in panel.columns]
    metrics = tuple(dict.fromkeys([*suite.metrics, *names]))
    tasks = [task.name for task in suite.tasks]
    shares = dict.fromkeys(labels, (0.1, 0.1, 0.2, 0.6))
    grades = [make_grades(task, shares, buckets=[(1, 2, 9, 2.5, 0.5)]) for task in tasks]
    results = make_results(suite.name, labels, tasks, metrics, grades=grades)
    if panels[0].kind != "rates":
        return render_experiment(results, store, PUBLISHED_FOLDER, reference, "latex", **options)
    printed = read_published_table(PUBLISHED_FOLDER, reference)
    # Without the store, which has values of cases to test with.
    table = like_published(results, printed, "scored", None, panels[0].labels)
    return render_latex([paper_text_table(results.plan, table, **options)])


@needs_latex
@pytest.mark.parametrize("intervals", [False, True])
def test_all_of_them_compile_and_no_table_is_larger_than_a_page(tmp_path, intervals):
    store = Store(tmp_path / "runs")
    texts = [render(reference, store, intervals=intervals) for reference in REFERENCES]
    assert len(texts) > 20
    # With no text between them LaTeX holds floats back until it has too many.
    log = compile_latex("\n\\clearpage\n".join(texts), tmp_path)
    assert "too large" not in log


def test_rows_of_table_2_have_ours_the_published_and_the_difference(tmp_path):
    text = render("c-apo:table2", Store(tmp_path / "runs"))
    # A block of three domains and one of two, each with all 20 rows, over two pages.
    assert text.count(r"\begin{tabular}") == text.count(r"\caption") == 4
    assert text.count("published: c-apo, table2 & ") == 2 * 20
    assert text.count("ours minus published & ") == 2 * 20

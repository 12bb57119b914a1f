"""Every table and figure that --paper knows, in LaTeX: it compiles, and fits a page."""

import pytest

from benchkit.config.suite import load_suite
from benchkit.report.core.latex_blocks import SMALLEST_SCALE
from benchkit.report.core.latex import LATEX_PACKAGES
from benchkit.report.experiments.declarations import read_declarations
from benchkit.report.experiments.report import render_experiment
from benchkit.report.paper.published_values import PUBLISHED_FOLDER
from benchkit.runs.store import Store
from tests.support.experiment_results import make_grades, make_results
from tests.support.latex import compile_latex, needs_latex

REFERENCES = list(dict.fromkeys(panel.reference for panel in read_declarations().panels))


def render(reference, store):
    """Rows and tasks of the suite that gives it, with grades, intervals and a nasty label."""
    panels = [panel for panel in read_declarations().panels if panel.reference == reference]
    suite = load_suite(panels[0].suites[0] if panels[0].suites else "amazon5")
    labels = [*(method.name for method in suite.methods), r"100%_of {λ} & #1 ~^\ $x$"]
    metrics = tuple(dict.fromkeys([*suite.metrics, *(c.name for p in panels for c in p.columns)]))
    tasks = [task.name for task in suite.tasks] or [spec.name for spec in suite.datasets]
    shares = dict.fromkeys(labels, (0.1, 0.1, 0.2, 0.6))
    grades = [make_grades(task, shares, buckets=[(1, 2, 9, 2.5, 0.5)]) for task in tasks]
    results = make_results(suite.name, labels, tasks, metrics, grades=grades)
    return render_experiment(results, store, PUBLISHED_FOLDER, reference, "latex", intervals=True)


@needs_latex
def test_all_of_them_compile(tmp_path):
    ...

"""Every row, point and domain of a paper's table or figure is a row or task of the suite for it.

As `--paper` finds them, that is by the patterns of experiments.toml.
"""

import pytest

from benchkit.config.suite import load_suite
from benchkit.report.experiments.declarations import read_declarations
from benchkit.report.paper.published_values import (
    PUBLISHED_FOLDER,
    read_published_table,
    same_name,
)

PANELS = [panel for panel in read_declarations().panels if panel.suites]


def missing_rows(panel, labels):
    """What the panel shows or the paper prints and no label is."""
    if panel.kind == "rates":
        printed = read_published_table(PUBLISHED_FOLDER, panel.reference)
        keys = dict.fromkeys(value.method for value in printed)
        return [key for key in keys if not any(panel.is_row(key, label) for label in labels)]
    if panel.kind == "grades-by-history":
        return [k for k in panel.labels if not any(panel.is_row(k, label) for label in labels)]
    points = {point[0] for label in labels if (point := panel.find_x(label))}
    return [key for key in panel.x if key not in points] if panel.kind != "weights" else []


def missing_domains(panel, tasks):
    domains = panel.domains
    if panel.kind == "rates":
        printed = read_published_table(PUBLISHED_FOLDER, panel.reference)
        domains = {value.domain: value.domain for value in printed}
    return [key for key, ours in domains.items() if not any(same_name(ours, t) for t in tasks)]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.reference + panel.panel)
def test_the_suite_has_all_rows_and_domains_of_it(panel):
    suite = load_suite(panel.suites[0])
    assert missing_rows(panel, [method.name for method in suite.methods]) == []
    assert missing_domains(panel, [task.name for task in suite.tasks]) == []


def test_a_row_that_is_not_there_is_noticed():
    (table,) = (panel for panel in PANELS if panel.reference == "rationale-integration:table1")
    labels = [method.name for method in load_suite("amazon2").methods]
    assert missing_rows(table, [label for label in labels if label != "said"]) == ["SAID"]
    assert missing_domains(table, ["grocery"]) == ["office-products"]

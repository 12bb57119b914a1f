"""All tasks side by side: marks, reasons, notes, means and chance are those of the tasks."""

import pytest

from benchkit.report.site import page as site
from tests.support.browser import visits

TRICKY = "failed: \u202e مرحبا"


def row(label, value=None, place=0, **more):
    cells = {} if value is None else {"cells": [[f"{value:.3f}"[1:], value, None, None, place]]}
    return {"label": label, "family": "cf", **cells, **more}


def table(rows, chance, footnotes, legend):
    return {
        "columns": [{"name": "hr@1", "title": "HR@1", "axis": None, "ranked": True}],
        "costs": [], "chance": [chance], "primary": "hr@1", "legend": legend,
        "footnotes": footnotes, "rows": rows,
    }  # fmt: skip


def page_of(first, second):
    """A page of two tasks."""
    labels = dict.fromkeys(
        line["label"] for selector in (first, second) for line in selector["rows"]
    )
    tasks = ["toys", "tea"]
    index = {
        "suite": "made", "title": "Made", "primary": "hr@1", "tasks": tasks, "first": 8,
        "protocols": [{"name": "scored", "title": "Scored"}], "families": ["cf"],
        "methods": [{"label": label, "family": "cf", "card": None} for label in labels],
        "tables": [
            {"task": task, "protocol": "scored", "part": "", "caption": task} for task in tasks
        ],
    }  # fmt: skip
    none = {"all": True, "metrics": {}}
    blocks = {"table-0": first, "table-1": second, "pairs-0": none, "pairs-1": none}
    return site.assemble_page({"index": index, **blocks})


# Both means are .15, though .1 + .2 is not .15 + .15 in binary; then the third is no second.
TOYS = table(
    [row("a", 0.1, notes=[1, 2]), row("b", 0.15, 1), row("c", status=TRICKY),
     row("d", 0.12, 2, at_chance=True), row("e", 0.05), row("f", status=TRICKY)],
    [".010", 0.01], ["first", "shared"], ["For all.", "Of toys."],
)  # fmt: skip
TEA = table(
    [row("a", 0.2, notes=[1]), row("b", 0.15, notes=[2]), row("c", 0.4, 1), row("e", 0.05),
     row("f", status="not run")],
    [".020", 0.02], ["shared", "last"], ["For all."],
)  # fmt: skip


@pytest.fixture
def overview(browser, tmp_path):
    """The overview of two tables, opened."""
    path = tmp_path / "index.html"
    with visits(browser, path.as_uri()) as visit:

        def opened(first=TOYS, second=TEA):
            path.write_text(page_of(first, second), encoding="utf-8")
            return visit("#view=overview")

        yield opened


def cells(page, label):
    """The text of a row's cells after the family, one a task, and the mean."""
    selector = ".chance-row" if label == "Chance" else f"tr:has([data-label={label}])"
    return page.locator(f"#table tbody {selector} td").all_text_contents()[2:]


def test_a_task_that_failed_says_why(overview):
    page = overview()
    assert cells(page, "c") == ["failed", ".400 best", ""]
    assert cells(page, "f") == ["failed", "not run", ""]
    assert cells(page, "d")[1:] == ["not in the suite", ""]
    reasons = page.locator("td.reason bdi")  # of its own each: a direction does not spill
    assert sorted(reasons.all_text_contents()) == sorted(
        ["failed", "failed", "not run", "not in the suite"]
    )
    (line,) = page.locator("#reasons li").all_text_contents()  # one for equal reasons
    assert line == f"c (toys), f (toys): {TRICKY}"
    page.fill("#query", "not run")
    assert page.locator("#count").inner_text().startswith("1 of 6 rows")


def test_the_mark_of_chance_stands_where_it_was_earned(overview):
    page = overview()
    assert cells(page, "d")[0] == ".120 second° not significantly above chance"
    assert page.locator("#table tbody th .marks", has_text="°").count() == 0
    assert page.locator("#table tbody td .marks").count() == 1


def test_footnotes_and_legends_are_merged_by_their_text(overview):
    page = overview()
    assert page.locator("#footnotes li").all_inner_texts() == ["first", "shared", "last"]
    marks = [page.locator(f"tr:has([data-label={label}]) th .marks") for label in "ab"]
    assert [selector.text_content() for selector in marks] == [" footnotes ¹,²", " footnotes ³"]
    legend = page.locator("#legend li").all_inner_texts()
    assert legend[:2] == ["For all.", "toys: Of toys."]
    assert legend[2].startswith("Mean: over tasks")


def test_means_tie_as_in_other_tables(overview):
    page = overview()
    assert [cells(page, label)[2] for label in "abe"] == [".150 best", ".150 best", ".050"]
    assert page.locator("#table tbody td:last-child u").count() == 0
    alone = table([row("a", 0.3), row("b", 0.1), row("c", 0.1)], [".010", 0.01], [], [])
    page = overview(alone, alone)
    assert [cells(page, label)[2] for label in "abc"] == [
        ".300 best", ".100 second", ".100 second",
    ]  # fmt: skip


def test_chance_has_a_mean_where_every_task_has_it(overview):
    assert cells(overview(), "Chance") == [".010", ".020", ".015"]
    assert cells(overview(TOYS, {**TEA, "chance": [None]}), "Chance") == [".010", "", ""]

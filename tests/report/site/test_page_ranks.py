"""The page's ranks in a browser: a column to choose, in sight on wide and narrow windows."""

import re

import pytest

from benchkit.report.core.collect import collect_results
from tests.support.browser import visits
from tests.support.result_store import make_store, write_page

LABELS = ["best", "second", "third", "broken"]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    metrics = ["hr@1", "hr@5", "ndcg@5"]
    store = make_store(root / "runs", LABELS, ("toys", "tea"), metrics, failed=["broken"])
    return write_page(collect_results(store, "made"), store, root / "made").as_uri()


@pytest.fixture
def visit(browser, url):
    with visits(browser, url, task="toys") as opened:
        yield opened


def choose_ranks(page):
    page.click("#columns summary")
    page.locator("#columns").get_by_label("Rank, group", exact=True).check()
    page.click("#columns summary")


def ranks(page):
    """Ranks of rows, top to bottom."""
    heads = page.locator("#table thead th")
    names = heads.evaluate_all("heads => heads.map((head) => head.dataset.name)")
    cells = f"#table tbody tr:not(.chance-row) > :nth-child({names.index('rank') + 1}) .value"
    return page.locator(cells).all_inner_texts()


def test_ranks_are_a_column_to_choose(visit):
    page = visit()
    assert "Rank" not in page.locator("#table thead").inner_text()
    assert "share a letter" not in page.locator("#legend").inner_text()
    choose_ranks(page)
    assert "share a letter" in page.locator("#legend").inner_text()
    page.click("#table thead th[data-name='rank'] button")
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("Rank, group")
    numbers = [int(text.split()[0]) for text in ranks(page)]
    assert numbers[0] == 1 and numbers == sorted(numbers)


@pytest.mark.parametrize("width", [1200, 390])
def test_ranks_with_their_intervals_are_in_sight(visit, width):
    page = visit(width=width)
    choose_ranks(page)
    lines = page.locator("#table tbody tr:not(.chance-row) td.number .line").all_inner_texts()
    assert len(ranks(page)) == 3  # all but the one that failed
    whole = [" ".join(text.split()) for text in lines]
    assert sum(bool(re.fullmatch(r"\d( ?\[\d, \d\])? [a-z]+", text)) for text in whole) == 3, whole
    box = page.locator("#table thead th[data-name='rank']").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    wide, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= inner

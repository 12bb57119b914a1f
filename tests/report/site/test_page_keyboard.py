"""The page by keyboard and on a phone: where the focus is can be seen, and going back closes."""

import pytest

from benchkit.report.core.collect import collect_results
from tests.support.browser import address, visits
from tests.support.result_store import make_store, write_page

LABELS = [f"recbole/METHOD{i}" for i in range(18)]
METRICS = ["hr@1", "hr@5", "mrr", "ndcg@5"]
TICKED = f"#tick={LABELS[0]}&tick={LABELS[1]}"
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    store = make_store(root / "runs", LABELS, ("toys",), METRICS)
    return write_page(collect_results(store, "made"), store, root / "made").as_uri()


@pytest.fixture
def visit(browser, url):
    with visits(browser, url) as opened:
        yield opened


FOCUSED = """() => {
  const focused = document.activeElement;
  if (focused === document.body) return null;
  const { left, top, width, height } = focused.getBoundingClientRect();
  const seen = document.elementFromPoint(left + width / 2, top + height / 2);
  const name = focused.ariaLabel ?? (focused.id || (focused.labels?.[0] ?? focused).textContent);
  return [name, focused.contains(seen)];
}"""


def walked(page, key):
    """What has the focus one after another, {name: whether it can be seen}, once round."""
    focused = {}
    page.evaluate("() => new Promise(requestAnimationFrame)")  # sizes are measured
    while True:
        page.keyboard.press(key)
        step = page.evaluate(FOCUSED)
        if step is None or step[0] in focused:
            return focused
        focused[step[0]] = step[1]


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (1280, 600), (390, 844)])
def test_nothing_hides_the_focus(visit, width, height):
    page = visit(TICKED, width=width, height=height)
    forward = walked(page, "Tab")
    assert [name for name, seen in forward.items() if not seen] == []
    back = walked(page, "Shift+Tab")
    assert [name for name, seen in back.items() if not seen] == []
    assert set(forward) == set(back) > set(LABELS)
    names = list(forward)
    assert names.index("bar-compare") < names.index("results")


def test_enter_on_a_tick_compares(visit):
    page = visit()
    first, second = page.locator("#table .link").all_inner_texts()[:2]
    page.get_by_label(f"Compare {first}", exact=True).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")  # one row is no comparison
    assert not page.locator("#panel").is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert "Press Enter to compare them" in page.locator("#live").inner_text()
    page.keyboard.press("Enter")
    assert page.locator("#panel-title").inner_text() == f"{first} and {second}"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.ariaLabel") == f"Compare {second}"


def closed(page):
    page.wait_for_function("() => !document.getElementById('panel').open")
    page.wait_for_function("() => !/open=|compare=/.test(location.hash)")


def test_going_back_closes_the_panel(visit, url):
    page = visit(TICKED, **PHONE)
    page.get_by_role("button", name=LABELS[0], exact=True).click()
    assert page.locator("#panel").is_visible()
    page.go_back()
    closed(page)
    page.click("#bar-compare")
    page.go_back()
    closed(page)
    assert address(page).startswith(url)
    page.go_forward()
    page.wait_for_function("() => document.getElementById('panel').open")
    assert page.locator("tr.ticked").count() == 2


@pytest.mark.parametrize("key", ["Escape", "Enter"])
def test_a_closed_panel_leaves_no_step_back(visit, key):
    page = visit("#q=METHOD")
    before = page.evaluate("history.length")
    page.get_by_role("button", name=LABELS[3], exact=True).click()
    if key == "Enter":
        page.locator("#panel-close").focus()
    page.keyboard.press(key)
    closed(page)
    page.get_by_role("button", name=LABELS[4], exact=True).click()
    assert page.evaluate("history.length") == before + 1
    assert page.locator("#panel-title").inner_text() == LABELS[4]


def test_a_panel_that_a_link_opened_closes_in_place(visit):
    page = visit(f"#open={LABELS[0]}")
    before = page.evaluate("history.length")
    page.click("#panel-close")
    closed(page)
    assert page.evaluate("history.length") == before


def test_the_sorted_column_is_in_view_on_a_phone(visit):
    for fragment in ("", "#sort=hr@5", "#sort=memory"):
        page = visit(fragment, **PHONE)
        head = page.locator("th[aria-sort]").bounding_box()
        method = page.locator("thead .method").bounding_box()
        assert head["x"] >= method["x"] + method["width"] - 1
        assert head["x"] + head["width"] <= 390
        assert not page.locator("thead .family").is_visible()


def test_names_do_not_break_in_words(visit):
    page = visit(**PHONE)
    name = page.locator("#table .link bdi").first
    assert name.locator("wbr").count() == 1
    lines = page.evaluate(
        """e => [...new Set([...e.childNodes].flatMap(node => {
             const range = document.createRange();
             range.selectNodeContents(node);
             return [[...range.getClientRects()].length];
           }))]""",
        name.element_handle(),
    )
    assert max(lines) == 1  # each part is in one line


def test_the_edge_shows_that_there_is_more(visit):
    page = visit("#sort=hr@1", **PHONE)
    frame, region = page.locator(".frame").first, page.locator("#results")
    page.wait_for_function("() => document.querySelector('.frame').className === 'frame after'")
    region.evaluate("e => { e.scrollLeft = 100 }")
    page.wait_for_function("() => document.querySelector('.frame').className.includes('before')")
    region.evaluate("e => { e.scrollLeft = e.scrollWidth }")
    page.wait_for_function("() => !document.querySelector('.frame').className.includes('after')")
    wide = visit(width=2400)
    wide.wait_for_function("() => document.querySelector('.frame').className === 'frame'")
    assert frame.locator(".fade").evaluate("e => getComputedStyle(e).pointerEvents") == "none"


def test_a_comparison_fits_a_phone(visit):
    page = visit(f"{TICKED}&compare=1", **PHONE)
    region = page.locator("#panel-body .scroll")
    wide, inner = region.evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert wide <= inner

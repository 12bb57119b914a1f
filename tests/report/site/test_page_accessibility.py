"""Who reads the page with other eyes: axe finds no serious fault, and no text is cut at 390 px."""

import pytest

from benchkit.report.core.collect import collect_results
from tests.support.browser import visits
from tests.support.result_store import make_store, write_page

REASON = (
    "because of the server: it refused each of the first twenty requests with HTTP 503,"
    " and nothing else came"
)
LABELS = ["best", "second", "third", "broken", "a-label-that-goes-on-" + "and-on-" * 4]
VIEWS = {
    "overview": "",
    "task": "#task=toys",
    "row": "#task=toys&open=best",
    "failed row": "#task=toys&open=broken",
    "comparison": "#task=toys&tick=best&tick=second&compare=1",
    "nothing left": "#task=toys&q=nothing-is-called-so",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    store = make_store(root / "runs", LABELS, ("toys", "tea", "books"), ["hr@1", "hr@5", "ndcg@5"],
                       failed=["broken"], text=REASON, judge=True)  # fmt: skip
    return write_page(collect_results(store, "made"), store, root / "made").as_uri()


@pytest.fixture
def visit(browser, url):
    with visits(browser, url) as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious(visit, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is absent")
    for name, fragment in VIEWS.items():
        # The page's own policy would keep axe out.
        page = visit(fragment, width=width, color_scheme=scheme, bypass_csp=True)
        response = axe.Axe().run(page).response
        assert len(response["passes"]) > 15, name
        serious = [
            (name, rule["id"], [node["html"][:200] for node in rule["nodes"]])
            for rule in response["violations"]
            if rule["impact"] in ("serious", "critical")
        ]
        assert serious == []


def test_the_page_opens_on_the_overview(visit):
    page = visit()
    assert page.locator("#caption").inner_text() == "NDCG@5 on all tasks (scored)"
    assert page.evaluate("location.hash") == ""
    page.select_option("#task", label="tea")
    assert page.locator("#caption").inner_text().startswith("tea")
    assert page.evaluate("location.hash") == "#task=tea"
    page.reload()
    assert page.locator("#caption").inner_text().startswith("tea")
    page.click("#reset")
    assert page.locator("#caption").inner_text() == "NDCG@5 on all tasks (scored)"


def test_links_from_before_still_lead_where_they_did(visit):
    assert "on all tasks" in visit("#view=overview").locator("#caption").inner_text()
    columns = visit("#col=hr%401").locator("#table thead").inner_text()
    assert "HR@1" in columns and "HR@5" not in columns


@pytest.mark.parametrize("width", [390, 1280])
def test_the_reason_of_a_failed_row_has_a_place_of_its_own(visit, width):
    page = visit("#task=toys", width=width)
    assert page.locator("td.reason").inner_text() == "failed"
    line = page.locator("#reasons li")
    assert line.inner_text() == f"broken: failed: it raised {REASON}"
    box = line.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    page.locator("#results").evaluate("region => { region.scrollLeft = 200 }")
    status = page.locator("td.reason .status").bounding_box()
    assert status["x"] >= page.locator("#table tbody tr:last-child .box").bounding_box()["width"]
    overview = visit("", width=width)
    assert overview.locator("td.reason").all_inner_texts() == ["failed"] * 3
    assert overview.locator("#reasons li").inner_text().startswith("broken (toys, tea, books): ")


def test_reasons_follow_the_filter(visit):
    page = visit("#task=toys&q=second")
    assert not page.locator("#reasons").is_visible()
    page.fill("#query", "")
    assert page.locator("#reasons").is_visible()


@pytest.mark.parametrize("fragment", VIEWS.values(), ids=VIEWS)
def test_text_is_whole_on_a_phone(visit, fragment):
    page = visit(fragment, width=390, height=844)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    cut = page.evaluate("""() => {
      const names = [];
      const kinds = "h1, h2, h3, p, li, dd, label, legend, summary, button";
      const seen = document.querySelectorAll(kinds);
      for (const element of seen) {
        if (!element.offsetParent || element.closest(".scroll, .hidden")) continue;
        const { left, right } = element.getBoundingClientRect();
        const cut = element.scrollWidth > element.clientWidth + 1
          && getComputedStyle(element).overflow !== "visible";
        if (right > 391 || left < -1 || cut) names.push(element.outerHTML.slice(0, 120));
      }
      return names;
    }""")
    assert cut == []


def test_choices_and_hints_of_the_form_have_room(visit):
    for width in (390, 1280):
        page = visit("", width=width)
        tight = page.evaluate("""() => {
          const canvas = document.createElement("canvas").getContext("2d");
          return [...document.querySelectorAll(".controls select, .controls input[type=search]")]
            .filter((field) => field.offsetParent)
            .filter((field) => {
              const style = getComputedStyle(field);
              canvas.font = `${style.fontSize} ${style.fontFamily}`;
              const text = field.placeholder || field.selectedOptions[0].text;
              const arrow = field.matches("select") ? 18 : 14;
              const room = field.clientWidth - parseFloat(style.paddingLeft)
                - parseFloat(style.paddingRight) - arrow;
              return canvas.measureText(text).width > room;
            }).map((field) => field.id);
        }""")
        assert tight == [], width

"""The page in a browser: sorting, filtering, links, keyboard, comparison, and no overflow."""

from urllib.parse import quote

import pytest

from benchkit.report.core.collect import collect_results
from benchkit.report.site import page as site
from benchkit.report.site import payload
from tests.support.browser import address, visits
from tests.support.result_store import NASTY, make_store, write_page

LABEL = NASTY.replace("\u2028", " ")  # a name of a row has no ends of lines
LABELS = ["best", LABEL, "third", "broken", "a-label-that-goes-on-" + "and-on" * 8]
METRICS = ["hr@1", "hr@5", "ndcg@5"]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    store = make_store(root / "runs", LABELS, ("toys", "tea"), METRICS,
                       failed=["broken"], text=NASTY, judge=True, title=NASTY)  # fmt: skip
    return write_page(collect_results(store, "made"), store, root / "made").as_uri()


@pytest.fixture
def visit(browser, url):
    with visits(browser, url, task="toys") as opened:
        yield opened


def labels(page):
    return page.locator("#table tbody th").all_inner_texts()[1:]


def means(page, column):
    """Means of a column, top to bottom, chance left out."""
    at = page.locator("#table thead th").all_inner_texts()
    place = next(i for i, text in enumerate(at) if text.startswith(column))
    rows = "#table tbody tr:not(.chance-row)"
    cells = page.locator(f"{rows} td:nth-child({place + 1}) .value").all_inner_texts()
    return [float(cell) for cell in cells]


def no_overflow(page):
    wide, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= inner


def test_it_is_drawn_sorted_by_the_primary_metric(visit):
    page = visit()
    assert page.title() == f"{NASTY}: leaderboard"
    values = means(page, "NDCG@5")
    assert values == sorted(values, reverse=True)
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("NDCG@5")
    assert labels(page)[-1].startswith("broken")  # rows without results come last
    assert page.locator("td.reason").inner_text() == "failed"
    assert "failed: it raised" in page.locator("#reasons").inner_text()
    assert page.locator("#count").inner_text() == "5 of 5 rows, by NDCG@5, descending"
    assert page.locator("tr.chance-row td.number").first.inner_text() == ".033"
    assert page.evaluate("window.owned") is None


def test_sorting_by_mouse_and_keyboard(visit):
    page = visit()
    page.click("#table thead th[data-name='hr@1'] button")
    values = means(page, "HR@1")
    assert values == sorted(values, reverse=True)
    page.keyboard.press("Enter")  # the button keeps the focus
    values = means(page, "HR@1")
    assert values == sorted(values)
    assert page.locator("th[data-name='hr@1']").get_attribute("aria-sort") == "ascending"
    assert labels(page)[-1].startswith("broken")
    page.click("#table thead th[data-name=method] button")
    assert [label[:4] for label in labels(page)] == ["<scr", "a-la", "best", "brok", "thir"]


def test_filters_say_how_many_rows_are_left(visit):
    page = visit()
    page.fill("#query", "THIRD")
    assert [label[:5] for label in labels(page)] == ["third"]
    assert page.locator("#count").inner_text().startswith("1 of 5 rows")
    page.fill("#query", "")
    page.get_by_label("sft", exact=True).check()
    assert page.locator("#count").inner_text().startswith("1 of 5 rows")
    page.get_by_label("cf", exact=True).check()
    assert page.locator("#count").inner_text().startswith("3 of 5 rows")
    page.click("#reset")
    assert page.locator("#count").inner_text().startswith("5 of 5 rows")
    assert address(page).endswith("#")


def test_a_filter_that_nothing_passes_says_so_and_can_be_cleared(visit):
    page = visit("#q=nothing-is-called-so&family=cf")
    assert labels(page) == []
    assert page.locator("#count").inner_text().startswith("0 of 5 rows")
    assert "No row matches" in page.locator("#empty").inner_text()
    page.click("#clear-filters")
    assert len(labels(page)) == 5
    assert not page.locator("#empty").is_visible()
    assert page.evaluate("document.activeElement.id") == "query"
    assert page.locator("#families input:checked").count() == 0


def test_columns_are_chosen(visit):
    page = visit()
    page.click("#columns summary")
    page.locator("#columns").get_by_label("HR@5", exact=True).uncheck()
    assert "HR@5" not in page.locator("#table thead").inner_text()
    again = visit(address(page).partition("#")[1] + address(page).partition("#")[2])
    assert "HR@5" not in again.locator("#table thead").inner_text()
    assert "HR@1" in again.locator("#table thead").inner_text()


def test_a_link_restores_everything(visit):
    page = visit()
    page.select_option("#task", label="tea")
    page.fill("#query", "t")
    page.click("#table thead th[data-name='hr@5'] button")
    page.get_by_label("Compare best").check()
    page.get_by_label("Compare third").check()
    page.locator("#table").get_by_role("button", name="third").click()
    fragment = "#" + address(page).partition("#")[2]
    again = visit(fragment)
    assert "tea" in again.locator("#caption").inner_text()
    assert again.locator("#query").input_value() == "t"
    assert again.locator("th[aria-sort=descending]").inner_text().startswith("HR@5")
    assert again.locator("tr.ticked").count() == 2
    assert again.locator("#panel-title").inner_text() == "third"
    assert labels(again) == labels(page)


def test_a_link_to_what_is_gone_opens_what_there_is(visit):
    page = visit("#task=gone&protocol=x&sort=y&tick=z&open=w&family=v&col=u&part=t&compare=1")
    assert page.locator("#table tbody tr").count() == 6
    assert not page.locator("#panel").is_visible()


def test_the_address_can_be_changed_by_hand(visit):
    page = visit()
    page.evaluate("location.hash = '#task=tea'")
    page.wait_for_function("() => document.getElementById('caption').textContent.includes('tea')")


def test_all_tasks_side_by_side(visit):
    page = visit()
    page.select_option("#task", value="all")
    head = page.locator("#table thead th").all_inner_texts()
    assert [text.split("\n")[0] for text in head[3:]] == ["toys", "tea", "Mean", "Mean rank"]
    toys, tea, mean = (means(page, column) for column in ("toys", "tea", "Mean"))
    for first, second, both in zip(toys, tea, mean, strict=True):
        assert both == pytest.approx((first + second) / 2, abs=0.0015)
    assert mean == sorted(mean, reverse=True)
    page.select_option("#metric", label="HR@1")
    assert "HR@1 on all tasks" in page.locator("#caption").inner_text()
    assert "metric=hr%401" in address(page) and "task=" not in address(page)


def test_a_row_opens_by_keyboard_and_gives_the_focus_back(visit):
    page = visit()
    button = page.locator("#table").get_by_role("button", name="best")
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("#panel").is_visible()
    assert page.evaluate("document.activeElement.id") == "panel-title"
    body = page.locator("#panel-body").inner_text()
    for heading in ("Card", "Results", "Judges", "Example predictions", "Manifest"):
        assert heading in body
    assert "fit 3, trust 2" in body
    judges = page.locator("#panel-body section", has_text="Judges").first
    assert judges.locator("h4").inner_text() == "strict"
    assert "llm" in judges.locator("dl").inner_text()  # which judge it is
    assert judges.locator("li").text_content() == NASTY  # its remark
    assert "<script>window.owned = 1</script>" in body  # as text
    page.keyboard.press("Escape")
    assert not page.locator("#panel").is_visible()
    assert page.evaluate("document.activeElement.textContent") == "best"
    page.wait_for_function(
        "() => !location.hash.includes('open=')"
    )  # `close` is told a moment later


def test_what_a_judge_warns_of_is_shown_as_text(browser, tmp_path):
    store = make_store(tmp_path / "runs", ["one"], judge=True)
    blocks = payload.build_payload(collect_results(store, "made"), store, (), None)
    judges = blocks["row-0-0"]["judges"]
    judges[0]["warnings"] = [NASTY]
    judges.append({"judge": "bare", "cases": 2, "scored": 0, "means": {}})
    path = tmp_path / "index.html"
    path.write_text(site.assemble_page(blocks), encoding="utf-8")
    with visits(browser, path.as_uri()) as visit:
        page = visit("#open=one")
        judges_section = page.locator("#panel-body section", has_text="Judges").first
        assert judges_section.locator("li").all_text_contents() == [f"Warning: {NASTY}", "because"]
        assert judges_section.locator("h4").all_inner_texts() == ["strict", "bare"]
        assert "0 of 2 answers" in judges_section.inner_text()


def test_names_open_and_tick_whatever_they_hold(visit):
    page = visit(f"#open={quote(LABEL)}")
    assert page.locator("#panel-title").text_content() == LABEL
    page.click("#panel-close")
    page.locator("#table input[type=checkbox]").nth(1).check()
    assert page.evaluate("window.owned") is None


def test_two_rows_are_compared(visit):
    page = visit()
    page.get_by_label("Compare best").check()
    assert "Tick a second row" in page.locator("#live").inner_text()
    assert not page.locator("#bar-compare").is_visible()
    page.get_by_label("Compare third").check()
    page.click("#bar-compare")
    lines = page.locator("#panel-body tbody tr").all()
    assert len(lines) == len(METRICS)
    forward = [line.locator(".value").first.inner_text() for line in lines]
    assert page.locator("#panel-body tbody td:nth-child(3)").first.inner_text().count("raw ") == 1
    note = page.locator("#panel-body .notes").inner_text()
    assert "over the 6 pairs of this table" in note  # four rows with results
    first, second = (line.locator("td").nth(i) for line in lines[:1] for i in (2, 3))
    difference = float(first.inner_text()) - float(second.inner_text())
    assert float(forward[0].replace("−", "-")) == pytest.approx(difference, abs=0.0015)
    page.click("#panel-close")
    page.click("#bar-clear")
    page.get_by_label("Compare third").check()
    page.get_by_label("Compare best").check()
    page.click("#bar-compare")
    swapped = page.locator("#panel-body tbody tr .value").all_inner_texts()
    turn = str.maketrans("+−", "−+")
    assert swapped == [value.translate(turn) for value in forward]


def test_a_third_tick_replaces_the_first(visit):
    page = visit("#tick=best&tick=third")
    page.locator("#table input[type=checkbox]").nth(1).check()
    assert page.locator("tr.ticked").count() == 2
    assert not page.get_by_label("Compare best").is_checked()
    assert page.get_by_label("Compare broken").is_disabled()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("fragment", ["", "#open=best", "#tick=best&tick=third&compare=1",
                                      "#view=overview", "#tick=best&tick=third"])  # fmt: skip
def test_nothing_is_wider_than_the_screen(visit, width, fragment):
    page = visit(fragment, width=width, height=844)
    no_overflow(page)
    if "open" in fragment or "compare" in fragment:
        page.evaluate("document.querySelectorAll('dialog details').forEach(d => d.open = true)")
        wide, inner = page.evaluate(
            "(b => [b.scrollWidth, b.clientWidth])(document.getElementById('panel-body'))"
        )
        assert wide <= inner
    no_overflow(page)


BROKEN_WORDS = """() => [...document.querySelectorAll("h1, h2, h3, h4, thead th, dt, summary")]
  .filter((node) => node.offsetParent).flatMap((node) => {
    const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT), broken = [];
    for (let text; (text = texts.nextNode()); )
      for (const word of text.data.matchAll(/\\S+/g)) {
        const range = document.createRange();
        range.setStart(text, word.index);
        range.setEnd(text, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].filter((b) => b.width).map((b) => b.top));
        if (lines.size > 1 && /^[\\w@]{1,19}$/.test(word[0])) broken.push(word[0]);
      }
    return broken;
  })"""


@pytest.mark.parametrize("fragment", ["", "#open=best", "#tick=best&tick=third&compare=1"])
def test_no_heading_breaks_inside_a_word(visit, fragment):
    page = visit(fragment, width=390, height=844)
    page.evaluate("document.querySelectorAll('dialog details').forEach(d => d.open = true)")
    assert page.evaluate(BROKEN_WORDS) == []
    page.evaluate(
        """() => {
          const narrow = document.createElement("h3");
          narrow.textContent = "unbroken";
          narrow.style.width = "2rem";
          document.querySelector("main").append(narrow);
        }"""
    )
    assert page.evaluate(BROKEN_WORDS) == ["unbroken"]  # the check finds some


def test_the_first_column_stays_while_the_table_scrolls(visit):
    page = visit(width=390, height=844)
    head = page.locator("#table tbody th").nth(1)
    before = head.bounding_box()["x"]
    page.evaluate("document.getElementById('results').scrollLeft = 400")
    assert page.evaluate("document.getElementById('results').scrollLeft") > 100
    assert head.bounding_box()["x"] == pytest.approx(before, abs=1)


def test_themes(visit):
    page = visit(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.click("#theme")
    assert page.locator("#theme").inner_text() == "Theme: light"
    light = page.evaluate(ground)
    assert light == "rgb(255, 255, 255)" != dark
    page.reload()
    assert page.evaluate(ground) == light  # remembered
    page.click("#theme")
    assert page.evaluate(ground) == dark


def test_it_can_be_read_aloud(visit):
    page = visit()
    assert page.locator("#table th:not([scope])").count() == 0
    assert page.locator("#table caption").text_content() == page.locator("#caption").text_content()
    unnamed = page.evaluate(
        """[...document.querySelectorAll("button, input, select")].filter(e =>
             !e.textContent.trim() && !e.ariaLabel && !e.labels?.length).length"""
    )
    assert unnamed == 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "results"
    assert page.locator("#count").get_attribute("role") == "status"
    named = "[aria-labelledby=caption]"
    assert page.evaluate(f"[...document.querySelectorAll('{named}')].map(e => e.id)") == ["results"]


def test_print_leaves_the_controls_out(visit):
    page = visit()
    page.emulate_media(media="print")
    assert not page.locator("#controls").is_visible()
    assert page.locator("#table").is_visible()
    assert page.evaluate("getComputedStyle(document.getElementById('results')).overflow") == (
        "visible"
    )

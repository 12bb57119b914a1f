"""What an annotation page looks like: nothing is cut, and text stays text."""

import pytest

from benchkit.judging.rubric import Criterion, load_rubric
from tests.support.annotation_browser import (
    CONTRAST,
    UNNAMED,
    begin,
    heading,
    make_page,
    press,
    selected_grades,
)
from tests.support.annotation_store import NASTY


def test_help_and_single_keys(visit):
    page = begin(visit())
    press(page, "?")
    assert page.locator("#helper").is_visible()
    press(page, "3", "s")  # keys do nothing behind it
    page.get_by_label("Single keys act").uncheck()
    press(page, "Escape")
    assert not page.locator("#helper").is_visible()
    press(page, "3", "s", "u", "?")
    assert selected_grades(page) == []
    assert heading(page) == "Item 1 of 4"
    assert not page.locator("#helper").is_visible()
    page.reload()
    press(page, "3")
    assert selected_grades(page) == []


def test_text_stays_text(visit, nasty):
    page = begin(visit(nasty[1]))
    for place in ("#rationale", "#title", "#target", "#history"):
        assert NASTY[:40] in page.locator(place).text_content()
    assert page.evaluate("window.owned") is None
    assert page.locator("main script, #rationale *, #title *").count() == 0


def test_ten_grades_have_ten_keys(visit, tmp_path):
    criterion = Criterion(name="fit", low=1, high=10, description="does it fit?")
    rubric = load_rubric("coherence-1-7").model_copy(update={"criteria": (criterion,)})
    _, url = make_page(tmp_path, rubric, "because")
    page = begin(visit(url))
    press(page, "0")
    assert selected_grades(page) == [10]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_and_all_can_be_read(visit, nasty, width, scheme):
    def looked_at(page):
        wide, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= inner
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(UNNAMED) == []

    for options in ({}, {"url": nasty[1]}):
        page = visit(width=width, height=844, color_scheme=scheme, **options)
        looked_at(page)
        begin(page, "A name that is long " * 3)
        press(page, "1", "Enter")
        looked_at(page)
        press(page, "?")
        looked_at(page)
        press(page, "Escape", "s", "ArrowLeft")
        looked_at(page)
        press(page, "ArrowRight", "s", "s", "s")
        assert page.locator("#done").is_visible()
        looked_at(page)

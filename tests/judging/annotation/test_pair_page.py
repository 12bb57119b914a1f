"""Pages of pairs and of Likert scales in a browser: by keyboard alone, and on a phone."""

import pytest

from benchkit.judging.annotation.labels import read_annotation_labels
from benchkit.judging.annotation.pairs import make_pair_batch
from benchkit.judging.annotation.population import collect_population, find_judgements
from benchkit.judging.rubric import load_rubric
from tests.support.annotation_browser import (
    CONTRAST,
    UNNAMED,
    begin,
    export_csv,
    heading,
    make_page,
    press,
    selected_grades,
)
from tests.support.annotation_store import NASTY, make_store

# Controls that a thumb would miss: less than 44 pixels wide or high.
SMALL = """() => [...document.querySelectorAll(
    "button, fieldset label, textarea, input[type=text]")]
  .filter((e) => e.checkVisibility())
  .map((e) => [e.id || e.textContent, e.getBoundingClientRect()])
  .filter(([, box]) => box.width < 44 || box.height < 44).map(([name]) => name)"""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Four pairs whose texts want to get out: (their key, the address of the page)."""
    folder = tmp_path_factory.mktemp("pairs")
    make_store(folder / "runs", {("toys", m): [1] * 4 for m in "ab"}, text=NASTY)
    batch = make_pair_batch(collect_population(find_judgements([folder / "runs"], "plum")), 4, 1)
    batch.write(folder)
    return batch.key, (folder / "annotator-1.html").as_uri()


@pytest.fixture(scope="module")
def likert(tmp_path_factory):
    return make_page(tmp_path_factory.mktemp("likert"), load_rubric("likert-1-7"), "because " * 40)


def test_pairs_by_keyboard_alone_and_back_into_python(visit, pairs, tmp_path):
    key, url = pairs
    page = visit(url)
    assert "two answers, A and B" in page.locator("#start").inner_text()
    begin(page)
    assert [s.inner_text()[0] for s in page.locator(".side h3").all()] == ["A", "B"]
    for place, grade in enumerate("1231"):
        assert heading(page) == f"Item {place + 1} of 4"
        press(page, grade)
        assert selected_grades(page) == [int(grade)]
        press(page, "Enter")
    assert page.locator("#done").is_visible()
    export_csv(page, tmp_path / "a.csv", "#export-done")
    labels = read_annotation_labels([tmp_path / "a.csv"], key)
    assert labels.progress[0].complete == 4
    for (identifier, _, grade, _, first, *_), given_ in zip(
        sorted(labels.rows, key=lambda row: key.annotators["annotator-1"].index(row[0])),
        (1, 2, 3, 1), strict=True,
    ):  # fmt: skip
        is_first = key.pairs[identifier].shown[0].method == first
        assert grade == (4 - given_ if is_first else given_)


def test_both_sides_are_shown_as_text(visit, pairs):
    page = begin(visit(pairs[1]))
    for place in (".side .item", ".side blockquote"):
        assert all(NASTY[:40] in text for text in page.locator(place).all_text_contents())
    assert page.evaluate("window.owned") is None
    first = page.locator(".side blockquote").all_text_contents()
    press(page, "1", "Enter")
    assert page.locator(".side blockquote").all_text_contents() != first


def test_a_likert_scale_by_its_seven_keys(visit, likert):
    page = begin(visit(likert[1]))
    press(page, "7", "1", "4", "5", "6")
    assert selected_grades(page) == [7, 1, 4, 5, 6]
    assert page.locator(".ends").first.inner_text().split("\n") == [
        "strongly disagree", "strongly agree"
    ]  # fmt: skip
    labels = page.locator("fieldset").first.locator("label").all()
    tops = {round(label.bounding_box()["y"]) for label in labels}
    assert len(tops) == 1  # in one line


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_nothing_is_cut_and_all_can_be_read_and_touched(visit, pairs, likert, width, scheme):
    def looked_at(page):
        wide, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= inner
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(UNNAMED) == []
        assert width > 390 or page.evaluate(SMALL) == []

    for url in (pairs[1], likert[1]):
        page = visit(url, width=width, height=844, color_scheme=scheme)
        looked_at(page)
        begin(page)
        looked_at(page)
        press(page, "1", "?")
        looked_at(page)
        press(page, "Escape", "s", "s", "s", "s")
        assert page.locator("#done").is_visible()
        looked_at(page)

"""The annotation page in a browser: grading by keyboard, what is kept, and what comes back."""

import pytest

from benchkit.judging.annotation.labels import read_annotation_labels
from tests.support.annotation_browser import (
    begin,
    count,
    export_csv,
    heading,
    message,
    press,
    selected_grades,
)


def test_it_begins_with_instructions_the_rubric_and_a_name(visit):
    page = visit()
    assert page.locator("#start").is_visible()
    assert not page.locator("#export").is_visible()
    text = page.locator("#start").inner_text()
    assert "Each of the 4 items shows what a customer bought before" in text
    for words in ("Grounding", "every step rests on named parts of the history", "plausible"):
        assert words in text
    page.click("#begin")
    assert "Please give a name" in page.locator("#name-problem").inner_text()
    assert page.evaluate("document.activeElement.id") == "name"
    begin(page)
    assert heading(page) == "Item 1 of 4"
    assert page.locator("#who").inner_text() == "annotator-1 · Ann"


def test_all_of_it_by_keyboard_and_back_into_python(visit, batch, tmp_path):
    key, _ = batch
    page = begin(visit())
    for place in range(4):
        assert heading(page) == f"Item {place + 1} of 4"
        page.wait_for_timeout(110)  # tenths of a second are counted
        press(page, "1", "2", "3", str(place + 1), ["Enter", "ArrowRight"][place % 2])
    assert page.locator("#done-title").inner_text() == "All items are done"
    assert page.locator("#summary").inner_text().startswith("4 items graded, 0 skipped.")
    name, rows = export_csv(page, tmp_path / "a.csv", "#export-done")
    assert name == f"{key.batch}-annotator-1.csv"
    assert len(rows) == 16
    assert {row["name"] for row in rows} == {"Ann"}
    labels = read_annotation_labels([tmp_path / "a.csv"], key)
    assert labels.progress[0].complete == 4
    assert labels.progress[0].seconds >= 0.1
    grades = {(r[0], r[2]): r[3] for r in labels.rows if r[1] == "annotator-1"}
    for place, identifier in enumerate(key.annotators["annotator-1"]):
        result = [grades[identifier, criterion.name] for criterion in key.rubric.criteria]
        assert result == [1, 2, 3, place + 1]


def test_what_is_shown_is_the_item(visit, batch):
    page = begin(visit())
    history = page.locator("#history li").all_inner_texts()
    assert history[1] == "Pot"
    assert history[0].startswith("Kettle | Good | word word")
    assert page.locator("#title").inner_text().startswith("Green Tea word")
    assert page.locator("#rationale").inner_text().startswith("word word")
    assert page.locator("#target").count() == 0


def test_digits_go_from_criterion_to_criterion(visit):
    page = begin(visit())
    current = page.locator("fieldset.current legend")
    assert current.inner_text() == "Grounding"
    press(page, "4")
    assert current.inner_text() == "Specificity"
    press(page, "Tab")
    assert current.inner_text() == "Faithfulness"
    press(page, "5", "5")  # persuasiveness follows, specificity was passed over
    assert current.inner_text() == "Specificity"
    press(page, "2")
    assert selected_grades(page) == [4, 2, 5, 5]
    press(page, "7")
    assert page.locator("#live").inner_text() == "7 is no grade of Faithfulness"
    assert selected_grades(page) == [4, 2, 5, 5]
    press(page, "ArrowDown")  # of the radio buttons in focus
    assert selected_grades(page) == [4, 2, 1, 5]


def test_an_item_that_is_not_graded_holds_up(visit):
    page = begin(visit())
    press(page, "3", "Enter")
    assert heading(page) == "Item 1 of 4"
    assert message(page).startswith("Not graded yet: Specificity, Faithfulness, Persuas")
    assert page.locator("fieldset.current legend").inner_text() == "Specificity"
    press(page, "3")
    assert not page.locator("#message").is_visible()


def test_going_back_and_changing(visit):
    page = begin(visit())
    press(page, "1", "1", "1", "1", "Enter", "2")
    assert selected_grades(page) == [2]
    press(page, "ArrowLeft")
    assert heading(page) == "Item 1 of 4"
    assert selected_grades(page) == [1, 1, 1, 1]
    assert page.locator("#back").is_disabled()
    press(page, "ArrowLeft")
    assert heading(page) == "Item 1 of 4"
    press(page, "5", "4")
    assert selected_grades(page) == [5, 4, 1, 1]
    page.get_by_label("3: a side claim is made up or cannot be known").check()
    assert selected_grades(page) == [5, 4, 3, 1]
    press(page, "Enter")
    assert heading(page) == "Item 2 of 4"
    assert selected_grades(page) == [2]


def test_undo(visit):
    page = begin(visit())
    assert page.locator("#undo").is_disabled()
    press(page, "1", "2", "u")
    assert selected_grades(page) == [1]
    press(page, "n")
    page.keyboard.type("usual")  # u is a letter here, and a note is one step
    press(page, "Escape", "u")
    assert page.locator("#note").input_value() == ""
    assert selected_grades(page) == [1]
    press(page, "2", "3", "4", "Enter", "u")  # back to the item of the last change
    assert heading(page) == "Item 1 of 4"
    assert selected_grades(page) == [1, 2, 3]
    press(page, "u", "u", "u", "u")
    assert selected_grades(page) == []
    assert page.locator("#live").inner_text() == "there is nothing to undo"


def test_a_reload_keeps_everything(visit):
    page = begin(visit())
    press(page, "1", "2", "3", "4", "Enter", "5", "n")
    page.keyboard.type("half done")
    page.reload()
    assert heading(page) == "Item 2 of 4"
    assert selected_grades(page) == [5]
    assert page.locator("#note").input_value() == "half done"
    assert count(page) == "1 of 4 done"
    assert page.locator("#who").inner_text() == "annotator-1 · Ann"
    press(page, "ArrowLeft")
    assert selected_grades(page) == [1, 2, 3, 4]


def test_another_batch_has_another_progress(visit, nasty):
    page = begin(visit())
    press(page, "1", "2", "3", "4", "Enter")
    other = visit(nasty[1], context=page.context)
    assert other.locator("#start").is_visible()


def test_skipping_with_a_note(visit, batch, tmp_path):
    page = begin(visit())
    press(page, "1", "n")
    note = 'it says "no",\n=and <b>why</b>; не видно'
    page.keyboard.insert_text(note)
    press(page, "Escape", "s")
    assert heading(page) == "Item 2 of 4"
    assert count(page) == "1 of 4 done, 1 skipped"
    press(page, "ArrowLeft")
    assert page.locator("#skip").get_attribute("aria-pressed") == "true"
    assert selected_grades(page) == []
    _, rows = export_csv(page, tmp_path / "a.csv")
    assert {(row["skipped"], row["grade"], row["note"]) for row in rows} == {("1", "", note)}
    labels = read_annotation_labels([tmp_path / "a.csv"], batch[0])
    assert (labels.progress[0].skipped, labels.progress[0].notes) == (1, 1)
    press(page, "u")  # the grade is there again
    assert selected_grades(page) == [1]
    press(page, "s", "ArrowLeft", "s")
    assert page.locator("#skip").get_attribute("aria-pressed") == "false"
    press(page, "s", "ArrowLeft", "2")  # a grade ends the skipping, too
    assert selected_grades(page) == [2]
    assert count(page) == "0 of 4 done"


def test_going_on_elsewhere(visit, batch, tmp_path):
    page = begin(visit())
    press(page, "1", "2", "3", "4", "Enter", "s")
    press(page, "5", "n")
    page.keyboard.type("a, b")
    _, before = export_csv(page, tmp_path / "a.csv")
    elsewhere = visit()
    elsewhere.set_input_files("#file", tmp_path / "a.csv")
    assert message(elsewhere) == "3 items imported from a.csv."
    assert elsewhere.locator("#name").input_value() == "Ann"
    elsewhere.click("#begin")
    assert heading(elsewhere) == "Item 3 of 4"
    assert selected_grades(elsewhere) == [5]
    assert elsewhere.locator("#note").input_value() == "a, b"
    _, after = export_csv(elsewhere, tmp_path / "b.csv")
    for row in [*before, *after]:
        del row["seconds"]
    assert after == before


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("annotator-1", "annotator-2", "row 1: it is of annotator-2, and this page of annotator-1"),
        (",grounding,1", ",grounding,6", "row 1: 6 is no grade of grounding"),
        (",grounding,", ",charm,", "row 1: there is no criterion charm"),
        ("batch,", "lot,", 'it has no column "batch"'),
        (",0,,", ',0,"', "a quoted text does not end"),
    ],
)
def test_what_cannot_be_imported_changes_nothing(visit, tmp_path, old, new, problem):
    page = begin(visit())
    press(page, "1")
    export_csv(page, tmp_path / "a.csv")
    text = (tmp_path / "a.csv").read_text()
    assert old in text
    (tmp_path / "b.csv").write_text(text.replace(old, new, 1))
    page.set_input_files("#file", tmp_path / "b.csv")
    assert problem in message(page)
    assert selected_grades(page) == [1]


def test_without_storage_it_says_so_and_still_works(visit, tmp_path):
    script = "Storage.prototype.setItem = () => { throw new Error('full'); };"
    page = begin(visit(script=script))
    assert "does not keep your progress" in page.locator("#unkept").inner_text()
    press(page, "1", "2", "3", "4", "Enter")
    assert count(page) == "1 of 4 done"
    assert len(export_csv(page, tmp_path / "a.csv")[1]) == 4
    assert not visit().locator("#unkept").is_visible()


def test_two_tabs_show_the_same(visit):
    page = begin(visit())
    other = visit(context=page.context)
    press(other, "1", "2", "3", "4")
    assert message(page).startswith("This page is open in another tab")
    assert selected_grades(page) == [1, 2, 3, 4]

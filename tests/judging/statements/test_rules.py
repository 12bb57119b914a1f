"""Rules on statements, one case a rule, on a history of four teas and coffees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.judging.item_mentions import TitleIndex
from benchkit.judging.statements.rules import check_rationale
from benchkit.judging.statements.splitter import split_statements
from benchkit.judging.statements.statement import worst_label
from benchkit.judging.text_segmentation import split_words
from benchkit.judging.verdicts import JudgeInput
from benchkit.types import Catalog, Event, Request

ITEMS = {
    "g": ("Uji Green Tea", "Japanese leaves, caffeine free, grown in shade"),
    "b": ("Morning Black Tea", "strong leaves from Ceylon"),
    "c": ("Dark Roast Coffee", "whole beans, low acid"),
    "m": ("Ceremonial Matcha Powder", "stone ground, unsweetened, from Japan"),
    "x": ("Old Pale Ale", "beer"),
}
CATALOG = Catalog(
    tuple(ITEMS),
    {"title": [t for t, _ in ITEMS.values()], "description": [d for _, d in ITEMS.values()]},
)
INDEX = TitleIndex(CATALOG)
HISTORY = (
    Event("g", 5.0, 1, "Smells of fresh grass, my daughter drinks it"),
    Event("b", 4.0, 2, "Fine for the price"),
    Event("c", 1.0, 3, "Bitter and stale, sent it back"),
)
REQUEST = Request("test:u", "u", HISTORY, ("m", "x"))


def label(text, request=REQUEST, item="m", index=INDEX):
    checks = check_rationale(JudgeInput("k", request, item, text), index)
    return worst_label([check.label for check in checks])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Ratings by their word, of items that are named.
        ("They rated Uji Green Tea as Excellent.", "supported"),
        ("They rated Uji Green Tea as Okay.", "contradicted"),
        ("Uji Green Tea and Morning Black Tea both received excellent ratings.", "contradicted"),
        ("Uji Green Tea and Morning Black Tea are rated Excellent or Good.", "supported"),
        # Opinions.
        ("Dark Roast Coffee received a positive review.", "contradicted"),
        ("Dark Roast Coffee received a negative review.", "supported"),
        ("Uji Green Tea received negative feedback.", "contradicted"),
        ("They were not disappointed with Uji Green Tea.", "not_checkable"),  # to a rule
        ("They gave positive reviews to previous purchases.", "supported"),  # of some
        # The one before is meant by "it" and "both".
        ("They bought Uji Green Tea. It was rated as Terrible.", "contradicted"),
        ("They bought Uji Green Tea. All their past purchases are rated Terrible.", "contradicted"),
        ("Past purchases were rated as Terrible.", "supported"),  # one of them was
        # The user has no opinion of what is recommended.
        ("The positive review of Ceremonial Matcha Powder shows it.", "not_supported"),
        ("They rated Ceremonial Matcha Powder highly.", "not_supported"),
        ("They liked Dark Roast Coffee.", "contradicted"),
        ("They liked Uji Green Tea, a Japanese tea.", "supported"),
        ("They bought everything and rated it as Terrible.", "supported"),  # of some
        # Texts and reviews.
        ("They purchased Uji Green Tea, which is caffeine free.", "supported"),
        ("They purchased Uji Green Tea, which is smoked over pine wood.", "not_supported"),
        ("Ceremonial Matcha Powder is stone ground.", "supported"),
        ("Ceremonial Matcha Powder is a Ceylon blend of seven herbs.", "not_supported"),
        ("Their review of Uji Green Tea mentions fresh grass.", "supported"),
        ("Their review of Uji Green Tea mentions caffeine and shade.", "not_supported"),
        ('The review says "smells of fresh grass".', "supported"),
        ('The review says "like a rotten egg".', "not_supported"),
        # What was not shown.
        ("Overall, it fits their taste.", "not_checkable"),
        ("This suggests that they value quality.", "not_checkable"),
        ("Morning drinks are what they may like.", "not_checkable"),
        ("", "not_checkable"),
    ],
)
def test_label(text, expected):
    assert label(text) == expected


def test_an_item_that_was_not_shown_is_not_supported():
    text = 'They also bought "Old Pale Ale".'
    unseen = Request("test:u", "u", HISTORY, ("m",))
    assert label(text, unseen) == "not_supported"


def test_without_ratings_none_is_confirmed_and_none_refuted():
    unrated = Request("test:u", "u", tuple(e._replace(rating=None) for e in HISTORY), ("m",))
    without_scale = TitleIndex(Catalog(CATALOG.ids, CATALOG.texts, None))
    for more in ({"request": unrated}, {"index": without_scale}):
        assert label("They rated Uji Green Tea as Okay.", **more) == "not_supported"
        assert label("Uji Green Tea received a negative review.", **more) == "not_checkable"


def test_without_a_history_no_rating_is_supported():
    empty = Request("test:u", "u", (), ("m",))
    assert label("They bought things that they rated Good.", empty) == "not_supported"
    assert label("They gave positive reviews.", empty) == "not_checkable"


def test_another_language_cannot_be_checked():
    assert label("El cliente compró té verde y le gustó mucho.") == "not_checkable"


def test_what_the_catalogue_lacks_is_passed_over():
    request = Request("test:u", "u", (*HISTORY, Event("gone", 1.0)), ("m",))
    assert label("They rated Uji Green Tea as Excellent.", request) == "supported"
    assert label("They rated Uji Green Tea as Excellent.", item="gone") == "supported"


def test_a_check_says_where_and_why():
    text = "They rated Uji Green Tea as Okay, suggesting a taste for it."
    first, second = check_rationale(JudgeInput("k", REQUEST, "m", text), INDEX)
    assert text[first.start : first.stop] == "They rated Uji Green Tea as Okay"
    assert first.reason == "says rated okay, and the rating is excellent"
    assert (second.label, second.reason) == ("not_checkable", "a conclusion")


@given(st.text(max_size=300))
def test_any_text_is_cut_without_loss_and_checked(text):
    parts = split_statements(text)
    assert [text[part.start : part.stop] for part in parts] == [part.text for part in parts]
    words = [word for part in parts for word in split_words(part.text)]
    assert "".join(words) == "".join(split_words(text)) or "'" in "".join(words)
    checks = check_rationale(JudgeInput("k", REQUEST, "m", text), INDEX)
    assert [(c.start, c.stop) for c in checks] == [(p.start, p.stop) for p in parts]


@given(st.permutations(HISTORY))
def test_the_order_of_the_history_changes_nothing(history):
    request = Request("test:u", "u", tuple(history), ("m",))
    text = "They rated Uji Green Tea as Okay. They purchased Morning Black Tea, a strong tea."
    assert label(text, request) == "contradicted"

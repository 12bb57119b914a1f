"""Which items a text names: recall on names, and silence on ordinary words."""

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchkit.judging.item_mentions import TitleIndex
from benchkit.judging.text_segmentation import split_sentences, split_words
from benchkit.types import Catalog

TITLES = [
    "Toy Story (1995)", "Toy Story 2 (1999)", "Big Sleep, The (1946)", "Heat (1995)",
    "Fargo (1996)", "It (2017)", "Drama (2010)", "As Good As It Gets (1997)", "Alien (1979)",
    "Aliens (1986)", "War, The (1994)", "Alien Nation (1988)", "Dark Chocolate Almonds",
    "mama noodles pad thai instant spicy noodles, hot & spicy, 30 pack",
    "old wisconsin premium summer sausage, naturally smoked with hardwood, 8 oz each",
    "old wisconsin premium beef sticks, naturally smoked with hardwood, 26 oz jar",
    "Psycho (1960)", "Psycho (1998)", "Good, The Bad and The Ugly, The (1966)", "7 Up", "1984",
]  # fmt: skip
CODE = {title: code for code, title in enumerate(TITLES)}
GENRES = ["Drama, War"] * len(TITLES)
CATALOG = Catalog(tuple(f"i{n}" for n in range(len(TITLES))), {"title": TITLES, "genres": GENRES})
INDEX = TitleIndex(CATALOG)
GROCERY = Path(__file__).parents[3] / "shared" / "data" / "grocery2023_rationales"


def named(text, about=()):
    """Titles that the text names."""
    return {TITLES[code] for mention in INDEX.find_mentions(text, about) for code in mention.codes}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Toy Story was liked", {"Toy Story (1995)"}),
        ('The customer chose "Toy Story (1995)" before.', {"Toy Story (1995)"}),
        ("They liked Toy Story 2 most", {"Toy Story 2 (1999)"}),
        ("ToyStory, Toy Storys, my Toy  Story2", set()),
        ("the mood of The Big Sleep again", {"Big Sleep, The (1946)"}),
        ("“Big Sleep, The (1946)”", {"Big Sleep, The (1946)"}),
        # One word: with a capital, within a sentence, in no other title and no category.
        ("as cold as Fargo was", {"Fargo (1996)"}),
        ("as cold as fargo was", set()),
        ("Fargo was cold", set()),
        ('"Fargo" was cold, *heat* was not; and 1984', {"Fargo (1996)", "Heat (1995)"}),
        ('and "it"', {"It (2017)"}),
        ("They like Drama. It has the genre War. The rest is It", set()),
        ("the thrill of Alien and Aliens", {"Aliens (1986)"}),  # "alien" is in "Alien Nation"
        ("the thrill of “Alien,” and 'Aliens'", {"Alien (1979)", "Aliens (1986)"}),
        ("a book on 1984", set()),
        ('the book "1984"', {"1984"}),
        # Several words: an ordinary phrase, a name, a phrase too long to be one.
        ("it is as good as it gets", set()),
        ("it is like As Good as It Gets", {"As Good As It Gets (1997)"}),
        ("some dark chocolate almonds", set()),
        ("the Dark Chocolate Almonds", {"Dark Chocolate Almonds"}),
        ("The good, the bad and the ugly", set()),
        # Both items of a name.
        ("the shower of Psycho!", {"Psycho (1960)", "Psycho (1998)"}),
        # The beginning of a long title.
        ("They bought Mama Noodles Pad Thai before", {TITLES[13]}),
        ("they bought mama noodles pad thai before", {TITLES[13]}),
        ("Old Wisconsin Premium Summer snacks", {TITLES[14]}),
        ("The Old Wisconsin Premium range", set()),
        ("", set()),
        ("!?", set()),
    ],
)  # fmt: skip
def test_what_is_named(text, expected):
    assert named(text) == expected


def test_two_words_name_an_item_that_the_rationale_is_about():
    text = "They bought Old Wisconsin sausage and Mama Noodles"
    assert named(text) == set()
    assert named(text, {14, 13}) == {TITLES[14], TITLES[13]}
    assert named(text.lower(), {14, 13}) == set()


def sorted_out(text, item, history, candidates=(), known=()):
    result = INDEX.find_mentions(text, {item, *history})
    return INDEX.classify_mentions(result, item, set(history), set(candidates), known)


def test_names_are_sorted_by_what_the_model_was_shown():
    text = "Toy Story and The Big Sleep, like Psycho, lead to Toy Story 2 and Alien Nation."
    result = sorted_out(text, CODE["Toy Story 2 (1999)"], [0, 16], [CODE["Alien Nation (1988)"]])
    assert result.history == {0, 16}  # "Psycho" is the one of the history
    assert result.item
    assert result.candidates == {"alien nation"}
    assert result.outside == {"the big sleep"}
    other = sorted_out(text, CODE["Fargo (1996)"], [])
    assert not other.item and not other.history and not other.candidates
    assert len(other.outside) == 5


def test_a_careless_form_of_what_was_shown_is_not_made_up():
    # "Toy Story" is a title by itself, and part of one that was shown.
    result = sorted_out("Toy Story was liked", 1, [])
    assert not result.outside and not result.item
    assert sorted_out("Toy Story 2 was liked", 0, []).outside == {"toy story 2"}
    texts = ["Drama, War", "The Big Sleep was better, said my wife"]
    assert not sorted_out("Like The Big Sleep, it is old", 0, [], known=texts).outside


@pytest.mark.slow
def test_long_texts_take_no_longer_than_their_words():
    text = "Toy Story and The Big Sleep lead to Psycho. " * 3000
    start = time.perf_counter()
    assert len(INDEX.find_mentions(text)) == 3 * 3000
    assert time.perf_counter() - start < 5


def test_a_catalogue_without_titles_has_its_ids():
    index = TitleIndex(Catalog(("red rose tea", "b"), {}))
    assert [m.codes for m in index.find_mentions('"red rose tea"')] == [(0,)]


@given(st.text(max_size=60))
@example("ʼ")  # a letter to regular expressions, an apostrophe to `normalize_text`
def test_any_text_can_be_read(text):
    INDEX.find_mentions(text, {0, 13})
    assert all(
        sentence.strip() == sentence and split_words(sentence) for sentence in split_sentences(text)
    )
    assert [w for s in split_sentences(text) for w in split_words(s)] == split_words(text)


@given(st.sampled_from(TITLES), st.sampled_from(["{}", 'Because of "{}".', "**{}**, of all"]))
def test_a_quoted_title_is_always_found(title, form):
    text = form.format(title) if form != "{}" else f'"{title}"'
    assert CODE[title] in {code for mention in INDEX.find_mentions(text) for code in mention.codes}


@pytest.mark.skipif(not GROCERY.is_dir(), reason="needs the shared data")
def test_rationales_of_a_language_model_name_their_own_history():
    """100 published rationales (TWiCE-Rec): 72 % name the history, 87 % the item, and none is said
    to make anything up; another customer's nearly always are."""
    titles = json.loads((GROCERY / "item_titles.json").read_text())
    catalog = Catalog(tuple(titles), {"title": list(titles.values())})
    index, codes = TitleIndex(catalog), {title: n for n, title in enumerate(titles.values())}
    cases = []
    for row in json.loads((GROCERY / "train_rationales.json").read_text()):
        question = row["input"].split("[Candidate List]: ")[0]
        history = {codes[title.strip()] for title in re.findall(r"title:(.*)", question)}
        reasoning = re.search(r"<think>(.*?)</think>", row["output"], re.DOTALL)[1]
        cases.append((catalog.index[row["positive_item_id"]], history, reasoning))

    def shares(shift):
        result = [
            index.classify_mentions(
                index.find_mentions(cases[i - shift][2], {item, *past}), item, past, set(), ()
            )
            for i, (item, past, _) in enumerate(cases)
        ]
        rows = [(bool(one.history), one.item, bool(one.outside)) for one in result]
        return np.mean(rows, axis=0)

    same, others = shares(0), shares(37)
    assert same[0] >= 0.70 and same[1] >= 0.85 and same[2] == 0
    assert others[0] <= 0.05 and others[1] == 0 and others[2] >= 0.85

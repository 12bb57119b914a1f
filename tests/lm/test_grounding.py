"""Which candidate an answer names."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from benchkit.lm.grounding import Grounder, normalize_text
from benchkit.lm.parsing import parse_answer
from benchkit.lm.response_format import ResponseFormat

REAL = Path(__file__).parents[3] / "shared" / "data" / "grocery2023_rationales"
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"the real rationales are not at {REAL}")
TITLES = ["Blue", "Blue Moon", "Black", "Rebecca Black", "It", "Help!", "R&B – “Live”", "C++"]


def grounded(text, titles=TITLES, **options):
    position = Grounder([f"i{i}" for i in range(len(titles))], titles, **options).ground(text)
    return None if position is None else titles[position]


@pytest.mark.parametrize("title", TITLES)
def test_every_title_is_itself(title):
    assert grounded(title) == title


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("blue  MOON", "Blue Moon"),
        ("“Blue Moon”.", "Blue Moon"),
        ("* blue moon *", "Blue Moon"),
        ("Ｂｌｕｅ Moon", "Blue Moon"),
        ("R&amp;B - 'Live'", None),
        ('R&amp;B - "Live"', "R&B – “Live”"),
        ("help", "Help!"),
        ("I recommend Blue Moon.", "Blue Moon"),
        ("I recommend Blue.", "Blue"),
        ("Rebecca Black - Friday", "Rebecca Black"),
        ("Black, not Rebecca Black", None),
        ("Blue or Blue Moon", None),
        ("Blue Moon, only Blue Moon", "Blue Moon"),
        ("Bluest Moon", None),
        ("Italian food", None),
        ("vitamin C", None),
        ("something else", None),
        ("", None),
        ("...", None),
    ],
)
def test_what_an_answer_names(text, title):
    assert grounded(text) == title


def test_the_rule_of_sdpo_cannot_name_a_title_that_holds_another():
    assert grounded("Blue Moon", strict_substring=True) is None
    assert grounded("Rebecca Black", strict_substring=True) is None
    assert grounded("Black", strict_substring=True) == "Black"
    assert grounded("Bluest", strict_substring=True) == "Blue"
    assert grounded("blue", strict_substring=True) is None
    assert grounded("a", ["a", "a"], strict_substring=True) is None


def test_titles_that_overlap_at_equal_length_are_two():
    for titles in (["a bc", "bc d"], ["bc d", "a bc"]):
        assert grounded("say a bc d", titles) is None


def test_equal_titles_are_told_apart_by_id_alone():
    grounder = Grounder(["B000000001", "B000000002", "B3"], ["Tea", "tea", "Mug"])
    assert grounder.ground("Tea") is None
    assert grounder.ground("I choose Tea") is None
    assert grounder.ground("Tea", "B000000002") == 1
    assert grounder.ground("Tea (B000000002)") == 1
    assert grounder.ground("Tea, item_id: b000000001") == 0
    assert grounder.ground("Mug") == 2


def test_ids():
    grounder = Grounder(["7", "1982", "B00X12345Z"], ["Heat", "Up", "Green Tea"])
    assert grounder.ground("7") == 0
    assert grounder.ground("item_id: 7") == 0
    assert grounder.ground("The id is 7") == 0
    assert grounder.ground("<B00X12345Z>") == 2
    assert grounder.ground("b00x12345z, a tea") == 2
    assert grounder.ground("Blade Runner (1982)") is None
    assert grounder.ground("Heat, 7 of 10") == 0
    assert grounder.ground("id: 7, id: 1982") is None
    assert grounder.ground("Green Tea", "B00X12345Z") == 2
    assert grounder.ground("Green Tea, organic", "B00X12345Z") == 2
    assert grounder.ground("Green Tea", "no such id") == 2
    assert grounder.ground("Green Tea", "7") is None


def test_a_title_goes_before_an_equal_id():
    assert Grounder(["300", "i1"], ["Heat", "300"]).ground("300") == 1


def test_ids_and_titles_belong_together():
    with pytest.raises(ValueError, match="2 ids, but 1 titles"):
        Grounder(["a", "b"], ["A"])


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8, unique_by=normalize_text))
def test_distinct_titles_ground_to_themselves(titles):
    assume(all(normalize_text(title) for title in titles))
    grounder = Grounder([f"id{i}" for i in range(len(titles))], titles)
    assert [grounder.ground(title) for title in titles] == list(range(len(titles)))


WORDS = st.sampled_from(["Blue", "Moon", "Black", "It", "a", "b"])
PHRASES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)


@given(st.lists(PHRASES, min_size=1, max_size=6, unique_by=normalize_text), st.data())
def test_a_title_in_a_sentence_is_found_whatever_the_others_are(titles, data):
    title = data.draw(st.sampled_from(titles))
    assert grounded(f"xx {title.upper()}, yy", titles) == title


@given(st.lists(PHRASES, min_size=1, max_size=6), PHRASES, st.randoms())
def test_the_order_of_the_candidates_decides_nothing(titles, text, random):
    ids = [f"i{i}" for i in range(len(titles))]
    pairs = list(zip(ids, titles, strict=True))
    random.shuffle(pairs)
    shuffled = Grounder(*zip(*pairs, strict=True)).ground(f"xx {text} yy")
    straight = Grounder(ids, titles).ground(f"xx {text} yy")
    assert (None if shuffled is None else pairs[shuffled][0]) == (
        None if straight is None else ids[straight]
    )


CANDIDATE = re.compile(r"^ ?title:(.*)\n- item_id:(.*)$", re.MULTILINE)


@real
@pytest.mark.parametrize("with_id", [True, False])
def test_all_real_answers_ground_to_the_positive_among_their_candidates(with_id):
    cases = json.loads((REAL / "train_rationales.json").read_text())
    titles = json.loads((REAL / "item_titles.json").read_text())
    hits, misses = 0, []
    for case in cases:
        shown = CANDIDATE.findall(case["input"].split("[Candidate List]:")[1])
        assert len(shown) == 30
        names, ids = [title for title, _ in shown], [item for _, item in shown]
        answer = parse_answer(case["output"], "stop", ResponseFormat("think-item"))
        found = Grounder(ids, names).ground(answer.item, answer.item_id if with_id else None)
        if found is not None and names[found] == titles[case["positive_item_id"]]:
            hits += 1
        else:
            misses.append((answer.item, found))
    assert hits == 100, misses


@real
def test_every_real_title_names_itself_within_its_list():
    for case in json.loads((REAL / "test_prompts.json").read_text()):
        shown = CANDIDATE.findall(case["input"].split("[Candidate List]:")[1])
        grounder = Grounder([item for _, item in shown], [title for title, _ in shown])
        distinct = {normalize_text(title) for title, _ in shown}
        assert len(distinct) == 30
        assert [grounder.ground(title) for title, _ in shown] == list(range(30))

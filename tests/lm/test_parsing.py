"""Answers as models really write them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.lm.parsing import ParsedAnswer, parse_answer, parse_list, unescape_entities
from benchkit.lm.response_format import ResponseFormat

TITLE, ITEM, THINK = (ResponseFormat(kind) for kind in ("title", "item", "think-item"))
YES_NO, LIST = ResponseFormat("yes-no"), ResponseFormat("numbered-list")
REAL = Path(__file__).parents[3] / "shared" / "data" / "grocery2023_rationales"
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"the real rationales are not at {REAL}")


def ok(item, rationale=None, item_id=None):
    return ParsedAnswer(item, rationale, "ok", item_id)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>Why.</think><item>Blue Moon</item>", ok("Blue Moon", "Why.")),
        ("  <think>\n Why. \n</think>\n\n<item> Blue\nMoon </item>\n", ok("Blue Moon", "Why.")),
        (
            "Sure!\n```xml\n<think>Why.</think>\n<item>Blue Moon</item>\n```",
            ok("Blue Moon", "Why."),
        ),
        ("```xml <think>Why.</think><item>Blue Moon</item>```", ok("Blue Moon", "Why.")),
        ("<THINK>Why.</Think><Item>Blue Moon</ITEM>", ok("Blue Moon", "Why.")),
        ("<think>Why.</think><item>**Blue Moon**</item>", ok("Blue Moon", "Why.")),
        ('<think>Why.</think><item>"Blue Moon"</item>', ok("Blue Moon", "Why.")),
        ("&lt;think&gt;Why.&lt;/think&gt;<item>R&amp;B</item>", ok("R&B", "Why.")),
        # the closing tag is missing, half there, or another opening tag
        ("<think>Why.</think><item>Blue Moon", ok("Blue Moon", "Why.")),
        ("<think>Why.</think><item>Blue Moon</it", ok("Blue Moon", "Why.")),
        ("<think>Why.</think><item>Blue Moon<item>", ok("Blue Moon", "Why.")),
        ("<think>Why.</think><item>I <3 Blue", ok("I <3 Blue", "Why.")),
        # the last complete item after the reasons counts
        ("<think>Why.</think><item>Black</item><item>Blue</item>", ok("Blue", "Why.")),
        ("<think>Why.</think><item>Black</item> or <item>Blue", ok("Black", "Why.")),
        (
            "<think>Not <item>Black</item>.</think><item>Blue</item>",
            ok("Blue", "Not <item>Black</item>."),
        ),
        ("<think>A</think><item>Black</item><think>B</think><item>Blue</item>", ok("Blue", "A")),
        # the reasons are not closed, or there is nothing after them
        ("<think>Why. <item>Blue Moon</item>", ok("Blue Moon", "Why.")),
        ("<think>Why. <item>Blue Moon</item></think>", ok("Blue Moon", "Why.")),
        ("<think>Why.\nAnswer: Blue Moon", ok("Blue Moon", "Why.")),
        # the opening tags stood in the prompt
        ("Why.</think><item>Blue Moon</item>", ok("Blue Moon", "Why.")),
        ("Why. <item>Blue Moon</item>", ok("Blue Moon", "Why.")),
        ("Blue Moon</item>", ok("Blue Moon")),
        # no tags around the item
        ("<think>Why.</think>\nBlue Moon", ok("Blue Moon", "Why.")),
        ("<think>Why.</think>\n**Recommended item:** Blue Moon", ok("Blue Moon", "Why.")),
        ("<think>Why.</think><item>Blue Moon</item><|im_end|>", ok("Blue Moon", "Why.")),
        # TWiCE-Rec
        (
            "<think> Why. </think> <item_nm> Blue Moon </item_nm> <item_id> B01 </item_id>",
            ok("Blue Moon", "Why.", "B01"),
        ),
        ("<think>Why.</think><item_id>B01</item_id>", ok("B01", "Why.", "B01")),
        (
            "<think>Why.</think><item_nm>Blue Moon <item_id>B01</item_id>",
            ok("Blue Moon", "Why.", "B01"),
        ),
        # nothing to find
        ("<think>Why.</think>", ParsedAnswer(None, "Why.", "unparsed")),
        ("<think>Why.</think><item></item>", ParsedAnswer(None, "Why.", "unparsed")),
        ("<think>Why, and on and on", ParsedAnswer(None, "Why, and on and on", "unparsed")),
        ("", ParsedAnswer(None, None, "unparsed")),
        (
            "<think>Why.</think>I'm sorry, but I cannot choose.",
            ParsedAnswer(None, "Why.", "refused"),
        ),
        ("I’m sorry, but I can’t help with that.", ParsedAnswer(None, None, "refused")),
    ],
)
def test_reasons_and_item(text, expected):
    assert parse_answer(text, "stop", THINK) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<item>Blue Moon</item>", ok("Blue Moon")),
        ("The next one is <item>Blue Moon</item>, surely.", ok("Blue Moon")),
        ("<item>Blue Moon", ok("Blue Moon")),
        ("Blue Moon\n", ok("Blue Moon")),
        ("I compared them.\nFinal answer: Blue Moon", ok("Blue Moon")),
        ("<think>Hm.</think><item>Blue Moon</item>", ok("Blue Moon", "Hm.")),
        ("I compared them.\nIt is hard to say.", ParsedAnswer(None, None, "unparsed")),
        ("As an AI language model, I have no taste.", ParsedAnswer(None, None, "refused")),
    ],
)
def test_item(text, expected):
    assert parse_answer(text, "stop", ITEM) == expected


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ("Blue Moon", "Blue Moon"),
        (" Blue Moon \n\nIt goes well with the rest.", "Blue Moon"),
        ("Answer: Blue Moon", "Blue Moon"),
        ("**Answer:** Blue Moon", "Blue Moon"),
        ("Recommended item: “Blue Moon”", "Blue Moon"),
        ("The recommended item is:\nBlue Moon", "Blue Moon"),
        ("My recommendation: 'Blue Moon'", "Blue Moon"),
        ("Title: Blue Moon", "Blue Moon"),
        ("Here is what I would choose:\n\nBlue Moon", "Blue Moon"),
        ("```\nBlue Moon\n```", "Blue Moon"),
        ("```Blue Moon```", "Blue Moon"),
        ("`Blue Moon`", "Blue Moon"),
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("R&B &copy", "R&B &copy"),
        ("<item>Blue Moon</item>", "Blue Moon"),
        ("<think>Hm.</think>Blue Moon", "Blue Moon"),
        ("Blue Moon</s>", "Blue Moon"),
        # titles that look like something else
        ("I Can't Help Falling in Love", "I Can't Help Falling in Love"),
        ('"Weird Al" Yankovic', '"Weird Al" Yankovic'),
        ("Answer Me", "Answer Me"),
        ("1. Outside", "1. Outside"),
        ("2001: A Space Odyssey", "2001: A Space Odyssey"),
        ("Sorry", "Sorry"),
        ("*", "*"),
    ],
)
def test_bare_title(text, item):
    parsed = parse_answer(text, "stop", TITLE)
    assert (parsed.item, parsed.status) == (item, "ok")


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that.",
        "Sorry, I cannot choose.",
        "Unfortunately, I am unable to recommend an item.",
        "I cannot provide a recommendation.",
        "I must decline.",
        "As an AI, I do not buy anything.",
    ],
)
@pytest.mark.parametrize("response", [TITLE, ITEM, THINK])
def test_refused_in_words(text, response):
    assert parse_answer(text, "stop", response) == ParsedAnswer(None, None, "refused")


def test_a_phrase_of_refusal_beside_an_item_is_no_refusal():
    text = "I cannot recommend the others. <item>Blue Moon</item>"
    assert parse_answer(text, "stop", ITEM) == ok("Blue Moon")


@pytest.mark.parametrize("response", [TITLE, ITEM, THINK, YES_NO, LIST])
def test_what_the_engine_says_goes_first(response):
    assert parse_answer("1. Blue Moon", "refused", response) == ParsedAnswer(None, None, "refused")
    assert parse_answer("1. Blue Moon", "error", response) == ParsedAnswer(None, None, "error")


@pytest.mark.parametrize(
    ("text", "response", "expected"),
    [
        ("<think>Why, and on", THINK, ParsedAnswer(None, "Why, and on", "truncated")),
        ("Why, and on", THINK, ParsedAnswer(None, "Why, and on", "truncated")),
        ("<think>Not <item>Black</item>, but", THINK, "truncated"),
        ("<think>Why.</think><item>Blue Mo", THINK, ParsedAnswer(None, "Why.", "truncated")),
        ("<think>Why.</think><item>\nBlue Mo", THINK, ParsedAnswer(None, "Why.", "truncated")),
        ("<think>Why.</think><item>Blue Moon</item> And", THINK, ok("Blue Moon", "Why.")),
        ("<item>Blue Mo", ITEM, ParsedAnswer(None, None, "truncated")),
        ("<item>Blue Moon</item> Beca", ITEM, ok("Blue Moon")),
        ("Blue Mo", TITLE, ParsedAnswer(None, None, "truncated")),
        ("Blue Moon\nBecause", TITLE, ok("Blue Moon")),
        ("Blue Moon\n", TITLE, ok("Blue Moon")),
        ("", TITLE, ParsedAnswer(None, None, "truncated")),
        ("Yes", YES_NO, ok("Yes")),
        ("Hm, let", YES_NO, ParsedAnswer(None, None, "truncated")),
        ("1. Blue Moon\n2. Bl", LIST, ok("Blue Moon")),
        ("1. Blue Mo", LIST, ParsedAnswer(None, None, "truncated")),
    ],
)
def test_cut_off(text, response, expected):
    parsed = parse_answer(text, "length", response)
    if isinstance(expected, str):
        assert (parsed.item, parsed.status) == (None, expected)
    else:
        assert parsed == expected


@pytest.mark.parametrize(
    ("text", "item"),
    [
        ("Yes.", "Yes"),
        ("no", "No"),
        ("**Yes**, the user will.", "Yes"),
        ("Answer: No", "No"),
        ("<item>Yes</item>", "Yes"),
        ("<think>No doubt.</think>Yes", "Yes"),
        ("The user likes jazz.\nSo yes.", "Yes"),
        ("No, although others say yes.", "No"),
        ("One could say yes or no.", None),
        ("Nothing known.", None),
    ],
)
def test_yes_or_no(text, item):
    parsed = parse_answer(text, "stop", YES_NO)
    assert (parsed.item, parsed.status) == (item, "ok" if item else "unparsed")


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("1. A\n2. B", ["A", "B"]),
        ("Here you are:\n\n 1) A \n 2) B\n\nEnjoy!", ["A", "B"]),
        ("(1) A\n(2) B", ["A", "B"]),
        ("**1.** A\n**2.** B", ["A", "B"]),
        ("1. **A**: smooth\n2. **B**", ["A", "B"]),
        ('1. "A" - smooth\n2. "B"', ["A", "B"]),
        ('1. "Weird Al" Yankovic', ['"Weird Al" Yankovic']),
        ("1. 2001: A Space Odyssey\n2. R&amp;B", ["2001: A Space Odyssey", "R&B"]),
        ("- A\n* B\n• C", ["A", "B", "C"]),
        ("1. A\n   - smooth\n2. B", ["A", "B"]),
        ("<think>1. C</think>1. A", ["A"]),
        ("1. A\n1. A", ["A", "A"]),
        ("1.5 liters are enough", []),
        ("Just prose.", []),
        ("", []),
    ],
)
def test_lists(text, entries):
    assert parse_list(text) == entries
    first = parse_answer(text, "stop", LIST)
    assert (first.item, first.status) == ((entries[0], "ok") if entries else (None, "unparsed"))


WORDS = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=8)
TEXTS = st.lists(WORDS, min_size=1, max_size=5).map(" ".join)


@given(TEXTS, TEXTS)
def test_a_well_formed_answer_reads_back(title, rationale):
    text = "".join(THINK.pieces(title, rationale))
    assert parse_answer(text, "stop", THINK) == ok(title, rationale)
    assert parse_answer(text, "length", THINK) == ok(title, rationale)


@given(
    st.text(), st.sampled_from(["stop", "length"]), st.sampled_from([TITLE, ITEM, THINK, YES_NO])
)
def test_any_text_gets_a_status(text, finish, response):
    parsed = parse_answer(text, finish, response)
    assert (parsed.item is not None) == (parsed.status == "ok")
    assert parsed.item != ""


@given(TEXTS, TEXTS, st.data())
def test_a_cut_answer_never_gives_half_a_title(title, rationale, data):
    whole = "".join(THINK.pieces(title, rationale))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    parsed = parse_answer(cut, "length", THINK)
    assert (parsed.item, parsed.status) == (None, "truncated")


def test_unescaped_leaves_what_is_no_whole_entity():
    assert (
        unescape_entities("salt&pepper &copy AT&T; &#39;&#x41;&eacute;")
        == "salt&pepper &copy AT&T; 'Aé"
    )


@real
def test_all_real_rationales_are_read():
    cases = json.loads((REAL / "train_rationales.json").read_text())
    titles = json.loads((REAL / "item_titles.json").read_text())
    parsed = [parse_answer(case["output"], "stop", THINK) for case in cases]
    assert len(parsed) == 100
    for case, (item, rationale, status, item_id) in zip(cases, parsed, strict=True):
        assert status == "ok"
        assert item == " ".join(titles[case["positive_item_id"]].split())
        assert len(rationale) > 200 and "<" not in rationale
        assert item_id and len(item_id) == 10

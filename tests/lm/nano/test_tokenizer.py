"""The tokenizer of nano: whole titles, every text, and where an answer ends."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.lm.nano import tokenizer as nano_tokenizer
from benchkit.lm.tokenization import continuation_ids, end_of_turn, prompt_ids
from benchkit.lm.types import Message, Prompt

TITLES = {"Toy Story (1995)": 9, "Heat": 5, "Dead Heat": 4, "日本 é": 3, "Rarely Seen": 1, "": 7}


@pytest.fixture(scope="module")
def tokenizer():
    return nano_tokenizer.train_nano_tokenizer(TITLES, ["Crime Drama Thriller"], pieces=200)


def ids(tokenizer, text):
    return tokenizer.encode(text, add_special_tokens=False)


# The tokenizer


@given(st.text())
def test_any_text_comes_back(tokenizer, text):
    encoded = ids(tokenizer, text)
    assert tokenizer.decode(encoded, skip_special_tokens=False) == text
    assert all(0 <= i < len(tokenizer) for i in encoded)


@given(st.lists(st.text(st.characters(exclude_characters="\n<", exclude_categories=["Cs"]))))
def test_lines_are_cut_alike_alone_and_together(tokenizer, lines):
    together = ids(tokenizer, "".join(line + "\n" for line in lines))
    apart = [[*ids(tokenizer, line), tokenizer.eos_token_id] for line in lines]
    assert together == list(itertools.chain.from_iterable(apart))


def test_frequent_titles_are_one_token_wherever_they_stand(tokenizer):
    for title in ("Toy Story (1995)", "Heat", "Dead Heat", "日本 é"):
        own = ids(tokenizer, title)
        assert len(own) == 1
        assert own[0] in ids(tokenizer, f"because you liked {title}, a film")
    assert len(ids(tokenizer, "Rarely Seen")) > 1  # below min_count


def test_titles_take_only_the_room_there_is():
    counts = {f"The {i}th Film Ever Made": 1000 - i for i in range(900)}
    tokenizer = nano_tokenizer.train_nano_tokenizer(counts, pieces=100, vocabulary=512)
    assert len(tokenizer) == 512
    one = [title for title in counts if len(ids(tokenizer, title)) == 1]
    assert one == list(counts)[: len(one)]
    assert 100 < len(one) < 200


def test_marks_and_words_are_not_spelt(tokenizer):
    answer = ids(tokenizer, "<think>Crime Drama Thriller</think><item>Heat</item>")
    named = tokenizer.convert_ids_to_tokens(answer)
    assert [t for t in named if t in nano_tokenizer.RESPONSE_TAGS] == list(
        nano_tokenizer.RESPONSE_TAGS
    )
    assert len(answer) < 18
    letters = " because the user likes similar genres"
    assert len(ids(tokenizer, letters)) < len(letters) / 2


def test_a_turn_ends_with_the_line(tokenizer):
    assert tokenizer.eos_token == tokenizer.bos_token == "\n"
    assert tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)
    assert end_of_turn(tokenizer) == (tokenizer.eos_token_id,)
    line = [*ids(tokenizer, "Heat"), tokenizer.eos_token_id]
    assert continuation_ids(tokenizer, "Heat", end=True) == line


def test_the_chat_template_is_plain_text(tokenizer):
    prompt = Prompt("k", (Message("user", "Heat\nDead Heat\n"),), prefill=("<think>",))
    plain = ids(tokenizer, "Heat\nDead Heat\n<think>")
    assert prompt_ids(tokenizer, prompt) == plain
    turns = [{"role": "user", "content": "Heat\n"}, {"role": "assistant", "content": " x "}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == "Heat\n x "


def test_short_texts_are_those_beside_the_title():
    columns = {
        "title": ["A"], "genres": ["Crime\n Drama", None, "Crime Drama"], "about": ["x" * 100],
    }  # fmt: skip
    assert nano_tokenizer.short_catalog_texts(columns) == ["Crime Drama"]

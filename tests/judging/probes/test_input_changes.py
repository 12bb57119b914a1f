"""What probes change in an input, and that they change nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.judging.probes.input_changes import (
    INJECTED_ORDER,
    NEUTRAL_SENTENCES,
    exchange_rationales,
    halve_rationale,
    inject_order,
    keep_first_sentence,
    pad_rationale,
    prepend_item_title,
    reverse_history,
    spread_rationale,
)
from benchkit.judging.rubric import load_rubric, rubric_files
from benchkit.judging.verdicts import JudgeInput
from benchkit.types import Catalog, Event, Request
from judges.injection import detect_injection

CATALOG = Catalog(("tea", "ale", "gin"), {"title": ["Green  Tea", None, "Gin"]})


def make_input(rationale, key="c0", item="tea", user=None):
    history = (Event("gin", 4.0), Event("ale", 2.0))
    return JudgeInput(
        key, Request(key, user or f"u{key}", history, ("tea", "ale")), item, rationale
    )


def texts(change, *rationales, **options):
    return [change(make_input(text), **options).rationale for text in rationales]


def test_padding():
    assert texts(pad_rationale, "It is good", "It is good.", 'It is "good!"', count=1) == [
        f"It is good. {NEUTRAL_SENTENCES[0]}",
        f"It is good. {NEUTRAL_SENTENCES[0]}",
        f'It is "good!" {NEUTRAL_SENTENCES[0]}',
    ]  # fmt: skip
    (long,) = texts(pad_rationale, "Good.", count=len(NEUTRAL_SENTENCES) + 1)
    assert long == " ".join(["Good.", *NEUTRAL_SENTENCES, NEUTRAL_SENTENCES[0]])


def test_spreading_keeps_every_sentence():
    (wordy,) = texts(spread_rationale, "I like tea. So do you.")
    assert wordy == (
        "There is something to be said first. I like tea."
        " What comes next belongs to it as well. So do you."
    )
    listed = "Both;\n\n- tea\n- ale\n"
    assert texts(spread_rationale, "", listed) == [
        "", f"There is something to be said first. {listed}"
    ]  # fmt: skip


@given(st.text(alphabet="ab .!?\n-1", max_size=80))
def test_spreading_only_adds_sentences_each_once(text):
    (wordy,) = texts(spread_rationale, text)
    for opener in ("There is something", "What comes next", "One more thing", "It goes on as"):
        assert wordy.count(opener) <= 1
    for sentence in ("There is something to be said first. ", "It goes on as follows. ",
                     "What comes next belongs to it as well. ",
                     "One more thing can be put into words here. "):  # fmt: skip
        wordy = wordy.replace(sentence, "")
    assert wordy == text


@pytest.mark.parametrize("name", rubric_files())
def test_the_order_to_the_judge_is_an_injection_by_every_rubric(name):
    (ordered,) = texts(inject_order, "I like tea")
    assert ordered == f"I like tea.\n{INJECTED_ORDER}"
    assert detect_injection(ordered, load_rubric(name)) == ("instruction",)


@pytest.mark.parametrize(
    "text", [*NEUTRAL_SENTENCES, spread_rationale(make_input("A. B. C. D. E.")).rationale]
)
def test_what_is_added_is_no_injection(text):
    assert detect_injection(text, load_rubric("rationale-0-3")) == ()


def test_shortening():
    assert texts(keep_first_sentence, "One two. Three? Four.", "One two", "One\nTwo") == [
        "One two.", "One two", "One"
    ]  # fmt: skip
    assert texts(halve_rationale, "a b c d", "a  b\nc d e", "a b", "a", "") == [
        "a b",
        "a  b",
        "a",
        "a",
        "",
    ]


def test_the_history_turned_round():
    changed = reverse_history(make_input("Good."))
    assert [event.item for event in changed.request.history] == ["ale", "gin"]
    assert replace(changed, request=make_input("Good.").request) == make_input("Good.")


@pytest.mark.parametrize(("item", "title"), [("tea", "Green Tea"), ("ale", "ale"), ("rum", "rum")])
def test_the_item_first(item, title):
    assert (
        prepend_item_title(make_input("Good.", item=item), CATALOG).rationale == f"{title}\nGood."
    )


@given(
    st.lists(st.tuples(st.sampled_from("uvwxyz"), st.sampled_from("abcdef")), max_size=12),
    st.integers(0, 5),
)
def test_anothers_rationale_is_of_another_user_and_another_text(given_, seed):
    inputs = [make_input(text, f"c{i}", user=user) for i, (user, text) in enumerate(given_)]
    changed = exchange_rationales(inputs, seed)
    assert changed == exchange_rationales(inputs, seed)
    owners = {(e.request.user, e.rationale) for e in inputs}
    for before, after in zip(inputs, changed, strict=True):
        fits = {text for user, text in owners if user != before.request.user}
        fits.discard(before.rationale)
        if after is None:
            assert not fits
        else:
            assert after.rationale in fits
            assert replace(after, rationale=before.rationale) == before


def test_anothers_rationale_deranges():
    inputs = [make_input(f"text {i}", f"c{i}") for i in range(50)]
    drawn = [[e.rationale for e in exchange_rationales(inputs, seed)] for seed in (0, 1)]
    assert drawn[0] != drawn[1]
    for given_ in drawn:
        assert sorted(given_) == sorted(e.rationale for e in inputs)

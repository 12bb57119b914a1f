"""What nano learns from: histories without what fine-tuning is about."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchkit.lm.nano.config import NanoConfig
from benchkit.lm.nano.corpus import build_corpus, nano_item_titles
from benchkit.lm.nano.tokenizer import train_nano_tokenizer
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.testing.fixtures import toy_dataset
from benchkit.types import Catalog

TITLES = ["Tea", "Cup", "Pot", "Lid"]


def histories(sequences, held_out):
    """The histories that nano learns from, of users with these item codes."""
    codes = [np.array(codes, dtype=np.int32) for codes in sequences]
    view = SimpleNamespace(
        catalog=Catalog((*"abcd",), {"title": TITLES}),
        interactions=SimpleNamespace(sequence=codes.__getitem__),
        users=tuple(map(str, range(len(codes)))),
        validation=(),
    )
    tokenizer = train_nano_tokenizer(dict.fromkeys(TITLES, 1), pieces=32)
    corpus = build_corpus(view, TITLES, tokenizer, NanoConfig(held_out=held_out))
    return [history.tolist() for history in corpus.histories]


@pytest.mark.parametrize(
    ("held_out", "expected"),
    [
        (0, [[0, 1, 2, 3], [2, 1], [3], []]),
        (1, [[0, 1, 2], [2], [3], []]),
        (2, [[0, 1], [2], [3], []]),
        (9, [[0], [2], [3], []]),
    ],
)
def test_the_last_items_are_left_out_but_never_the_first(held_out, expected):
    assert histories([[0, 1, 2, 3], [2, 1], [3], []], held_out) == expected


def test_nano_has_not_seen_what_fine_tuning_asks():
    view = toy_dataset(users=30, items=40).train_view()
    titles = nano_item_titles(view)
    tokenizer = train_nano_tokenizer(dict.fromkeys(titles, 1), pieces=64)
    corpus = build_corpus(view, titles, tokenizer, NanoConfig())
    for question in build_training_questions(view, candidates=10):
        user = view.users.index(question.key)
        shown = [view.catalog.ids[code] for code in corpus.histories[user]]
        assert shown == [event.item for event in question.history]


@pytest.mark.parametrize(
    ("held_out", "words"),
    [(0, "histories; it"), (1, "each user's last item; it"), (3, "each user's last 3 items; it")],
)
def test_tables_say_what_nano_has_not_seen(held_out, words):
    assert words in NanoConfig(held_out=held_out).caveat

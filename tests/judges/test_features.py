"""Features of rationales, by hand; vectors are kept, and each is computed once."""

import sqlite3
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.errors import StoreError
from benchkit.judging.verdicts import JudgeInput
from benchkit.lm.teachers.encoder import MiniLMEncoder
from benchkit.rating_scale import FIVE_STARS, RatingScale
from benchkit.testing.fixtures import run_context
from benchkit.types import Catalog, Event, Request
from judges.embeddings import VECTORS_FILE, embed_texts
from judges.features import FEATURES, FeatureReader, longest_repeat
from tests.support.bag_encoder import Bag

TITLES = {
    "toy": "Toy Story (1995)",
    "bug": "Bug's Life, A (1998)",
    "alien": "Alien Nation (1988)",
    "heat": "Heat Wave (1990)",
    "shrek": "Shrek the Ogre (2001)",
}
GENRES = ["Animation", "Animation", "Horror", "Crime", "Animation"]
CATALOG = Catalog(tuple(TITLES), {"title": list(TITLES.values()), "genres": GENRES})
HISTORY = (Event("bug", 4.0), Event("toy", 2.0), Event("bug", 5.0), Event("gone", 1.0))
REQUEST = Request("c", "u", HISTORY, ("shrek", "alien", "heat"))


def make_input(rationale, item="shrek", request=REQUEST):
    return JudgeInput("c", request, item, rationale)


def features(rationale, encoder=None, **changes):
    run = run_context(CATALOG, cache=changes.pop("cache", None))
    return FeatureReader(encoder or Bag()).read([make_input(rationale, **changes)], run)[0]


def test_names_and_counts():
    result = features("A Bug's Life was liked. Toy Story too; so Shrek the Ogre follows.")
    assert set(result) == set(FEATURES)
    assert result["words"] == 13
    assert result["sentences"] == 2
    assert result["history_length"] == 2  # one came twice, one is not in the catalogue
    assert result["history_named"] == 2 and result["history_named_share"] == 1
    assert result["item_named"] == 1
    assert result["named_others"] == 0
    assert result["named_disliked"] == 1  # Toy Story
    assert result["distinct_words"] == 1
    assert result["repeated_sentences"] == 0


@pytest.mark.parametrize(
    ("scale", "bug", "toy"),
    [(FIVE_STARS, 5, 2), (RatingScale(1, 10), 8, 4), (RatingScale(0, 1, is_binary=True), 1, 0)],
)
def test_liking_follows_the_scale(scale, bug, toy):
    catalog = replace(CATALOG, rating_scale=scale)
    request = replace(REQUEST, history=(Event("bug", float(bug)), Event("toy", float(toy))))
    rationale = "Toy Story was liked. A Bug's Life was liked."
    run = run_context(catalog)
    (result,) = FeatureReader(Bag()).read([make_input(rationale, request=request)], run)
    assert (result["named_disliked"], result["rating_conflicts"]) == (1, 1)  # Toy Story


def test_other_names_are_candidates_or_made_up():
    result = features(
        "Unlike Alien Nation and Heat Wave.", request=replace(REQUEST, candidates=("heat",))
    )
    assert result["named_candidates"] == 1
    assert result["named_outside"] == 1
    assert result["named_others"] == 2
    assert result["history_named"] == result["item_named"] == 0


def test_names_alone_tell_nothing():
    bare = features("Shrek the Ogre\nToy Story, and A Bug's Life! Alien Nation; Heat Wave.")
    assert bare["history_named"] == bare["item_named"] == bare["history_max"] == 0
    assert bare["item_max"] == bare["item_mean"] == 0
    assert bare["named_candidates"] == 2
    assert bare["sentences"] == 3
    rest = "They liked A Bug's Life, so Shrek the Ogre."
    alone, after = features(rest), features(f"Shrek the Ogre (2001)\n{rest}")
    same = set(FEATURES) - {"words", "sentences", "distinct_words", "longest_repeat"}
    assert {name: alone[name] for name in same} == {name: after[name] for name in same}


@pytest.mark.parametrize(
    ("text", "conflicts"),
    [
        ("They loved Toy Story.", 1),  # rated 2
        ("They hated Toy Story.", 0),
        ("They did not enjoy Toy Story.", 0),
        ("They hated A Bug's Life.", 1),  # last rated 5
        ("They loved A Bug's Life. Toy Story was seen.", 0),
        ("They loved A Bug's Life and hated Toy Story.", 0),
        ("They loved this. Toy Story was seen.", 0),
    ],
)
def test_ratings_told_the_wrong_way_round(text, conflicts):
    assert features(text)["rating_conflicts"] == conflicts


def test_repetition():
    assert features("It is good. It is fun. It is good.")["repeated_sentences"] == 1
    assert longest_repeat(list("abcd")) == 0
    assert longest_repeat(list("abcabdabc")) == 3
    assert longest_repeat(list("aaaa")) == 3
    assert longest_repeat([]) == 0
    # A name is one word, however long.
    assert features("From Shrek the Ogre back to Shrek the Ogre")["longest_repeat"] == 1


@given(st.lists(st.sampled_from("ab"), max_size=12))
def test_the_longest_repeat_is_that_of_all_pairs(listed):
    best = 0
    for i in range(len(listed)):
        for j in range(i + 1, len(listed)):
            n = 0
            while j + n < len(listed) and listed[i + n] == listed[j + n]:
                n += 1
            best = max(best, n)
    assert longest_repeat(listed) == best


class Fixed:
    """Vectors in a plane, by text."""

    name = "fixed"

    def __init__(self, **degrees):
        self._degrees = degrees

    def encode(self, texts):
        angles = np.radians([next(d for t, d in self._degrees.items() if t in x) for x in texts])
        return np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def test_nearness(tmp_path):
    encoder = Fixed(Bug=0, Toy=90, Shrek=60, one=30, two=90)
    result = features("Sentence one. Sentence two.", encoder, cache=tmp_path)
    assert result["history_max"] == 1  # the second with Toy Story
    assert result["item_max"] == pytest.approx(np.cos(np.radians(30)), abs=1e-4)
    assert result["item_mean"] == 1  # the sentences' mean points to 60 degrees
    both = (np.cos(np.radians(60)) + np.cos(np.radians(30))) / 2
    assert result["history_mean"] == pytest.approx(both, abs=1e-4)
    assert result["item_history"] == pytest.approx(np.cos(np.radians(30)), abs=1e-4)


def test_nothing_to_compare_is_zero():
    result = features("?!", request=replace(REQUEST, history=()))
    assert result["words"] == result["sentences"] == result["history_length"] == 0
    assert {name: result[name] for name in FEATURES if "max" in name or "mean" in name} == {
        "history_max": 0, "history_mean": 0, "item_max": 0, "item_mean": 0,
    }  # fmt: skip


def test_an_item_that_the_catalogue_has_not():
    assert features("It is good.", item="gone") is None


def test_each_text_is_encoded_once(tmp_path):
    run, encoder = run_context(CATALOG, cache=tmp_path), Bag()
    inputs = [
        make_input("It is good. It is fun."),
        make_input("It is fun. It is new.", item="heat"),
    ]
    first = FeatureReader(encoder).read(inputs, run)
    assert encoder.asked == 3 + 4  # sentences, and items of history and answers
    again = Bag()
    assert FeatureReader(again).read(inputs[::-1], run) == first[::-1]
    assert again.asked == 0
    other = Bag()
    other.name = "another"
    assert FeatureReader(other).read(inputs, run) == first
    assert other.asked == 7


def test_a_damaged_file_of_vectors_is_moved_aside(tmp_path):
    (tmp_path / VECTORS_FILE).write_bytes(b"no database" * 100)
    with pytest.warns(UserWarning, match="is damaged"):
        result = embed_texts(Bag(), ["a"], tmp_path)
    assert np.array_equal(result["a"], Bag().encode(["a"])[0])
    assert list(tmp_path.glob(f"{VECTORS_FILE}.damaged-*"))


def test_a_damaged_vector_is_computed_again(tmp_path):
    expected = embed_texts(Bag(), ["green tea", "cup"], tmp_path)
    with sqlite3.connect(tmp_path / VECTORS_FILE) as base:
        for key, vector in base.execute("SELECT key, vector FROM sealed").fetchall():
            damaged = bytes([vector[0] ^ 1]) + vector[1:]
            base.execute("UPDATE sealed SET vector = ? WHERE key = ?", (damaged, key))
    for _ in range(2):  # computed, then read
        result = embed_texts(Bag(), ["green tea", "cup"], tmp_path)
        assert all(np.array_equal(result[text], expected[text]) for text in expected)


def test_a_folder_of_vectors_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        embed_texts(Bag(), ["a"], tmp_path / "file")


def test_vectors_are_those_of_the_encoder(tmp_path):
    texts = ["green tea", "", "caf\u00e9 \U0001f375", "lone \ud800 surrogate"]
    result = embed_texts(Bag(), texts, tmp_path)
    assert np.array_equal(result["green tea"], Bag().encode(["green tea"])[0])
    stored = embed_texts(Bag(), texts, tmp_path)
    assert all(np.array_equal(result[text], stored[text]) for text in texts)
    with sqlite3.connect(tmp_path / VECTORS_FILE) as base:
        assert base.execute("SELECT count(*) FROM sealed").fetchone() == (len(texts),)


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=80))
def test_any_rationale_has_finite_features(tmp_path_factory, text):
    result = features(text, cache=tmp_path_factory.getbasetemp() / "any")
    assert all(np.isfinite(value) and isinstance(value, float) for value in result.values())


def test_sentence_vectors_of_the_real_encoder(tmp_path):
    result = features(
        "An animated story of toys. The ogre Shrek follows.", MiniLMEncoder(), cache=tmp_path
    )
    vague = features("It is a good choice in every way.", MiniLMEncoder(), cache=tmp_path)
    assert result["item_max"] > 0.5 > 0.3 > vague["item_max"]
    assert result["history_max"] > 0.5 > 0.3 > vague["history_max"]


def test_importing_judges_loads_nothing_heavy():
    code = (
        "import sys, judges.heuristic, judges.distilled_judge\n"
        "import benchkit.judging.probes.probe, benchkit.judging.probes.probe_summary\n"
        "print([m for m in ('torch', 'statsmodels', 'sentence_transformers', 'pandas', 'scipy')"
        " if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"

"""The offline teacher: it invents nothing, and scores higher what goes together."""

import math
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.teachers.coherence import CoherenceScorer
from benchkit.lm.teachers.facts import CatalogFacts, ItemFact, describe_facts, shorten_title
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.lm.teachers.template import TemplateTeacher, TemplateTeacherConfig
from benchkit.testing.fixtures import toy_dataset
from benchkit.types import Catalog, Event
from tests.support.counting_encoder import CountingEncoder

GENRES = ["Action", "Comedy", "Crime", "Drama", "Film-Noir", "Horror", "Sci-Fi", "War"]
TITLES = [
    "Alien (1979)", "Aliens (1986)", "Blade Runner (1982)", "Toy Story (1995)", "Psycho (1960)",
    "Big Sleep, The (1946)", "Some Like It Hot (1959)", "Platoon (1986)", "Scream (1996)",
    "Good, The Bad and The Ugly, The (1966)", "Fargo (1996)", "Laura (1944)",
]  # fmt: skip


def movies(genres):
    ids = tuple(f"m{code}" for code in range(len(TITLES)))
    return Catalog(ids, {"title": TITLES, "genres": genres})


genre_columns = st.lists(
    st.sets(st.sampled_from(GENRES), max_size=3).map(lambda some: ", ".join(sorted(some))),
    min_size=len(TITLES),
    max_size=len(TITLES),
)
events = st.builds(
    Event, st.sampled_from([f"m{c}" for c in range(12)]), st.sampled_from([1.0, 5.0])
)
histories = st.lists(events, max_size=6).map(tuple)


def genres_of(catalog, item):
    return {part for part in (catalog.text(item, "genres") or "").split(", ") if part}


@settings(max_examples=300, deadline=None)
@given(genre_columns, histories, st.sampled_from([f"m{c}" for c in range(12)]), st.text(max_size=4))
def test_everything_that_is_said_stands_in_the_catalogue(column, history, item, key):
    catalog = movies(column)
    teacher = TemplateTeacher(encoder=CountingEncoder())
    (answer,) = teacher.write([TeacherQuestion(key, history, (), item)], catalog)
    text = answer.text
    quoted = re.findall(r'"([^"]*)"', text)
    named = answer.meta["evidence"]
    assert len(named) <= 3
    assert set(named) <= {event.item for event in history} - {item}
    assert sorted(quoted) == sorted(map(catalog.text, [*named, item]))
    bare = re.sub(r'"[^"]*"', "", text)
    said = {genre for genre in GENRES if genre in bare}
    if re.search("Like|same|share|so does", bare):
        assert named
        for one in [item, *named]:
            assert said <= genres_of(catalog, one)
    elif re.search("instead|different|Unlike|whereas", bare):
        assert len(named) == 1
        own, other = genres_of(catalog, item), genres_of(catalog, named[0])
        assert said <= own | other
    elif "close" in bare:
        assert not said
    else:
        assert not named
        assert said <= genres_of(catalog, item)
    assert "{" not in text
    assert "|" not in text
    assert (answer.score is None) == (not history)


@settings(max_examples=50, deadline=None)
@given(genre_columns, histories, st.permutations(range(12)))
def test_an_answer_depends_on_nothing_but_its_question(column, history, order):
    """Not on the other questions, and so not on which of them is the customer's choice."""
    catalog = movies(column)
    teacher = TemplateTeacher(encoder=CountingEncoder())
    questions = [TeacherQuestion("u", history, (), f"m{code}") for code in range(12)]
    straight = list(teacher.write(questions, catalog))
    turned = list(teacher.write([questions[place] for place in order], catalog))
    assert turned == [straight[place] for place in order]


def test_chosen_and_rejected_items_are_written_about_in_the_same_form():
    """With all facts the same, the texts are the same but for the titles."""
    titles = [f"Film {letter}" for letter in "ABCDEFGH"]
    catalog = Catalog(tuple("abcdefgh"), {"title": titles, "genres": ["Drama", "Drama, War"] * 4})
    history = (Event("a"), Event("c"))
    for key in "qrstuvw":
        questions = [TeacherQuestion(key, history, tuple("efgh"), item) for item in "efgh"]
        texts = [
            r.text for r in TemplateTeacher(encoder=CountingEncoder()).write(questions, catalog)
        ]
        forms = {re.sub(r'"[^"]*"', '"T"', text) for text in texts}
        assert len(forms) == 1


def test_repeated_choices_are_not_told_by_the_text():
    """Only a target can be in the history already, so the text must not say that it is."""
    catalog = movies(["Drama, War"] * 6 + ["Comedy"] * 6)
    history = (Event("m1"), Event("m2"))
    (answer,) = TemplateTeacher(encoder=CountingEncoder()).write(
        [TeacherQuestion("u", history, (), "m1")], catalog
    )
    assert answer.meta["evidence"] == ["m2"]
    assert answer.text.count("Aliens (1986)") == 1


def test_choices_rated_low_are_named_only_when_there_are_no_others():
    catalog = movies(["Drama, War"] * 6 + ["Comedy"] * 6)
    bad, good = Event("m1", 1.0), Event("m2", 4.0)
    teacher = TemplateTeacher(encoder=CountingEncoder())
    for key in "abcdefgh":
        asked = [TeacherQuestion(key, h, (), "m3") for h in ((bad, good), (good, bad), (bad,))]
        first, second, alone = (r.meta["evidence"] for r in teacher.write(asked, catalog))
        assert first[0] == second[0] == "m2"
        assert alone == ["m1"]


def test_all_patterns_and_numbers_of_titles_are_used():
    data = toy_dataset(users=60, items=60)
    view = data.train_view()
    answers = list(
        TemplateTeacher(encoder=CountingEncoder()).write(
            build_training_questions(view), view.catalog
        )
    )
    forms = {re.sub(r'"[^"]*"(, "[^"]*")*( and "[^"]*")?', "T", r.text) for r in answers}
    assert len(forms) >= 7  # four patterns, some with a singular and a plural, several genres
    assert {len(r.meta["evidence"]) for r in answers} == {1, 2, 3}
    words = [len(r.text.split()) for r in answers]
    assert 15 <= np.median(words) <= 35
    assert max(words) <= 60


def test_writing_again_gives_the_same(tmp_path):
    view = toy_dataset(users=40, items=60).train_view()
    questions = build_training_questions(view, negatives=1)
    first = list(TemplateTeacher(tmp_path, CountingEncoder()).write(questions, view.catalog))
    seen = CountingEncoder()
    assert list(TemplateTeacher(tmp_path, seen).write(questions, view.catalog)) == first
    assert seen.calls == 0


@pytest.mark.parametrize(
    ("title", "short"),
    [
        ("Dr. Strangelove (1963)", "Dr. Strangelove (1963)"),
        ("one two three four five six seven eight nine ten", None),
        ("one two, three four - five six seven eight nine ten eleven", "one two, three four"),
        ("a b c d e f g h i j k l", "a b c d e f g h i j"),
        ("tea, a b | c, d e f g h i j k l", "tea, a b"),
    ],
)
def test_long_titles_are_cut_where_they_break(title, short):
    assert shorten_title(title) == (short or title)
    assert title.startswith(shorten_title(title))


def facts(**columns):
    size = len(next(iter(columns.values())))
    columns.setdefault("title", [f"T{code}" for code in range(size)])
    return CatalogFacts(Catalog(tuple(map(str, range(size))), columns))


def test_values_are_told_apart_as_the_column_separates_them():
    spaces = ["Drama War", "Drama", "War Crime", "Crime Drama", "Crime", "War"]
    assert facts(genres=spaces).in_common(0, 3) == (ItemFact("genre", "Drama"),)
    assert facts(genres=["Film Noir", "Film Noir", "Drama"]).in_common(0, 1) == (
        ItemFact("genre", "Film Noir"),
    )
    paths = ["Food > Tea > Green", "Food > Tea > Black", "Food > Nuts", "Food"]
    assert facts(categories=paths).in_common(0, 1) == (
        ItemFact("category", "Tea"),
    )  # Food is everywhere


def test_rare_facts_come_first_and_title_words_last():
    found = facts(
        title=["Green Tea", "Black Tea", "Tea Pot", "Nuts", "Mugs"],
        category=["Drinks", "Drinks", "Ware", "Food", "Ware"],
        brand=["Acme", "Acme, Inc.", "Acme", "unknown", "unknown"],
    )
    assert found.in_common(0, 1) == (ItemFact("category", "Drinks"),)
    assert found.in_common(0, 2) == (ItemFact("brand", "Acme"),)
    assert found.in_common(1, 2) == (ItemFact("title word", "tea"),)
    assert found.in_common(3, 4) == ()
    assert found.of_item(0) == (ItemFact("category", "Drinks"), ItemFact("brand", "Acme"))
    assert (
        describe_facts([ItemFact("category", "A"), ItemFact("category", "B")])
        == "the categories A and B"
    )


def test_title_words_are_those_that_can_be_seen_in_the_title():
    long = "Fine green tea, loose leaf from the first harvest of the year, organic, 8 ounce"
    assert shorten_title(long) == "Fine green tea"
    found = facts(title=[long, "Organic green nuts 8 ounce", "Organic mug", "Mate"])
    assert found.in_common(0, 1) == (ItemFact("title word", "green"),)
    assert found.in_common(0, 2) == ()
    assert found.of_item(0) == ()


unit = st.integers(0, 10_000)


@given(unit, st.integers(3, 40), st.integers(1, 5))
def test_scores_rise_with_similarity_and_stay_between_1_and_7(seed, n, length):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, 5)).astype(np.float32)
    coherence = CoherenceScorer(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    scale = coherence.scale(rng.integers(0, n, length).tolist())
    order = sorted(range(n), key=lambda item: coherence.similarity(scale, item))
    scores = [coherence.score(scale, item) for item in order]
    assert all(1 <= score <= 7 for score in scores)
    assert all(a <= b + 1e-6 for a, b in pairwise(scores))


def test_a_score_by_hand():
    """Centred vectors are the four directions; the history is east, so north and south are 0."""
    rows = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], dtype=np.float32)
    coherence = CoherenceScorer(rows)
    scale = coherence.scale([0])
    assert [coherence.score(scale, item) for item in (0, 2)] == [7, 1]
    assert scale.reference.tolist() == [-1, 0, 0]
    # The last event weighs 1, the one before it half to the power of a tenth.
    west = coherence.scale([0, 2])
    assert coherence.similarity(west, 2) == pytest.approx(1)
    both = coherence.scale([0, 1])
    assert both.profile[1] / both.profile[0] == pytest.approx(0.5**-0.1)


def test_random_items_are_spread_evenly():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3_000, 20)).astype(np.float32)
    coherence = CoherenceScorer(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    scale = coherence.scale([1, 2, 3])
    scores = np.array([coherence.score(scale, item) for item in range(10, 3_000)])
    assert np.quantile(scores, [0.1, 0.5, 0.9]) == pytest.approx([1.6, 4, 6.4], abs=0.15)


def scores_of(view, **options):
    questions = build_training_questions(view, negatives=2)
    return [
        r.score
        for r in TemplateTeacher(encoder=CountingEncoder(), **options).write(
            questions, view.catalog
        )
    ]


def test_scores_are_whole_numbers_so_that_rejected_items_tie():
    view = toy_dataset(users=400, items=120).train_view()
    whole, exact = scores_of(view), scores_of(view, scores="continuous")
    assert set(whole) == {1, 2, 3, 4, 5, 6, 7}
    assert whole == [math.floor(score + 0.5) for score in exact]
    tied, untied = (np.mean([a == b for a, b in zip(scores[1::3], scores[2::3], strict=True)])
                    for scores in (whole, exact))  # fmt: skip
    # Uniform on 1 to 7, rounded: 2 / 12^2 + 5 / 6^2.
    assert tied == pytest.approx(0.153, abs=0.06)
    assert untied < 0.02


@pytest.mark.parametrize(
    ("exact", "whole"), [(1.0, 1), (1.49, 1), (1.5, 2), (2.5, 3), (3.5, 4), (6.49, 6), (6.5, 7)]
)
def test_halves_are_rounded_up(monkeypatch, exact, whole):
    monkeypatch.setattr(CoherenceScorer, "score", lambda *_: exact)
    question = TeacherQuestion("u", (Event("m0"),), (), "m1")
    (answer,) = TemplateTeacher(encoder=CountingEncoder()).write([question], movies([""] * 12))
    assert answer.score == whole


def test_the_kind_of_scores_is_a_setting():
    built = TemplateTeacher.from_config(TemplateTeacherConfig(scores="continuous"), None, None)
    assert built._scores == "continuous"
    with pytest.raises(ValueError, match="scores"):
        TemplateTeacherConfig.model_validate({"scores": "halves"})


GROCERY = [
    ("Japanese sencha green tea bags", "Tea"), ("Earl grey black tea", "Tea"),
    ("Chamomile herbal tea", "Tea"), ("Organic matcha powder", "Tea"),
    ("Jasmine loose leaf tea", "Tea"), ("Beef jerky, spicy", "Snacks"),
    ("Motor oil 5W-30", "Automotive"), ("Dog shampoo", "Pets"), ("Salted almonds", "Snacks"),
    ("Windshield wiper blades", "Automotive"),
]  # fmt: skip


def test_minilm_scores_what_goes_together_higher(installed):
    titles, categories = zip(*GROCERY, strict=True)
    ids = tuple(f"g{code}" for code in range(len(GROCERY)))
    catalog = Catalog(ids, {"title": titles, "category": categories})
    history = (Event("g0"), Event("g1"), Event("g2"))
    questions = [TeacherQuestion("u", history, ids, item) for item in ids[3:]]
    answers = {r.item: r for r in TemplateTeacher().write(questions, catalog)}
    teas, others = ["g3", "g4"], ["g5", "g6", "g7", "g8", "g9"]
    assert min(answers[i].score for i in teas) > max(answers[i].score for i in others)
    assert all("the category Tea" in answers[item].text for item in teas)
    assert answers["g6"].meta["evidence"][0] in {"g0", "g1", "g2"}

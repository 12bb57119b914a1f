"""The column `rating`: which scale it has, what is none, and when benchkit asks."""

import numpy as np
import polars as pl
import pytest

from benchkit.config.loading import validate_model
from benchkit.data import sources
from benchkit.data.dataset_statistics import describe_ratings
from benchkit.data.preparation.cache import load_or_prepare
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.raw import RawData
from benchkit.data.spec import CandidateSpec, DatasetSpec
from benchkit.errors import ConfigError, DataError
from benchkit.judging.inputs import history_lines
from benchkit.lm.prompts import builtin_templates, load_template, render_prompt
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.teachers.prompt_template import load_teacher_prompt
from benchkit.lm.teachers.questions import events_before
from benchkit.rating_scale import RATING_WORDS, THUMB_WORDS

ITEMS = 12
ONE_TO_FIVE = [1, 2, 3, 4, 5]


def table_spec(folder, ratings, **settings):
    """Write eight users with five items each, whose ratings run through `ratings`."""
    rows = ["user,item,rating,timestamp"]
    rows += [
        f"u{user},i{(3 * user + step) % ITEMS},{ratings[(5 * user + step) % len(ratings)]},{step}"
        for user in range(8)
        for step in range(5)
    ]
    (folder / "r.csv").write_text("\n".join(rows) + "\n")
    titles = "".join(f"i{item},Thing {item}\n" for item in range(ITEMS))
    (folder / "i.csv").write_text(f"item,title\n{titles}")
    options = {"interactions": str(folder / "r.csv"), "items": str(folder / "i.csv")}
    values = {"name": "shop", "source": "table", "options": options, "candidates": {"count": 4}}
    return validate_model(DatasetSpec, {**values, **settings}, "shop")


def prepared(folder, ratings, **settings):
    spec = table_spec(folder, ratings, **settings)
    return prepare_dataset(sources.read_source(spec.source, spec.options), spec)


def all_prompts(dataset):
    """Every text that a model is shown about the first test case, by template."""
    catalog = dataset.catalog
    request = next(dataset.requests(dataset.test))
    texts = {"judge": "\n".join(history_lines(request.history, catalog))}
    for name in builtin_templates():
        rendered = render_prompt(
            load_template(name), request, catalog, rationale=False, count_tokens=len
        )
        texts[name] = "\n".join(message.content for message in rendered.prompt.messages)
    question = TeacherQuestion("u", request.history, request.candidates, request.candidates[0])
    for name in ("c-apo", "post-hoc"):
        prompt = load_teacher_prompt(name).render(question, catalog)
        texts[name] = "\n".join(message.content for message in prompt.messages)
    return texts


@pytest.mark.parametrize(
    ("ratings", "settings", "scale"),
    [
        (ONE_TO_FIVE, {}, "1-5"),
        ([3, 5], {}, "1-5"),
        ([0.5, 3, 4.5, 5], {}, "0.5-5"),
        (range(1, 11), {}, "1-10"),
        ([5, 37, 62.5, 100], {}, "0-100"),
        (range(5, 101, 5), {}, "0-100"),
        ([5, 37, 62, 100], {"rating_scale": [0, 100]}, "0-100"),
        ([1, 1, 1, 5], {"rating_scale": [1, 5]}, "1-5"),
        ([1, 1, 1, 2, 10], {"rating_scale": "implicit"}, "none"),
        ([1, 1, 1, 4.5, 5], {}, "1-5"),
        ([0, 1], {"rating_scale": [0, 1]}, "0-1 (Disliked/Liked)"),
        ([-1, 1], {"rating_scale": [-1, 1]}, "-1 to 1 (Disliked/Liked)"),
        ([0, 0.4, 1], {"rating_scale": [0, 1]}, "0-1"),
        ([-9.5, 3.25, 99], {"rating_scale": [-10, 10], "unrated": 99}, "-10 to 10"),
        ([0, 2, 5], {"rating_scale": [0, 5]}, "0-5"),
        ([0, 2, 5], {"unrated": 0}, "1-5"),
        ([1, 3, 4], {"rating_scale": [1, 5]}, "1-5"),
        ([1], {}, "none"),
        ([1, ""], {}, "none"),
        ([""], {}, "none"),
        (["click"], {"rating_scale": "implicit"}, "none"),
        ([3, 1, 4812], {"rating_scale": "implicit"}, "none"),
    ],
)
def test_the_scale_is_declared_or_shown_by_the_data(tmp_path, ratings, settings, scale):
    dataset = prepared(tmp_path, ratings, **settings)
    assert describe_ratings(dataset) == scale
    assert (dataset.interactions.rating is None) == (scale == "none")


@pytest.mark.parametrize(
    ("ratings", "readings"),
    [
        ([0, 1], ["rating_scale = [0, 1]", 'rating_scale = "implicit"']),
        ([0, 3, 5], ["rating_scale = [0, 5]", "unrated = 0"]),
        ([0, 10], ["rating_scale = [0, 10]", "unrated = 0"]),
        ([0, 55, 100], ["rating_scale = [0, 100]", "unrated = 0"]),
        ([1, 2, 3, 4], ["rating_scale = [1, 4]", "rating_scale = [1, 5]"]),
        ([1, 7], ["rating_scale = [1, 7]", "rating_scale = [1, 10]"]),
        ([0.2, 0.9], ["rating_scale = [0.2, 0.9]", "rating_scale = [0, 1]"]),
        ([5], ["rating_scale = [1, 5]", 'rating_scale = "implicit"']),
        ([2, 3482], ["rating_scale = [2, 3482]", 'rating_scale = "implicit"']),
        ([-1, 1], ["rating_scale = [-1, 1]", 'rating_scale = "implicit"']),
        ([1, 1, 1, 2, 5], ["rating_scale = [1, 5]", 'rating_scale = "implicit" if they are c']),
        ([1, 1, 2, 1, 10], ["rating_scale = [1, 10]", 'rating_scale = "implicit" if they are c']),
        ([2, 3, 17, 100], ["rating_scale = [0, 100]", 'rating_scale = "implicit" if they are c']),
    ],
)
def test_where_two_readings_differ_benchkit_asks_and_names_both(tmp_path, ratings, readings):
    with pytest.raises(DataError) as caught:
        prepared(tmp_path, ratings)
    assert all(reading in caught.value.hint for reading in readings)


@pytest.mark.parametrize(
    ("ratings", "settings", "message"),
    [
        ([1, 3, 11], {"rating_scale": [1, 10]}, "line 4, column 'rating': 11 is not on the scale"),
        ([1, "", 0], {"rating_scale": [1, 5]}, "unrated = 0"),
        (["like"], {}, 'rating_scale = "implicit"'),
    ],
)
def test_what_is_off_the_scale_is_named_by_its_line(tmp_path, ratings, settings, message):
    with pytest.raises(DataError) as caught:
        prepared(tmp_path, ratings, **settings)
    assert message in str(caught.value)


def test_the_ends_of_a_scale_are_on_it(tmp_path):
    dataset = prepared(tmp_path, [0.7, 0.9, 0.8], rating_scale=[0.7, 0.9])
    lines = history_lines(next(dataset.requests(dataset.test)).history, dataset.catalog)
    assert lines[:3] == ["Thing 0 | Terrible", "Thing 1 | Excellent", "Thing 2 | Okay"]
    assert describe_ratings(dataset) == "0.7-0.9"


@pytest.mark.parametrize("scale", [[10, 1], [1], "stars", [1, "ten"], [1, float("inf")]])
def test_a_scale_is_two_numbers_in_order(tmp_path, scale):
    with pytest.raises(ConfigError, match="worst"):
        table_spec(tmp_path, ONE_TO_FIVE, rating_scale=scale)


def test_a_scale_without_a_column_is_an_error(tmp_path):
    spec = table_spec(tmp_path, ONE_TO_FIVE, rating_scale=[1, 10])
    raw = sources.read_source(spec.source, spec.options)
    raw = raw.replace_interactions(raw.interactions.drop("rating"))
    with pytest.raises(DataError, match="no column 'rating'"):
        prepare_dataset(raw, spec)


@pytest.mark.parametrize("blank", ["", " ", "NaN", "null", "NA", "\\N", "None"])
def test_an_empty_rating_is_an_event_without_a_rating(tmp_path, blank):
    dataset = prepared(tmp_path, [5, blank, 4])
    assert dataset.report["without_rating"] == 13
    assert len(dataset.interactions) == 40
    history = next(dataset.requests(dataset.test)).history
    assert [event.rating for event in history] == [5.0, None, 4.0, 5.0]
    view = dataset.train_view()
    assert [event.rating for event in events_before(view, 0, 3)] == [5.0, None, 4.0]
    lines = history_lines(history, dataset.catalog)
    assert lines[:2] == ["Thing 0 | Excellent", "Thing 1"]


def test_nan_and_null_in_tables_of_numbers_are_no_ratings():
    frame = pl.DataFrame(
        {
            "user": ["u", "u", "u", "v"],
            "item": ["a", "b", "c", "d"],
            "rating": [5.0, float("nan"), None, 2.0],
        }
    )
    spec = DatasetSpec(name="x", source="frames", candidates=CandidateSpec(count=2))
    dataset = prepare_dataset(RawData(frame, None), spec)
    assert [event.rating for event in next(dataset.requests(dataset.test)).history] == [5.0, None]


def test_implicit_feedback_has_no_rating_words_in_any_prompt(tmp_path):
    for name, text in all_prompts(prepared(tmp_path, [1])).items():
        assert not [word for word in (*RATING_WORDS, *THUMB_WORDS) if word in text], name
        if name != "c-apo":  # its answer is a rating of the rationale
            assert "Rating" not in text and "rated" not in text, name


@pytest.mark.parametrize(
    ("ratings", "settings", "words"),
    [
        ([9, 2, 10], {}, ("Excellent", "Terrible", "Excellent")),
        ([100, 55, 20], {}, ("Excellent", "Okay", "Bad")),
        ([1, 0, 1], {"rating_scale": [0, 1]}, ("Liked", "Disliked", "Liked")),
        ([5, 3, 1], {}, ("Excellent", "Okay", "Terrible")),
    ],
)
def test_rating_words_follow_the_scale_in_every_prompt(tmp_path, ratings, settings, words):
    texts = all_prompts(prepared(tmp_path, ratings, **settings))
    for position, word in enumerate(words):
        assert f"Thing {position} | {word}" in texts["judge"]
        assert f"Thing {position} | rated: {word}" in texts["ranked-list"]
        assert f"title: Thing {position}\n- rating: {word}" in texts["papers"]
        assert f"Title: Thing {position}; Rating: {word}" in texts["c-apo"]
    terms = "(Disliked or Liked)" if "Liked" in words else "Good or Excellent)"
    assert all(terms in texts[name] for name in ("papers", "c-apo", "post-hoc"))


def test_numbers_in_prompts_say_where_the_scale_ends(tmp_path):
    ten = all_prompts(prepared(tmp_path, [9, 2, 10]))["recpo"]
    assert "Thing 0 | Rating: 9 of 10" in ten and "where 10 is the best rating" in ten
    assert "choose next and rate 7.75 or higher?" in ten
    five = all_prompts(prepared(tmp_path, ONE_TO_FIVE))["recpo"]
    assert "Thing 3 | Rating: 4\n" in five and "where 5 is the best rating (written as" in five
    assert "choose next and rate 4 or 5?" in five
    implicit = all_prompts(prepared(tmp_path, [1]))["recpo"]
    assert "items that a user chose, oldest first:" in implicit
    assert "most likely choose next?" in implicit


@pytest.mark.parametrize(
    ("factor", "settings"), [(2, {"rating_scale": [2, 10]}), (20, {"rating_scale": [20, 100]})]
)
@pytest.mark.parametrize("split", ["rating-aware", "avoidance"])
def test_splits_by_rating_are_the_same_on_every_scale(tmp_path, factor, settings, split):
    stars = [1, 5, 2, 4, 3, 5, 4]
    expected = prepared(tmp_path, stars, split=split)
    scaled = prepared(tmp_path, [factor * star for star in stars], split=split, **settings)
    assert 0 < len(expected.test) < 8
    assert scaled.test.ids == expected.test.ids and scaled.valid.ids == expected.valid.ids
    assert scaled.candidates_hash == expected.candidates_hash
    assert scaled.fingerprint != expected.fingerprint


def test_a_threshold_of_a_split_is_in_the_numbers_of_the_data(tmp_path):
    split = {"name": "rating-aware", "min_liked_rating": 10}
    data = prepared(tmp_path, [9, 10, 2], split=split)
    assert (data.interactions.rating[data.test.stop] == 10).all()


def test_splits_by_rating_refuse_implicit_feedback(tmp_path):
    with pytest.raises(DataError, match="the split needs ratings, and the data have none"):
        prepared(tmp_path, [1], split="rating-aware")


@pytest.mark.parametrize(
    ("ratings", "settings"),
    [([1], {}), ([9, "", 10], {}), ([0, 1], {"rating_scale": [0, 1]}), ([5, ""], {"unrated": 3})],
)
def test_a_stored_dataset_is_read_back_with_its_scale(tmp_path, ratings, settings):
    if settings == {"unrated": 3}:
        settings = {**settings, "rating_scale": [1, 5]}
    spec = table_spec(tmp_path, ratings, **settings)
    made = prepare_dataset(sources.read_source(spec.source, spec.options), spec)
    read = load_or_prepare(spec, tmp_path / "data")
    assert read.catalog.rating_scale == made.catalog.rating_scale
    assert read.interactions.rating_scale == made.interactions.rating_scale
    assert read.fingerprint == made.fingerprint
    if made.interactions.rating is not None:
        np.testing.assert_array_equal(read.interactions.rating, made.interactions.rating)


def test_default_settings_leave_a_specification_as_it_was(tmp_path):
    values = table_spec(tmp_path, ONE_TO_FIVE).model_dump(mode="json")
    assert not {"rating_scale", "unrated"} & values.keys()
    declared = table_spec(tmp_path, ONE_TO_FIVE, rating_scale=[1, 5], unrated=0)
    assert declared.model_dump(mode="json")["rating_scale"] == [1.0, 5.0]


def write_split(folder, **ratings):
    """A split of files; `ratings` are those that the rows of a part run through."""
    titles = "".join(f"i{item},Thing {item}\n" for item in range(ITEMS))
    (folder / "i.csv").write_text(f"item,title\n{titles}")
    parts = {"train": range(3), "valid": range(3, 4), "test": range(4, 5)}
    for part, steps in parts.items():
        rows = ["user,item,rating,timestamp"]
        for user in range(8):
            for step in steps:
                value = ratings[part][(user + step) % len(ratings[part])]
                rows.append(f"u{user},i{(3 * user + step) % ITEMS},{value},{1_600_000_000 + step}")
        (folder / f"{part}.csv").write_text("\n".join(rows) + "\n")
    return {part: str(folder / f"{part}.csv") for part in parts}


def prepare_split(folder, ratings, **settings):
    values = {
        "name": "shop",
        "source": "table",
        "options": {"items": str(folder / "i.csv")},
        "candidates": {"count": 4},
        "split": write_split(folder, **ratings),
        **settings,
    }
    return load_or_prepare(validate_model(DatasetSpec, values, "shop"), folder / "data")


ONE_TO_TEN = range(1, 11)
SHARES = [0.2, 0.4, 0.6, 0.8, 1.0]
SEVERAL_SCALES = {
    "a test of ten points": (
        {"train": ONE_TO_FIVE, "valid": ONE_TO_FIVE, "test": ONE_TO_TEN},
        "train.csv are 1 to 5, those of test.csv are",
        [1, 10],
    ),
    "shares in training": (
        {"train": SHARES, "valid": ONE_TO_FIVE, "test": ONE_TO_FIVE},
        "train.csv are 0.2 to 1, those of valid.csv are 1 to 5",
        [0, 5],
    ),
    "percent in validation": (
        {"train": ONE_TO_FIVE, "valid": [20, 100, 60], "test": [1, 3, 4]},
        "train.csv are 1 to 5, those of valid.csv are 20 to 100",
        [0, 100],
    ),
    "thumbs in the test": (
        {"train": ONE_TO_FIVE, "valid": ONE_TO_FIVE, "test": [0, 1]},
        "test.csv are 0 to 1, those of train.csv are 1 to 5",
        [0, 5],
    ),
}


@pytest.mark.parametrize(
    ("ratings", "message", "scale"), SEVERAL_SCALES.values(), ids=SEVERAL_SCALES
)
def test_files_of_a_split_on_different_scales_stop(tmp_path, ratings, message, scale):
    with pytest.raises(DataError) as caught:
        prepare_split(tmp_path, ratings)
    assert f"different scales: those of {message}" in caught.value.cause
    assert f"rating_scale = [{scale[0]}, {scale[1]}]" in caught.value.hint
    dataset = prepare_split(tmp_path, ratings, rating_scale=scale)
    assert (dataset.catalog.rating_scale.low, dataset.catalog.rating_scale.high) == tuple(scale)


@pytest.mark.parametrize(
    "ratings",
    [
        {"train": ONE_TO_FIVE, "valid": [2, 3], "test": [1.5, 4]},
        {"train": ONE_TO_FIVE, "valid": [""], "test": [1, "", "", "", "", ""]},
        {"train": [0.5, 3, 5], "valid": ONE_TO_FIVE, "test": [2]},
    ],
)
def test_files_of_a_split_that_fit_one_scale_pass(tmp_path, ratings):
    assert prepare_split(tmp_path, ratings).catalog.rating_scale.high == 5

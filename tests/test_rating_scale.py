"""Scales of ratings: stars, words and back."""

import pytest

from benchkit.rating_scale import FIVE_STARS, HALF_STARS, RATING_WORDS, RatingScale, word_or_number

TEN, HUNDRED, THUMBS = RatingScale(1, 10), RatingScale(0, 100), RatingScale(0, 1, is_binary=True)


def test_five_stars_in_words():
    assert [FIVE_STARS.word(rating) for rating in (1, 2, 3, 4, 5)] == list(RATING_WORDS)
    assert [FIVE_STARS.word(rating) for rating in (4.5, 4.4)] == ["Excellent", "Good"]
    for wrong in (0.5, 5.5, float("nan")):
        with pytest.raises(ValueError, match="no rating of 1-5"):
            FIVE_STARS.word(wrong)
    assert word_or_number(FIVE_STARS, 0.5) == "0.5"


@pytest.mark.parametrize(
    ("scale", "rating", "word", "number"),
    [
        (TEN, 1, "Terrible", "1 of 10"),
        (TEN, 4, "Bad", "4 of 10"),
        (TEN, 10, "Excellent", "10 of 10"),
        (HUNDRED, 0, "Terrible", "0 of 100"),
        (HUNDRED, 50, "Okay", "50 of 100"),
        (HUNDRED, 75, "Good", "75 of 100"),
        (THUMBS, 0, "Disliked", "Disliked"),
        (THUMBS, 1, "Liked", "Liked"),
        (RatingScale(-10, 10), -9.5, "Terrible", "-9.5 of 10"),
        (RatingScale(-10, 10), 0, "Okay", "0 of 10"),
        (HALF_STARS, 0.5, "Terrible", "0.5"),
        (RatingScale(0, 5), 0, "Terrible", "0"),
        (RatingScale(0, 5), 3.5, "Good", "3.5"),
    ],
)
def test_words_and_numbers_follow_the_scale(scale, rating, word, number):
    assert (scale.word(rating), scale.number(rating)) == (word, number)


@pytest.mark.parametrize("scale", [FIVE_STARS, HALF_STARS, TEN, HUNDRED, THUMBS, RatingScale(1, 7)])
def test_a_word_read_back_is_the_same_word(scale):
    assert [scale.word(scale.from_word(word)) for word in scale.words] == list(scale.words)
    for stars in (1.0, 2.5, 4.0, 5.0):
        assert scale.to_stars(scale.from_stars(stars)) == pytest.approx(stars)


def test_scales_that_end_at_five_count_stars_as_they_are():
    assert [RatingScale(0, 5).to_stars(r) for r in (0, 0.5, 4)] == [0, 0.5, 4]
    assert str(RatingScale(-10, 10)) == "-10 to 10" and str(HALF_STARS) == "0.5-5"

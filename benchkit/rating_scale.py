"""What the numbers of a rating mean: where a scale ends, its words, and what counts as liked."""

from dataclasses import dataclass

RATING_WORDS = ("Terrible", "Bad", "Okay", "Good", "Excellent")  # of one to five stars
THUMB_WORDS = ("Disliked", "Liked")
LIKED_STARS, NEUTRAL_STARS, DISLIKED_STARS = 4.0, 3.0, 2.0


@dataclass(frozen=True)
class RatingScale:
    """A scale from `low`, the worst rating, to `high`, the best.

    Words and thresholds are defined in stars, 1 to 5. A scale that ends at 5 and begins at 0, 0.5
    or 1 counts stars itself; any other is mapped linearly: 10 points of 1-10 are 5 stars, 1 point
    is one, 7.75 are four.
    """

    low: float
    high: float
    is_binary: bool = False
    """Whether only the two ends occur, as with thumbs down and up."""

    @property
    def counts_stars(self) -> bool:
        """Whether its numbers are stars as they are."""
        return self.high == 5 and 0 <= self.low <= 1

    def to_stars(self, rating: float) -> float:
        """Return a rating in stars.

        >>> RatingScale(1, 10).to_stars(10), RatingScale(0, 100).to_stars(75)
        (5.0, 4.0)
        """
        if self.counts_stars:
            return float(rating)
        return 1 + 4 * (rating - self.low) / (self.high - self.low)

    def from_stars(self, stars: float) -> float:
        """Return the rating that is so many stars.

        >>> RatingScale(1, 10).from_stars(4), FIVE_STARS.from_stars(4)
        (7.75, 4.0)
        """
        if self.counts_stars:
            return float(stars)
        return self.low + (stars - 1) * (self.high - self.low) / 4

    @property
    def words(self) -> tuple[str, ...]:
        """The words that `word` returns, the worst first."""
        return THUMB_WORDS if self.is_binary else RATING_WORDS

    def word(self, rating: float) -> str:
        """Return a rating in a word; half a star counts up.

        Raises:
            ValueError: It is not on the scale.

        >>> FIVE_STARS.word(4.0), FIVE_STARS.word(2.5), RatingScale(1, 10).word(9)
        ('Good', 'Okay', 'Excellent')
        """
        if not self.low <= rating <= self.high:
            raise ValueError(f"{rating} is no rating of {self}")
        if self.is_binary:
            return THUMB_WORDS[self.to_stars(rating) > NEUTRAL_STARS]
        return RATING_WORDS[max(1, int(self.to_stars(rating) + 0.5)) - 1]

    def from_word(self, word: str) -> float | None:
        """Return the rating that a word stands for, None for any other text.

        >>> RatingScale(0, 100).from_word("Good"), FIVE_STARS.from_word("Splendid")
        (75.0, None)
        """
        if word not in self.words:
            return None
        place = self.words.index(word)
        return self.from_stars(1 + 4 * place / (len(self.words) - 1))

    def number(self, rating: float) -> str:
        """Return a rating in digits, with the end of the scale where it is not five stars.

        >>> FIVE_STARS.number(4.5), RatingScale(1, 10).number(8), RatingScale(0, 1, True).number(1)
        ('4.5', '8 of 10', 'Liked')
        """
        if self.is_binary:
            return self.word(rating)
        return f"{rating:g}" if self.counts_stars else f"{rating:g} of {self.high:g}"

    def __str__(self) -> str:
        """Return "1-5", or "-10 to 10" where a sign would be read as a dash."""
        between = "-" if self.low >= 0 else " to "
        return f"{self.low:g}{between}{self.high:g}"


FIVE_STARS = RatingScale(1, 5)
HALF_STARS = RatingScale(0.5, 5)


def word_or_number(scale: RatingScale, rating: float) -> str:
    """Return a rating in a word, or in digits where it is not on the scale.

    >>> word_or_number(FIVE_STARS, 5), word_or_number(FIVE_STARS, 7)
    ('Excellent', '7')
    """
    if scale.low <= rating <= scale.high:
        return scale.word(rating)
    return f"{rating:g}"

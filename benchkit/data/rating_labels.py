"""Numbers in words, for prompts."""

RATING_LABELS = {1: "Terrible", 2: "Bad", 3: "Okay", 4: "Good", 5: "Excellent"}


def rating_label(rating: float) -> str:
    """Return a rating of 1 to 5 stars in a word; half a star counts up.

    Raises ValueError for anything else.

    >>> rating_label(4.0), rating_label(2.5)
    ('Good', 'Okay')
    """
    if not 1 <= rating <= 5:
        raise ValueError(f"{rating} is no rating of 1 to 5 stars")
    return RATING_LABELS[int(rating + 0.5)]

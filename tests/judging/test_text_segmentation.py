"""Sentences and words, as far as features and probes rest on them."""

import pytest

from benchkit.judging.text_segmentation import split_sentences, split_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("One\nTwo\n\n- three", ["One", "Two", "- three"]),
        ('"One." "Two."', ['"One."', '"Two."']),
        ("Costs 3.50 in all. 4 of them.", ["Costs 3.50 in all.", "4 of them."]),
        (
            "Mr. Smith and Dr. No saw L.A. Confidential.",
            ["Mr. Smith and Dr. No saw L.A. Confidential."],
        ),
        (
            "Better Off Dead... (1985) was seen. Well",
            ["Better Off Dead... (1985) was seen.", "Well"],
        ),
        ("one ... and two. three", ["one ... and two. three"]),
        ("很好。再见", ["很好。", "再见"]),
        ("!? ...", []),
        ("", []),
    ],
)
def test_sentences(text, expected):
    assert split_sentences(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Brach’s Salt &amp; Vinegar, K-Cup", ["brach's", "salt", "and", "vinegar", "k", "cup"]),
        ("½ ﬁne İo", ["1", "2", "fine", "i", "o"]),
        ("'quoted' snake_case", ["quoted", "snake", "case"]),
        ("…", []),
    ],
)
def test_words(text, expected):
    assert split_words(text) == expected

"""The page of measured speed, and the marks that stored figures must not fall below."""

import pytest

from docs.generator.speed import COMPARISONS, PATH, read, write_speed


@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda c: f"{c.file}, {c.peer}")
def test_a_stored_ratio_is_not_below_its_mark(comparison):
    ratios = comparison.ratios(read(comparison.file))
    assert ratios
    assert min(ratios) >= comparison.least


def test_the_page_has_every_comparison_and_every_size():
    text = write_speed()[PATH]
    for comparison in COMPARISONS:
        assert f"| {comparison.what} | {comparison.peer} |" in text
    assert "| full, 100,000 x 100,000 |" in text and "| scored, 1,000,000 x 30 |" in text

"""Scales from texts and from grades."""

import numpy as np
import pytest

from benchkit.errors import ConfigError
from benchkit.stats.agreement.rating_scale import infer_scale, nearest_category, parse_scale

NAN = float("nan")


# Scales and disagreements


def test_scales():
    assert parse_scale("1-7") == (1, 2, 3, 4, 5, 6, 7)
    assert parse_scale("-2-2") == (-2, -1, 0, 1, 2)
    for wrong in ("3", "3-1", "1,1,2", "a-b", "", "0,nan"):
        with pytest.raises(ConfigError, match="is not a scale"):
            parse_scale(wrong)
    assert infer_scale([0, 3, NAN]) == (0, 1, 2, 3)
    assert infer_scale([0.5, 1]) is None
    assert infer_scale([0, 100]) is None
    assert infer_scale([NAN]) is None
    np.testing.assert_array_equal(
        nearest_category(np.array([1.0, 2.5, 2.4, NAN]), [1, 2, 3]), [0, 2, 1, NAN]
    )

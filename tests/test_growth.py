"""Orders of growth on cards."""

import pytest

from benchkit import cards
from benchkit.errors import ConfigError
from benchkit.growth import growth_ratio, parse_order


def test_an_order_is_a_product_of_measures():
    assert parse_order("items^2 * cases") == {"items": 2.0, "cases": 1.0}
    assert parse_order("interactions*length ^ 0.5") == {"interactions": 1.0, "length": 0.5}
    assert parse_order("users * users") == {"users": 2.0}
    assert parse_order("1") == {}


@pytest.mark.parametrize("text", ["", "item", "items^-1", "items + users", "items^5", "2 * items"])
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match=r"measure with an exponent|at most 4"):
        parse_order(text)


def test_a_card_with_a_wrong_order_is_named(tmp_path):
    path = tmp_path / "catalog.toml"
    path.write_text('[methods.mine]\nclass = "a:B"\ngrowth = { fit = "rows" }\n')
    with pytest.raises(ConfigError, match=r"method 'mine': growth.fit.*'rows' is no measure"):
        cards.read_catalog(path)


def test_ratios():
    large = {"users": 100.0, "interactions": 3000.0, "items": 40.0}
    small = {"users": 50.0, "interactions": 500.0, "items": 20.0}
    assert growth_ratio("interactions", large, small) == 6
    assert growth_ratio("interactions * length", large, small) == 6 * 3
    assert growth_ratio("items^2", small, large) == 0.25
    assert growth_ratio("1", small, large) == 1


def test_what_is_unknown_of_other_data_cannot_be_compared():
    assert growth_ratio("items", {"items": 3.0}, {}) is None
    assert growth_ratio("items", {"items": 3.0}, {}, same_data=True) == 1
    assert growth_ratio("cases * candidates", {"cases": 4.0}, {"cases": 2.0}) == 2
    assert growth_ratio("parameters", {}, {}) == 1
    assert growth_ratio("parameters", {"parameters": 4e9}, {}, same_data=True) is None

"""Validity of sampled answers by hand."""

import pytest

from benchkit.evaluation.metrics.validity import distinct_counts, status_shares, valid_shares


def test_validity_by_hand():
    items = [["A", None, "A"], [None, None, None]]
    statuses = [["ok", "truncated", "ok"], ["refused", "refused", "unparsed"]]
    assert valid_shares(items).tolist() == [pytest.approx(2 / 3), 0.0]
    assert distinct_counts(items).tolist() == [1.0, 0.0]
    assert status_shares(statuses, "truncated").tolist() == [pytest.approx(1 / 3), 0.0]
    assert status_shares(statuses, "refused").tolist() == [0.0, pytest.approx(2 / 3)]

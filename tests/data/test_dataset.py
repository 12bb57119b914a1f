"""A recommender cannot see the answer: neither in a question, nor in what it learns from."""

import dataclasses

import numpy as np
import pytest

from benchkit.data.dataset import PreparedDataset
from benchkit.testing.fixtures import toy_dataset
from benchkit.types import Request


@pytest.fixture(scope="module")
def data() -> PreparedDataset:
    return toy_dataset()


def reachable(value, depth=6):
    """Everything that can be reached from `value` by attributes and elements."""
    yield value
    if depth == 0 or isinstance(value, str | int | float | bytes | np.ndarray):
        return
    if dataclasses.is_dataclass(value):
        inside = [getattr(value, f.name) for f in dataclasses.fields(value)]
    elif isinstance(value, dict):
        inside = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple):
        inside = list(value[:50])
    else:
        inside = list(vars(value).values()) if hasattr(value, "__dict__") else []
    for part in inside:
        yield from reachable(part, depth - 1)


def test_a_request_has_no_target(data):
    assert {f.name for f in dataclasses.fields(Request)} == {
        "case_id", "user", "history", "candidates",
    }  # fmt: skip
    for request, target in zip(data.requests(data.test), data.test.target, strict=True):
        item = data.catalog.ids[target]
        assert request.candidates.count(item) == 1
        assert item not in {event.item for event in request.history}


def test_the_view_reaches_neither_the_dataset_nor_a_test_case(data):
    view = data.train_view()
    found = list(reachable(view))
    assert not any(value is data or value is data.test for value in found)
    assert not any(isinstance(value, str) and value.startswith("test:") for value in found)
    assert not hasattr(view, "test")
    arrays = [value for value in found if isinstance(value, np.ndarray)]
    assert not any(np.shares_memory(a, data.interactions.item) for a in arrays)


def test_no_target_is_in_the_training_rows(data):
    view = data.train_view()
    for cases in (data.test, data.valid):
        for user, target in zip(cases.user, cases.target, strict=True):
            assert target not in view.interactions.sequence(user)
    assert len(view.interactions) == len(data.interactions) - len(data.test) - len(data.valid)
    np.testing.assert_array_equal(
        np.bincount(view.interactions.user, minlength=len(view.users)),
        np.diff(view.interactions.offsets),
    )


def test_full_requests_are_the_same_for_everyone(data):
    asked = list(data.requests(data.test, 0, 3, "catalog"))
    assert all(request.candidates is data.catalog.ids for request in asked)


def test_a_limit_takes_all_cases_of_users(data):
    cases = data.test
    assert cases.sample_users(7).ids == cases.sample(7).ids  # one case a user: as ever
    assert cases.sample_users(None) is cases.sample_users(10_000) is cases
    user = np.arange(len(cases), dtype=np.int32) // 3
    several = dataclasses.replace(cases, user=user)
    small, large = several.sample_users(4), several.sample_users(9)
    counts = np.unique(small.user, return_counts=True)[1]
    assert counts.tolist() == [3] * 4
    assert set(small.ids) < set(large.ids)
    assert list(small.ids) == [case for case in cases.ids if case in set(small.ids)]

"""What makes the tests of training quick."""

import gc

import pytest


@pytest.fixture(scope="module", autouse=True)
def _quick_collection():
    """Accelerate collects garbage at every start: spare it the modules that are loaded."""
    gc.freeze()
    yield
    gc.unfreeze()

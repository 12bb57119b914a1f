"""Fixtures of tests that judge runs."""

import pytest

from tests.support.samplers import SAMPLERS
from tests.support.toy_judges import EXPLAINERS, JUDGES


@pytest.fixture
def explainers(methods, tmp_path):
    """Recommenders that explain, in recs.py of the current folder, and judges beside them."""
    methods.write_text(methods.read_text() + SAMPLERS + EXPLAINERS)
    (tmp_path / "judges.py").write_text(JUDGES)
    return methods

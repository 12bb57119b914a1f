"""Toy datasets of several tests of collaborative filtering, and a model of one."""

import pytest

from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.sources import read_source
from benchkit.data.spec import DatasetSpec
from benchkit.testing.fixtures import toy_dataset
from tests.support.sasrec_runs import Notes, fit_sasrec


@pytest.fixture(scope="session")
def toy():
    """The toy dataset with 20 candidates a case."""
    return toy_dataset()


@pytest.fixture(scope="session")
def toy30():
    """The toy dataset as a suite prepares it, with 30 candidates a case."""
    return prepare_dataset(read_source("toy", {}), DatasetSpec(name="toy", source="toy"))


@pytest.fixture(scope="session")
def trained_sasrec(toy):
    """A SASRec of the toy dataset, and its notes."""
    progress = Notes()
    method = fit_sasrec(toy.train_view(), progress=progress, batch_size=512, epochs=15)
    return method, progress.notes

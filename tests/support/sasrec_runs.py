"""SASRec, trained on small data."""

import dataclasses

from baselines.cf.sasrec import SASRec
from benchkit.data.request_batch import TrainData
from benchkit.testing.fixtures import run_context


class Notes:
    """A Progress that remembers its notes."""

    def __init__(self):
        self.notes = []

    def start(self, what, total=None):
        self.notes.clear()

    def advance(self, steps=1, note=""):
        self.notes.append(note)


def fit_sasrec(data: TrainData, seed: int = 0, progress: Notes | None = None, **config) -> SASRec:
    """Train a small network, or as `config` says."""
    run = dataclasses.replace(run_context(data.catalog, seed=seed), progress=progress or Notes())
    method = SASRec(SASRec.Config(**{"hidden": 32, "max_length": 20, **config}))
    method.fit(data, run)
    return method

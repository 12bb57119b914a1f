"""A generated world with genres to learn, and whether a method has learnt them."""

from dataclasses import replace

import numpy as np

from benchkit.evaluation.metrics.rank_based import NDCG
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.testing.fixtures import run_context, toy_dataset


def planted_world():
    """60 users, 80 items in five genres; 20 candidates a case."""
    return toy_dataset(users=60, items=80, clusters=5, length=10)


class Losses:
    """A Progress that collects the losses of each stage."""

    def __init__(self):
        self.stages = []

    def start(self, what, total=None):
        self.stages.append((what, []))

    def advance(self, steps=1, note=""):
        if note.startswith("loss "):
            self.stages[-1][1].append(float(note.removeprefix("loss ").partition(",")[0]))

    def of(self, name):
        return next(losses for what, losses in self.stages if what.startswith(name))


def learning_run(folder, world):
    """A context that collects losses."""
    return replace(run_context(world.catalog, folder, cache=folder / "cache"), progress=Losses())


def standard_errors_above_chance(method, world, run):
    """By how many standard errors the scored NDCG@5 of the test cases is above that of chance."""
    requests = list(world.requests(world.test))
    answers = list(method.predict(requests, run))
    target = world.test.target_position
    ranks = ranks_from_scores([a.scores for a in answers], target, [True] * len(answers))
    values = np.asarray(NDCG(5).values(ranks))
    chance = sum(1 / np.log2(place + 1) for place in range(1, 6)) / len(requests[0].candidates)
    return (values.mean() - chance) / (values.std(ddof=1) / np.sqrt(len(values)))

"""A made-up store whose judge is too kind, with labels of people on a sample, and their files."""

import numpy as np

from benchkit.judging.annotation.batch import make_batch
from benchkit.judging.annotation.batch_key import read_key
from benchkit.judging.annotation.labels import read_annotation_labels, write_annotation_labels
from benchkit.judging.annotation.population import collect_population, find_judgements
from benchkit.judging.rubric import load_rubric
from tests.support.annotation_exports import export_rows, write_export
from tests.support.annotation_store import make_store

METHODS = ("alpha", "beta", "gamma")


class LabelledStore:
    """Three methods, which `people` grades on average 0.3, 0, -0.3 above each other.

    The judge grades as people do, one up in two of three answers of alpha and beta, and `favour`
    up in all those of gamma.
    """

    def __init__(self, root, cases=240, n=180, annotators=3, favour=0, balanced=False, seed=0):
        rng = np.random.default_rng(seed)
        self.truth, grades = {}, {}
        for place, method in enumerate(METHODS):
            truth = np.searchsorted([-1, 0, 1], rng.normal(size=cases) - 0.3 * place)
            up = rng.random(cases) < 2 / 3
            if method == "gamma":
                up = up + favour
            self.truth[method] = truth
            grades["toys", method] = np.clip(truth + up, 0, 3).tolist()
        self.store = root / "runs"
        make_store(self.store, grades, rubric=load_rubric("rationale-0-3"))
        population = collect_population(find_judgements([self.store], "plum"))
        make_batch(population, n, annotators, 1.0, balanced=balanced).write(root / "pages")
        self.key = read_key(root / "pages" / "key.json")
        paths = [self._export(root, name, place) for place, name in enumerate(self.key.annotators)]
        self.labels = root / "labels.csv"
        labels = read_annotation_labels(paths, self.key)
        write_annotation_labels(labels, self.key, self.labels)

    def _export(self, root, name, place):
        """Each person but the first is one off in a tenth of the answers."""
        rng = np.random.default_rng(place)

        def grade(item):
            right = int(self.truth[item.method][int(item.case_id[1:])])
            wrong = place > 0 and rng.random() < 0.1
            return min(3, max(0, right + (1 if right < 2 else -1) * wrong))

        return write_export(root / f"{name}.csv", export_rows(self.key, name, grade))

"""From a population of judged answers, over a sample, to agreement: the population's comes back."""

import numpy as np
import pytest

from benchkit.judging.annotation.batch import make_batch
from benchkit.judging.annotation.exports import ExportRow
from benchkit.judging.annotation.labels import AnnotationLabels, _rows, write_annotation_labels
from benchkit.judging.annotation.population import collect_population, find_judgements
from benchkit.judging.rubric import load_rubric
from benchkit.report.agreement.measurement import measure_agreement
from benchkit.report.agreement.ratings_io import read_ratings
from benchkit.stats.agreement.kappa import quadratic_weighted_kappa
from benchkit.stats.agreement.system_agreement import system_level_correlations
from benchkit.stats.agreement.two_raters import pair_agreement
from tests.support.annotation_store import make_store

METHODS = ("a", "b", "c", "d")
SCALE = range(4)


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    """Most grades are 3; methods differ in quality and in how many answers there are."""
    rng = np.random.default_rng(0)
    shares = ([0.01, 0.02, 0.05, 0.92], [0.02, 0.03, 0.08, 0.87],
              [0.03, 0.04, 0.1, 0.83], [0.05, 0.06, 0.12, 0.77])  # fmt: skip
    runs = {
        (task, method): rng.choice(4, 200 - 40 * place, p=shares[place]).tolist()
        for task in ("tea", "toys")
        for place, method in enumerate(METHODS)
    }
    root = tmp_path_factory.mktemp("population")
    make_store(root, runs, rubric=load_rubric("rationale-0-3"))
    return collect_population(find_judgements([root], "plum"))


@pytest.fixture(scope="module")
def person(population):
    """Exhibit -> a person's grade: mostly the judge's, else one beside it."""
    rng = np.random.default_rng(1)
    steps = rng.choice([-1, 0, 1], len(population.answers), p=[0.15, 0.7, 0.15])
    return {
        answer.key: int(np.clip(judged(answer) + step, 0, 3))
        for answer, step in zip(population.answers, steps, strict=True)
    }


def judged(answer):
    return answer.grades["stern"]["rating"]


def collected(population, person, folder, n=160, seed=0, **options):
    """The labels of one annotator, as `benchkit annotate --read` writes and `agree` reads them."""
    batch = make_batch(population, n, 1, seed=seed, **options)
    result = {
        ("annotator-1", i, "rating"): ExportRow(
            "annotator-1", "", i, "rating", person[answer.key], False, "", 0.0, ""
        )
        for i, answer in batch.answers.items()
    }
    rows = tuple(row for i in batch.key.items for row in _rows(i, result, batch.key))
    (path,) = write_annotation_labels(
        AnnotationLabels(rows, (), 0, 0), batch.key, folder / f"{seed}.csv"
    )
    return read_ratings([path]).select_raters(["annotator-1", "judge:stern"])


@pytest.mark.parametrize("balanced", [False, True])
def test_kappa_of_the_population_is_in_the_interval_of_the_sample(
    population, person, tmp_path, balanced
):
    pairs = [(person[e.key], judged(e)) for e in population.answers]
    truth = quadratic_weighted_kappa(*zip(*pairs, strict=True), SCALE)
    held, values, plain = 0, [], []
    for seed in range(20):
        sheet = collected(population, person, tmp_path, seed=seed, balanced=balanced)
        a, b = sheet.grades.T
        result = pair_agreement(a, b, SCALE, sheet.resampling_units, sheet.weights,
                               resamples=400, permutations=1).estimates["kappa"]  # fmt: skip
        held += result.low <= truth <= result.high
        values.append(result.value)
        plain.append(quadratic_weighted_kappa(a, b, SCALE))
    assert held >= 17
    assert np.mean(values) == pytest.approx(truth, abs=0.03)
    if balanced:  # without weights rare grades, which differ most, would count as if frequent
        assert np.mean(plain) > truth + 0.08


@pytest.mark.parametrize("balanced", [False, True])
def test_means_of_systems_are_those_of_the_population_in_expectation(
    population, person, tmp_path, balanced
):
    truth = [np.mean([judged(e) for e in population.answers if e.method == m]) for m in METHODS]
    means, result = [], []
    for seed in range(30):
        sheet = collected(population, person, tmp_path, seed=seed, balanced=balanced)
        systems, grades = np.array(sheet.systems), sheet.grades[:, 1]
        means.append([np.average(grades[mask := systems == m], weights=sheet.weights[mask])
                      for m in METHODS])  # fmt: skip
        known = np.array(truth)[np.searchsorted(METHODS, systems)]
        level = system_level_correlations(
            grades,
            known,
            systems,
            sheet.resampling_units,
            sheet.weights,
            resamples=10,
            permutations=10,
        )
        result.append(level[0]["pearson"].value)
    np.testing.assert_allclose(np.mean(means, axis=0), truth, atol=0.05)
    if balanced:  # strata of the judge's grades leave its means hardly anything to chance
        assert np.median(result) > 0.95


def test_a_case_of_two_methods_is_one_cluster_and_of_two_tasks_is_two(population, person, tmp_path):
    sheet = collected(population, person, tmp_path, n=10_000)
    assert len(sheet.items) == len(population.answers) and sheet.weights is None
    assert len(set(sheet.clusters)) == 400  # of tasks tea and toys, both with cases c0 to c199
    report = measure_agreement(sheet)
    assert report.categories == (0, 1, 2, 3) and not report.scale_inferred
    assert report.pairs[0].n_systems == 4
    assert (
        report.pairs[0].within_item_counts["pearson"] > 100
    )  # answers to one case by several methods

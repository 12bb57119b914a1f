"""The distilled judge: what it learns from labels, and what it says of how well it learnt."""

import json
from dataclasses import replace

import numpy as np
import pytest
from bag_encoder import Bag
from pydantic import ValidationError

from benchkit import files, seeds
from benchkit.errors import ConfigError, DataError
from benchkit.judging import recording
from benchkit.judging.exhibits import Answer
from benchkit.judging.rubric import load_rubric
from benchkit.judging.testing import JudgeContract, toy_exhibits
from benchkit.testing import run_context, toy_dataset
from judges.distilled import DEFAULT, DistilledConfig, DistilledJudge, distil, fit, load, save
from judges.features import FeatureReader
from judges.heuristic import HeuristicConfig, HeuristicJudge

RUBRIC = load_rubric("rationale-0-3")
QUALITY = load_rubric("rationale-quality")
DATA = toy_dataset(users=60, items=60, length=8)
USED = ("history_named", "item_named", "named_others", "history_max", "item_max")


def exhibits(target=True):
    """Half of the toy exhibits with a rationale of two sentences, so that all grades occur."""
    return [
        replace(e, rationale=f"{e.rationale} A choice of its own.") if i % 2 else e
        for i, e in enumerate(toy_exhibits(60, target))
    ]


def context(tmp_path):
    return run_context(DATA.catalog, cache=tmp_path)


def labelled(folder, rubric=RUBRIC, run="run1"):
    """Judgements of the heuristic judge, as a run has them; every seventh differs by one."""
    judge = HeuristicJudge(HeuristicConfig(rubric=rubric.name), Bag())
    shown = exhibits(rubric.shows_target)
    verdicts = {}
    for number, verdict in enumerate(judge.judge(shown, context(folder))):
        shift = (number % 7 == 3) * (1 if number % 2 else -1)
        limits = {c.name: c for c in rubric.criteria}
        grades = {
            name: float(min(max(grade + shift, limits[name].low), limits[name].high))
            for name, grade in verdict.grades.items()
        }
        verdicts[verdict.key] = replace(verdict, grades=grades)
    found = [Answer(e.request, e.target or e.item, e.item, e.rationale) for e in shown]
    path = folder / run / "judgements" / "heuristic.parquet"
    files.write_parquet(path, recording.table(found, verdicts, rubric, DATA.catalog))
    return path


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    return labelled(tmp_path_factory.mktemp("labels"))


def test_it_learns_the_grades_of_another_judge(labels, tmp_path):
    judge = DistilledJudge(DistilledConfig(labels=(labels,), features=USED), Bag())
    assert judge.remarks == ("distilled from heuristic.parquet, by the features of rationales",)
    taken = [replace(e, target=None) for e in exhibits()]
    verdicts = list(judge.judge(taken, context(tmp_path)))
    reference = HeuristicJudge(HeuristicConfig(), Bag())
    wanted = [v.grades["rating"] for v in reference.judge(taken, context(tmp_path))]
    got = [v.grades["rating"] for v in verdicts]
    assert np.mean(np.array(got) == wanted) > 0.7
    report = judge.distilled.reports["rating"]
    assert report.kappa > 0.6 and report.kappa_low < report.kappa < report.kappa_high
    assert report.exact > report.majority
    assert report.cases == report.labels == sum(map(sum, report.confusion))
    kappa, low, high = report.kappa, report.kappa_low, report.kappa_high
    assert judge.remarks == (
        f"distilled from heuristic.parquet, QWK {kappa:.2f} [{low:.2f}, {high:.2f}]"
        f" over {report.labels} in cross-validation",
    )
    evidence = verdicts[0].evidence
    assert sum(evidence[f"rating_p{n}"] for n in judge.distilled.models["rating"].levels) == (
        pytest.approx(1, abs=1e-3)
    )
    assert set(judge.distilled.models["rating"].features) <= set(evidence)
    assert evidence["rating_kappa"] == round(kappa, 4)
    json.dumps(dict(evidence), allow_nan=False)


def test_the_report_shows_confusion_and_coefficients(labels, tmp_path):
    judge = DistilledJudge(DistilledConfig(labels=(labels,)), Bag())
    assert judge.report() == ""
    list(judge.judge(exhibits()[:2], context(tmp_path)))
    text = judge.report()
    assert "| label \\ predicted" in text and "| item_max |" in text
    assert "Spearman" in text and "mean absolute error" in text
    assert "left out: " in text and "rating_conflicts" in text  # nothing is told the wrong way


def test_saved_and_loaded_it_says_the_same(labels, tmp_path):
    run = context(tmp_path)
    config = DistilledConfig(labels=(labels,), features=USED)
    made = distil(config, run, FeatureReader(Bag()))
    save(made, tmp_path / "judge.json")
    assert load(tmp_path / "judge.json") == made
    first = DistilledJudge(config, Bag())
    second = DistilledJudge(DistilledConfig(model=tmp_path / "judge.json"), Bag())
    assert second.remarks[0].startswith("distilled from heuristic.parquet, QWK")
    assert list(first.judge(exhibits(), run)) == list(second.judge(exhibits(), run))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A saved model of a rubric with one criterion, and one of a rubric with several."""
    folder, paths = tmp_path_factory.mktemp("saved"), {}
    for rubric in (RUBRIC, QUALITY):
        shown = labelled(folder, rubric, run=rubric.name)
        config = DistilledConfig(rubric=rubric.name, labels=(shown,), features=USED, folds=2)
        paths[rubric.name] = folder / f"{rubric.name}.json"
        save(distil(config, context(folder), FeatureReader(Bag())), paths[rubric.name])
    return paths


@pytest.mark.parametrize(
    ("rubric", "decision"), [(RUBRIC.name, "expected"), (QUALITY.name, "likely")]
)
class TestDistilled(JudgeContract):
    @pytest.fixture(autouse=True)
    def _config(self, saved, rubric, decision):
        self.config = DistilledConfig(rubric=rubric, model=saved[rubric], decision=decision)

    def make(self):
        return DistilledJudge(self.config, Bag())


# --- fitting


def values(n, seed=0):
    rng = seeds.generator("distilled-test", seed)
    return [{"item_max": x, "history_max": 0.5} for x in rng.normal(size=n).tolist()]


def fit_to(features, grades, cases=None, names=("item_max",), **options):
    cases = cases or [f"c{i}" for i in range(len(features))]
    return fit(features, {"rating": grades}, cases, RUBRIC, names, source="test", **options)


def test_cases_are_held_out_together():
    # Twenty answers to each of 15 cases, whose grade is that of the case: a model that was fitted
    # to some of them knows the others, unless the whole case is held out.
    rng = seeds.generator("distilled-groups")
    each = [dict(zip(DEFAULT, row, strict=True)) for row in rng.uniform(size=(15, 12)).tolist()]
    grades = rng.permutation([0.0, 1.0, 2.0] * 5)
    case = [i // 20 for i in range(300)]
    features, labels = [each[c] for c in case], [grades[c] for c in case]
    together = fit_to(features, labels, [f"c{c}" for c in case], DEFAULT).reports["rating"]
    apart = fit_to(features, labels, None, DEFAULT).reports["rating"]
    assert (together.labels, together.cases, apart.cases) == (300, 15, 300)
    assert apart.kappa > 0.6
    assert together.kappa < 0.2


def test_grades_without_a_relation_agree_by_chance_only():
    rng = seeds.generator("distilled-chance")
    report = fit_to(values(200), rng.integers(0, 4, 200).tolist()).reports["rating"]
    assert report.kappa_low < 0.05


def test_a_level_that_a_fold_lacks():
    grades = [3.0, *([1.0, 2.0] * 20)]
    found = fit_to(values(41), grades)
    assert found.models["rating"].levels == (1, 2, 3)
    assert found.reports["rating"].labels == 41


def test_grades_between_whole_ones_and_missing_ones():
    grades = [0.5, 1.4, 2.5, float("nan")] * 10
    found = fit_to(values(40), grades, names=("item_max", "history_max"))
    assert found.models["rating"].levels == (1, 3)
    assert found.reports["rating"].labels == 30
    assert found.left_out == ("history_max",)


@pytest.mark.parametrize(
    ("count", "grades", "cases", "cause"),
    [
        (10, [1.0, 2.0] * 5, None, "10 labels of 10 cases for rating are too few"),
        (30, [1.0, 2.0] * 15, ["a", "b"] * 15, "30 labels of 2 cases"),
        (30, [2.0] * 30, None, "all 30 labels of rating are 2"),
        (30, [1.0, 7.0] * 15, None, "rating 7 is outside 0..3"),
    ],
)
def test_labels_that_nothing_can_be_learnt_from(count, grades, cases, cause):
    with pytest.raises(DataError, match=cause) as caught:
        fit_to(values(count), grades, cases)
    assert caught.value.mend


def test_labels_of_another_rubric():
    with pytest.raises(DataError, match="no grades of grounding"):
        fit(values(30), {"rating": [1.0] * 30}, ["c"] * 30, QUALITY, ("item_max",), source="test")


# --- settings


def test_settings_are_checked(labels, tmp_path):
    for wrong, cause in (
        ({}, "either labels or a model"),
        ({"labels": (labels,), "model": labels}, "either labels or a model"),
        ({"labels": (labels,), "features": ("lenght",)}, "no feature 'lenght'"),
        ({"labels": (labels,), "features": ("named_outside",)}, "labels do not tell"),
        ({"labels": (labels,), "features": ("words", "words")}, "named twice"),
    ):
        with pytest.raises(ValidationError, match=cause):
            DistilledConfig(**wrong)
    with pytest.raises(ConfigError, match="no such file"):
        DistilledJudge(DistilledConfig(labels=(tmp_path / "none.parquet",)))
    (tmp_path / "bad.json").write_text('{"rubric": 1}')
    with pytest.raises(ConfigError, match="rubric"):
        DistilledJudge(DistilledConfig(model=tmp_path / "bad.json"))


def test_a_model_of_another_rubric_is_refused(labels, tmp_path):
    config = DistilledConfig(labels=(labels,), features=USED)
    save(distil(config, context(tmp_path), FeatureReader(Bag())), tmp_path / "judge.json")
    with pytest.raises(ConfigError, match="'rationale-0-3', which is not 'coherence-1-7'"):
        DistilledJudge(DistilledConfig(rubric="coherence-1-7", model=tmp_path / "judge.json"))


def test_other_labels_are_another_judge(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("case_id,grade\na,1\n")
    first = DistilledConfig(labels=(path,)).model_dump()
    path.write_text("case_id,grade\na,2\n")
    second = DistilledConfig(labels=(path,)).model_dump()
    assert first["content_hash"] != second["content_hash"]

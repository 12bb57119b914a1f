"""The distilled judge: what it learns from labels, and what it says of how well it learnt."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from benchkit import io, seeds
from benchkit.errors import ConfigError, DataError
from benchkit.judging import verdict_table
from benchkit.judging.inputs import MethodAnswer
from benchkit.judging.rubric import load_rubric
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.testing.judges import JudgeContract, toy_judge_inputs
from judges.distilled_judge import (
    DEFAULT_FEATURES,
    IN_SAMPLE,
    DistilledConfig,
    DistilledJudge,
    fit_distilled_model,
    fit_from_labels,
    load_distilled_model,
    save_distilled_model,
)
from judges.features import FeatureReader
from judges.heuristic import HeuristicConfig, HeuristicJudge
from judges.training_labels import read_training_labels
from tests.support.bag_encoder import Bag

RUBRIC = load_rubric("rationale-0-3")
QUALITY = load_rubric("rationale-quality")
DATA = toy_dataset(users=60, items=60, length=8)
USED = ("history_named", "item_named", "named_others", "history_max", "item_max")


def toy_inputs(target=True):
    """Half of the toy inputs with a rationale of two sentences, so that all grades occur."""
    return [
        replace(e, rationale=f"{e.rationale} A choice of its own.") if i % 2 else e
        for i, e in enumerate(toy_judge_inputs(60, target))
    ]


def context(tmp_path):
    return run_context(DATA.catalog, cache=tmp_path)


def labelled(folder, rubric=RUBRIC, run="run1"):
    """Judgements of the heuristic judge, as a run has them; every seventh differs by one."""
    judge = HeuristicJudge(HeuristicConfig(rubric=rubric.name), Bag())
    inputs = toy_inputs(rubric.shows_target)
    verdicts = {}
    for number, verdict in enumerate(judge.judge(inputs, context(folder))):
        shift = (number % 7 == 3) * (1 if number % 2 else -1)
        limits = {c.name: c for c in rubric.criteria}
        grades = {
            name: float(min(max(grade + shift, limits[name].low), limits[name].high))
            for name, grade in verdict.grades.items()
        }
        verdicts[verdict.key] = replace(verdict, grades=grades)
    result = [MethodAnswer(e.request, e.target or e.item, e.item, e.rationale) for e in inputs]
    path = folder / run / "judgements" / "heuristic.parquet"
    io.write_parquet(
        path, verdict_table.build_verdict_table(result, verdicts, rubric, DATA.catalog)
    )
    return path


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    return labelled(tmp_path_factory.mktemp("labels"))


def test_it_learns_the_grades_of_another_judge(labels, tmp_path):
    judge = DistilledJudge(DistilledConfig(labels=(labels,), features=USED), Bag())
    assert judge.caveats == ("distilled from heuristic.parquet, by the features of rationales",)
    taken = [replace(e, target=None) for e in toy_inputs()]
    verdicts = list(judge.judge(taken, context(tmp_path)))
    reference = HeuristicJudge(HeuristicConfig(), Bag())
    wanted = [v.grades["rating"] for v in reference.judge(taken, context(tmp_path))]
    got = [v.grades["rating"] for v in verdicts]
    assert np.mean(np.array(got) == wanted) > 0.7
    report = judge.fitted_model.reports["rating"]
    assert report.kappa > 0.6 and report.kappa_low < report.kappa < report.kappa_high
    assert report.exact > report.majority
    assert report.users == report.labels == sum(map(sum, report.confusion))
    kappa, low, high = report.kappa, report.kappa_low, report.kappa_high
    assert judge.caveats[0] == (
        f"distilled from heuristic.parquet, QWK {kappa:.2f} [{low:.2f}, {high:.2f}]"
        f" over {report.labels} labels in cross-validation, users held out"
    )
    evidence = verdicts[0].evidence
    assert sum(evidence[f"rating_p{n}"] for n in judge.fitted_model.models["rating"].levels) == (
        pytest.approx(1, abs=1e-3)
    )
    assert set(judge.fitted_model.models["rating"].features) <= set(evidence)
    assert evidence["rating_kappa"] == round(kappa, 4)
    json.dumps(dict(evidence), allow_nan=False)


def test_the_report_shows_confusion_and_coefficients(labels, tmp_path):
    judge = DistilledJudge(DistilledConfig(labels=(labels,)), Bag())
    assert judge.to_markdown() == ""
    list(judge.judge(toy_inputs()[:2], context(tmp_path)))
    text = judge.to_markdown()
    assert "| label \\ predicted" in text and "| item_max |" in text
    assert "Spearman" in text and "mean absolute error" in text
    assert "left out: " in text and "rating_conflicts" in text  # nothing is told the wrong way


def test_saved_and_loaded_it_says_the_same(labels, tmp_path):
    run = context(tmp_path)
    config = DistilledConfig(labels=(labels,), features=USED)
    fitted = fit_from_labels(config, run, FeatureReader(Bag()))
    save_distilled_model(fitted, tmp_path / "judge.json")
    assert load_distilled_model(tmp_path / "judge.json") == fitted
    first = DistilledJudge(config, Bag())
    second = DistilledJudge(DistilledConfig(model=tmp_path / "judge.json"), Bag())
    assert second.caveats[0].startswith("distilled from heuristic.parquet, QWK")
    assert list(first.judge(toy_inputs(), run)) == list(second.judge(toy_inputs(), run))
    assert first.caveats == second.caveats


def test_a_model_saved_before_users_were_held_out_is_refused(tmp_path):
    (tmp_path / "old.json").write_text(json.dumps({"version": 1, "rubric": "rationale-0-3"}))
    with pytest.raises(ConfigError, match="version") as caught:
        DistilledJudge(DistilledConfig(model=tmp_path / "old.json"))
    assert "fit and save the judge again" in caught.value.hint


def test_several_cases_of_a_user_are_one_user_with_or_without_a_column(tmp_path):
    path = labelled(tmp_path)
    table = pl.read_parquet(path)
    owner = [f"u{place // 2}" for place in range(len(table))]
    again = ["#2" * (place % 2) for place in range(len(table))]
    named = [f"test:{user}{suffix}" for user, suffix in zip(owner, again, strict=True)]
    judged = table["stage"] == "judged"
    users = {user for user, counts in zip(owner, judged, strict=True) if counts}
    with_users = table.with_columns(user=pl.Series(owner))
    old = table.with_columns(case_id=pl.Series(named)).drop("user")
    for records, source in (
        (with_users, "heuristic.parquet"),
        (old, f"heuristic.parquet (users of {judged.sum()} labels read off the names of cases)"),
    ):
        io.write_parquet(path, records)
        config = DistilledConfig(labels=(path,), features=USED)
        fitted = fit_from_labels(config, context(tmp_path), FeatureReader(Bag()))
        assert fitted.reports["rating"].users == len(users) < fitted.reports["rating"].labels
        assert (set(fitted.users), fitted.source) == (users, source)


def test_grades_of_users_it_learnt_from_are_in_sample(labels, tmp_path):
    def stranger(judge_input):
        return replace(judge_input, request=replace(judge_input.request, user="somebody"))

    judge = DistilledJudge(DistilledConfig(labels=(labels,), features=USED), Bag())
    learnt = set(read_training_labels([labels], [], RUBRIC, DATA.catalog).users)
    inputs = [e for e in toy_inputs() if e.request.user in learnt][:4]
    inputs = [*inputs[:3], stranger(inputs[3]), replace(inputs[3], rationale=" ")]
    result = list(judge.judge(inputs, context(tmp_path)))
    assert [IN_SAMPLE in verdict.flags for verdict in result] == [True] * 3 + [False] * 2
    assert judge.caveats[1].startswith("3 of the 4 rationales it graded are of users whose labels")
    list(judge.judge([stranger(inputs[0])], context(tmp_path)))
    assert len(judge.caveats) == 1


def test_users_of_other_data_are_others(labels, tmp_path):
    fitted = fit_from_labels(DistilledConfig(labels=(labels,), features=USED), context(tmp_path),
                  FeatureReader(Bag()))  # fmt: skip
    save_distilled_model(fitted.model_copy(update={"items": "another"}), tmp_path / "judge.json")
    judge = DistilledJudge(DistilledConfig(model=tmp_path / "judge.json"), Bag())
    assert not any(verdict.flags for verdict in judge.judge(toy_inputs()[:1], context(tmp_path)))
    assert len(judge.caveats) == 1


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A saved model of a rubric with one criterion, and one of a rubric with several."""
    folder, paths = tmp_path_factory.mktemp("saved"), {}
    for rubric in (RUBRIC, QUALITY):
        inputs = labelled(folder, rubric, run=rubric.name)
        config = DistilledConfig(rubric=rubric.name, labels=(inputs,), features=USED, folds=2)
        paths[rubric.name] = folder / f"{rubric.name}.json"
        save_distilled_model(
            fit_from_labels(config, context(folder), FeatureReader(Bag())), paths[rubric.name]
        )
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


def fit_to(features, grades, users=None, names=("item_max",), **options):
    users = users or [f"u{i}" for i in range(len(features))]
    return fit_distilled_model(
        features, {"rating": grades}, users, RUBRIC, names, source="test", **options
    )


def test_users_are_held_out_together():
    # Twenty answers of each of 15 users, whose grade is that of the user: a model that was fitted
    # to some of them knows the others, unless the whole user is held out.
    rng = seeds.generator("distilled-groups")
    each = [
        dict(zip(DEFAULT_FEATURES, row, strict=True)) for row in rng.uniform(size=(15, 12)).tolist()
    ]
    grades = rng.permutation([0.0, 1.0, 2.0] * 5)
    user = [i // 20 for i in range(300)]
    features, labels = [each[u] for u in user], [grades[u] for u in user]
    fitted = fit_to(features, labels, [f"u{u}" for u in user], DEFAULT_FEATURES)
    assert fitted.users == tuple(sorted(f"u{u}" for u in range(15)))
    together = fitted.reports["rating"]
    apart = fit_to(features, labels, None, DEFAULT_FEATURES).reports["rating"]
    assert (together.labels, together.users, apart.users) == (300, 15, 300)
    assert apart.kappa > 0.6
    assert together.kappa < 0.2


def test_grades_without_a_relation_agree_by_chance_only():
    rng = seeds.generator("distilled-chance")
    report = fit_to(values(200), rng.integers(0, 4, 200).tolist()).reports["rating"]
    assert report.kappa_low < 0.05


def test_a_level_that_a_fold_lacks():
    grades = [3.0, *([1.0, 2.0] * 20)]
    result = fit_to(values(41), grades)
    assert result.models["rating"].levels == (1, 2, 3)
    assert result.reports["rating"].labels == 41


def test_grades_between_whole_ones_and_missing_ones():
    grades = [0.5, 1.4, 2.5, float("nan")] * 10
    result = fit_to(values(40), grades, names=("item_max", "history_max"))
    assert result.models["rating"].levels == (1, 3)
    assert result.reports["rating"].labels == 30
    assert result.left_out == ("history_max",)


@pytest.mark.parametrize(
    ("count", "grades", "users", "cause"),
    [
        (10, [1.0, 2.0] * 5, None, "10 labels of 10 users for rating are too few"),
        (30, [1.0, 2.0] * 15, ["a", "b"] * 15, "30 labels of 2 users"),
        (30, [2.0] * 30, None, "all 30 labels of rating are 2"),
        (30, [1.0, 7.0] * 15, None, "rating 7 is outside 0..3"),
    ],
)
def test_labels_that_nothing_can_be_learnt_from(count, grades, users, cause):
    with pytest.raises(DataError, match=cause) as caught:
        fit_to(values(count), grades, users)
    assert caught.value.hint


def test_labels_of_another_rubric():
    with pytest.raises(DataError, match="no grades of grounding"):
        fit_distilled_model(
            values(30), {"rating": [1.0] * 30}, ["c"] * 30, QUALITY, ("item_max",), source="test"
        )


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
    save_distilled_model(
        fit_from_labels(config, context(tmp_path), FeatureReader(Bag())), tmp_path / "judge.json"
    )
    with pytest.raises(ConfigError, match="'rationale-0-3', which is not 'coherence-1-7'"):
        DistilledJudge(DistilledConfig(rubric="coherence-1-7", model=tmp_path / "judge.json"))


def test_other_labels_are_another_judge(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("case_id,grade\na,1\n")
    first = DistilledConfig(labels=(path,)).model_dump()
    path.write_text("case_id,grade\na,2\n")
    second = DistilledConfig(labels=(path,)).model_dump()
    assert first["content_hash"] != second["content_hash"]

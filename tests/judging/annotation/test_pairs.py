"""Pairs of answers: how they are drawn, shuffled, read back, and what becomes of the labels."""

import csv
import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.api.annotation import make_annotation_pages
from benchkit.errors import ConfigError, DataError
from benchkit.judging.annotation.batch_key import read_key
from benchkit.judging.annotation.labels import read_annotation_labels, write_annotation_labels
from benchkit.judging.annotation.pair_labels import PAIR_COLUMNS
from benchkit.judging.annotation.pairs import make_pair_batch
from benchkit.judging.annotation.population import collect_population, find_judgements
from benchkit.judging.rubric import load_rubric
from benchkit.report.agreement.preferences import (
    preference_tables,
    preferences_csv,
    read_win_rates,
)
from tests.support.annotation_exports import GRADED_RUNS, write_export
from tests.support.annotation_store import add_judgement, add_run, make_store
from tests.support.command_line import invoked, said


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    root = tmp_path_factory.mktemp("pairs")
    make_store(root, GRADED_RUNS, rubric=load_rubric("rationale-0-3"))  # 16 cases
    return collect_population(find_judgements([root], "plum"))


def exported(key, annotator, prefer, name=""):
    """Rows in which the annotator prefers by `prefer(first method, second method)`: 1, 2 or 3."""
    rows = []
    for identifier in key.annotators[annotator]:
        first, second = (side.method for side in key.pairs[identifier].shown)
        rows.append(
            {"batch": key.batch, "annotator": annotator, "name": name or annotator,
             "id": identifier, "criterion": "preference", "grade": prefer(first, second),
             "skipped": 0, "note": "", "seconds": 3}
        )  # fmt: skip
    return rows


def by_letter(first, second):
    """Prefers the method that comes first in the alphabet, on whichever side."""
    return 1 if first < second else 3


def test_strata_are_even_and_the_same_for_a_seed(population):
    batch = make_pair_batch(population, 31, 2, seed=3)
    assert sorted(stratum.drawn for stratum in batch.key.strata) == [10, 10, 11]
    assert [stratum.size for stratum in batch.key.strata] == [16, 16, 16]
    assert batch.key == make_pair_batch(population, 31, 2, seed=3).key
    assert batch.key.batch != make_pair_batch(population, 31, 2, seed=4).key.batch
    for pair in batch.key.pairs.values():
        size = next(s.drawn for s in batch.key.strata if s.method == " / ".join(
            sorted(side.method for side in pair.shown)))  # fmt: skip
        assert pair.weight == 16 / size


def test_sides_are_shuffled_per_case(population):
    pairs = make_pair_batch(population, 48, 1).key.pairs.values()
    firsts = [pair.shown[0].method < pair.shown[1].method for pair in pairs]
    assert 10 < sum(firsts) < 38
    other = make_pair_batch(population, 48, 1, seed=1).key.pairs.values()
    assert firsts != [pair.shown[0].method < pair.shown[1].method for pair in other]


def test_pages_say_nothing_of_methods(population):
    batch = make_pair_batch(population, 12, 2)
    for html in batch.pages().values():
        data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])
        assert data["pairs"]
        assert set(data["items"][0]) == {"id", "history", "sides"}
        assert all(set(side) == {"title", "rationale"} for side in data["items"][0]["sides"])
        assert "run_id" not in html


def test_it_needs_two_methods_and_enough_pairs(population, tmp_path):
    with pytest.raises(ConfigError, match="2 pairs for 3 annotators"):
        make_pair_batch(population, 2, 3)
    store = make_store(tmp_path, {("toys", "a"): [1, 2]})
    add_judgement(add_run(store, "tea", "b"), [1])
    with pytest.raises(ConfigError, match="no two methods"):
        make_pair_batch(collect_population(find_judgements([tmp_path], "plum")), 5, 1)


@given(st.integers(0, 50))
def test_unshuffled_the_side_does_not_matter(population, seed):
    key = make_pair_batch(population, 9, 1, seed=seed).key
    grades = {(row["id"], "preference"): row["grade"] for row in exported(
        key, "annotator-1", by_letter)}  # fmt: skip
    assert {grades[i, "preference"] for i in key.pairs} <= {1, 3}
    rows = labels_of(key, exported(key, "annotator-1", by_letter))
    assert {row["grade"] for row in rows} == {"3"}
    assert all(row["method_a"] < row["method_b"] for row in rows)


def labels_of(key, rows):
    with tempfile.TemporaryDirectory() as folder:
        path = write_export(Path(folder) / "one.csv", rows)
        out = Path(folder) / "labels.csv"
        write_annotation_labels(read_annotation_labels([path], key), key, out)
        with out.open(encoding="utf-8") as file:
            return list(csv.DictReader(file))


def test_from_pages_to_win_rates(population, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_pair_batch(population, 48, 2).write(tmp_path / "pages")
    key = read_key(tmp_path / "pages/key.json")
    ties = lambda first, second: 2 if "c" in (first, second) else by_letter(first, second)  # noqa: E731
    write_export(tmp_path / "one.csv", exported(key, "annotator-1", by_letter))
    write_export(tmp_path / "two.csv", exported(key, "annotator-2", ties))
    text = said("annotate", "--read", "one.csv", "two.csv", "--key", "pages/key.json",
                "--out", "labels.csv")  # fmt: skip
    assert "96 grades by people" in text.replace("\n", " ")
    with (tmp_path / "labels.csv").open(encoding="utf-8") as file:
        assert tuple(next(csv.reader(file))) == PAIR_COLUMNS
    preferences = read_win_rates([tmp_path / "labels.csv"])
    rates = {(rate.method, rate.against): rate for rate in preferences.rates}
    assert len(rates) == 9  # three methods, each against two others and all
    assert rates["a", "b"].rate.mean == 1
    assert rates["b", "a"].rate.mean == 0
    assert rates["a", "c"].rate.mean == 0.75  # one person's win, the other's tie
    assert (rates["a", "c"].wins, rates["a", "c"].ties, rates["a", "c"].losses) == (16, 16, 0)
    assert rates["a", "all others"].rate.mean == pytest.approx((1 + 0.75) / 2)
    assert rates["a", "all others"].rate.n == 32
    for rate in preferences.rates:
        if rate.against != "all others":
            assert rate.rate.mean + rates[rate.against, rate.method].rate.mean == 1
    (table,) = preference_tables(preferences)
    assert table.rows[1][:6] == ("a", "b", "16", "32", "0", "0")
    assert preferences_csv(preferences).count("\n") == 10
    shown = said("agree", "labels.csv", "--out", "out")
    assert "Preferences between pairs of answers" in shown
    assert "Krippendorff" in shown or "alpha" in shown
    assert (tmp_path / "out/win-rates.csv").read_text() == preferences_csv(preferences)
    as_json = json.loads(said("agree", "labels.csv", "--format", "json"))
    assert len(as_json["preferences"]["rates"]) == 9


def test_what_is_no_table_of_pairs_has_no_win_rates(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("item,rater,grade\n1,a,2\n1,b,2\n")
    assert read_win_rates([path]) is None
    assert list(preference_tables(None)) == []


def test_an_edited_preference_is_refused(population, tmp_path):
    key = make_pair_batch(population, 6, 1).key
    rows = exported(key, "annotator-1", lambda *_: 4)
    with pytest.raises(DataError, match="no grade of preference"):
        read_annotation_labels([write_export(tmp_path / "a.csv", rows)], key)


def test_pairs_have_no_rubric(population, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_store(tmp_path / "runs", GRADED_RUNS, rubric=load_rubric("rationale-0-3"))
    with pytest.raises(ConfigError, match="pairs have no rubric"):
        make_annotation_pages([tmp_path / "runs"], tmp_path, rubric="likert-1-7", pairs=True)
    said("annotate", "--judgements", "runs", "--suite", "plum", "--pairs", "--n", "6",
         "--out", "pages")  # fmt: skip
    assert len(read_key(tmp_path / "pages/key.json").pairs) == 6


@pytest.fixture
def labels(population, tmp_path, monkeypatch):
    """Pairs that one person graded, and pairs of which each was graded by one of two."""
    monkeypatch.chdir(tmp_path)
    for annotators, overlap in ((1, 1.0), (2, 0.0)):
        batch = make_pair_batch(population, 12, annotators, overlap)
        exports = [
            write_export(tmp_path / f"{name}.csv", exported(batch.key, name, by_letter))
            for name in batch.key.annotators
        ]
        read = read_annotation_labels(exports, batch.key)
        write_annotation_labels(read, batch.key, tmp_path / f"labels-{annotators}.csv")
    return tmp_path


@pytest.mark.parametrize("annotators", [1, 2])
def test_win_rates_need_no_second_person(labels, annotators):
    path = f"labels-{annotators}.csv"
    shown = " ".join(said("agree", path, "--out", "out").split())
    assert "Preferences between pairs of answers" in shown
    assert "Agreement of people needs two of them on the same pairs" in shown
    assert "The agreement above" not in shown and "Krippendorff" not in shown
    rates = preferences_csv(read_win_rates([labels / path]))
    assert (labels / "out/win-rates.csv").read_text() == rates
    assert said("agree", path, "--format", "csv") == rates
    as_json = json.loads(said("agree", path, "--format", "json"))
    assert len(as_json["preferences"]["rates"]) == 9
    assert "| Method" in said("agree", path, "--format", "md")


def test_commands_that_need_grades_say_what_labels_of_pairs_are_for(labels):
    make_store(labels / "runs", GRADED_RUNS, rubric=load_rubric("rationale-0-3"))
    place = ("--judgements", "runs", "--suite", "plum")
    for arguments in (
        ("report", "--suite", "plum", "--out", "runs", "--labels", "labels-1.csv"),
        ("annotate", "--plan", *place, "--labels", "labels-1.csv"),
    ):
        with pytest.raises(DataError, match="labels of pairs, which say which of two") as caught:
            invoked(*arguments)
        assert "benchkit agree labels-1.csv gives their win rates" in caught.value.hint
    with pytest.raises(ConfigError, match="labels of pairs"):
        invoked("agree", "labels-1.csv", "--paper", "c-apo:figure10")


def one_case_a_user(tmp_path, grades, cases_of_user=1):
    lines = ["item,rater,grade,method_a,method_b,shown_first,cluster"]
    for i, grade in enumerate(grades):
        lines.append(f"i{i},ann,{grade},a,b,a,u{i // cases_of_user}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    return read_win_rates([tmp_path / "labels.csv"])


@pytest.mark.parametrize(
    ("grades", "cases_of_user", "limits"),
    [
        ([3] * 8, 1, (0.025 ** (1 / 8), 1.0)),  # Clopper and Pearson's of 8 of 8
        ([1] * 8, 1, (0.0, 1 - 0.025 ** (1 / 8))),
        ([2], 1, (0.5 * 0.025, 1 - 0.5 * 0.025)),
        ([3, 1, 1] * 4, 3, (0.025 ** (1 / 4) / 3, 1 - 2 / 3 * 0.025 ** (1 / 4))),
    ],
)
def test_rates_that_never_vary_are_not_exactly_known(tmp_path, grades, cases_of_user, limits):
    preferences = one_case_a_user(tmp_path, grades, cases_of_user)
    rate = preferences.rates[0]
    assert (rate.method, rate.rate.low, rate.rate.high) == ("a", *map(pytest.approx, limits))
    (table,) = preference_tables(preferences)
    assert "[" in table.rows[0][-1] and any("would have been missed" in n for n in table.notes)
    *_, low, high = preferences_csv(preferences).splitlines()[1].split(",")
    assert (float(low), float(high)) == (rate.rate.low, rate.rate.high)


def test_rates_that_vary_have_the_interval_of_the_bootstrap(tmp_path):
    preferences = one_case_a_user(tmp_path, [1, 2, 3] * 10)
    (table,) = preference_tables(preferences)
    assert not any("would have been missed" in note for note in table.notes[:1])
    assert 0.3 < preferences.rates[0].rate.low < 0.5 < preferences.rates[0].rate.high < 0.7

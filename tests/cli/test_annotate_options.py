"""`annotate`: which options do what they say, and which are refused rather than ignored."""

import re

import pytest

from benchkit.errors import ConfigError
from benchkit.judging.annotation.batch_key import read_key
from benchkit.judging.rubric import load_rubric
from tests.support.annotation_store import make_store
from tests.support.command_line import invoked, said

GRADES = {
    ("tea", "alpha"): [0, 1, 2, 3] * 10, ("tea", "beta"): [1, 2] * 10,
    ("toys", "alpha"): [3] * 8, ("toys", "beta"): [2] * 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    make_store(root, GRADES, rubric=load_rubric("rationale-0-3"))
    return ("annotate", "--judgements", root, "--suite", "plum")


@pytest.mark.parametrize("pairs", [(), ("--pairs",)])
def test_pages_are_of_the_datasets_that_were_named(place, tmp_path, pairs):
    said(*place, *pairs, "--dataset", "toys", "--n", "99", "--out", tmp_path)
    key = read_key(tmp_path / "key.json")
    of_batch = (key.pairs or key.items).values()
    assert {item.task for item in of_batch} == {"toys"} == {s.task for s in key.strata}
    assert len(of_batch) == (8 if pairs else 16)


def test_a_plan_is_of_the_datasets_that_were_named(place):
    both = said(*place, "--plan", "--half-width", "0.5")
    one = said(*place, "--plan", "--half-width", "0.5", "--dataset", "tea")
    assert "tea, rating" in both and "toys, rating" in both
    assert "tea, rating" in one and "toys, rating" not in one


@pytest.mark.parametrize("mode", [("--out", "pages"), ("--out", "pages", "--pairs"), ("--plan",)])
def test_an_unknown_dataset_is_refused_with_those_that_there_are(
    place, mode, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="'nope'") as caught:
        invoked(*place, "--dataset", "tea,nope", *mode)
    assert caught.value.hint == "there are: tea, toys"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "option", [("--pairs",), ("--balanced",), ("--rubric", "likert-1-7"), ("--synthetic", "1")]
)
def test_a_plan_refuses_what_it_would_ignore(place, option):
    with pytest.raises(ConfigError, match=re.escape("--plan counts")) as caught:
        invoked(*place, "--plan", *option)
    assert caught.value.hint == f"leave out {option[0]}"


def test_reading_refuses_what_it_would_ignore(tmp_path):
    with pytest.raises(ConfigError, match="--read takes all") as caught:
        invoked("annotate", "--read", "a.csv", "--key", "key.json", "--out", tmp_path,
                "--pairs", "--dataset", "tea")  # fmt: skip
    assert caught.value.hint == "leave out --pairs and --dataset"

"""Candidates scored on average over several rationales of a case."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.errors import ConfigError
from benchkit.lm.config import LMConfig
from benchkit.lm.predictor import LMPredictor
from benchkit.lm.prompts import load_template
from benchkit.lm.rationale_scoring import combine_rationales
from benchkit.lm.recommender import LMRecommender
from benchkit.lm.types import Completion, ContinuationScores, Generation
from benchkit.testing.fixtures import run_context
from benchkit.types import Catalog, Event, Request


def scores(*probabilities, finish="stop", **usage):
    logprobs = np.log(np.array(probabilities, dtype=np.float64))
    return ContinuationScores(logprobs, np.ones(len(probabilities), np.int64), finish, usage)


def draw(text, finish="stop", tokens=3):
    return Completion(text, finish, tokens)


def test_probabilities_are_averaged_and_the_telling_rationale_is_shown():
    drawn = [[draw("a"), draw("b", "length"), draw("", "error"), draw("c")]]
    results = iter([
        scores(0.1, 0.6, prompt_tokens=5.0), scores(0.5, 0.4), scores(0.3, 0.2, prompt_tokens=6.0),
    ])  # fmt: skip
    (combined,) = combine_rationales(drawn, results)
    # (.1 + .5 + .3) / 3 and (.6 + .4 + .2) / 3: the second is first, most of it after "a".
    assert combined.scores.logprobs == pytest.approx([math.log(0.3), math.log(0.4)], abs=1e-12)
    assert combined.rationale.text == "a"
    assert combined.completion_tokens == 12
    assert combined.scores.usage == {"prompt_tokens": 11.0}


def test_rationales_without_scores_are_left_out():
    failed = ContinuationScores(None, None, "error", fault="overloaded")
    drawn = [
        [draw("a"), draw("b")],
        [draw("a"), draw("b")],
        [draw("", "error", 0), draw("", "refused", 0)],
    ]
    results = iter([failed, scores(0.2, 0.1), failed, failed])
    some, none, unwritten = combine_rationales(drawn, results)
    assert some.rationale.text == "b"
    assert some.scores.logprobs == pytest.approx(np.log([0.2, 0.1]))
    assert none.scores.logprobs is None and none.scores.fault == "overloaded"
    assert unwritten.scores.logprobs is None and unwritten.scores.finish == "error"
    assert next(results, None) is None  # each result went to its rationale


@given(st.lists(st.lists(st.floats(-800, 0), min_size=3, max_size=3), min_size=1, max_size=6))
def test_an_average_lies_between_and_does_not_depend_on_the_order(rows):
    drawn = [[draw(str(number)) for number in range(len(rows))]]
    table = np.array(rows)

    def combine(order):
        results = [ContinuationScores(row, np.ones(3, np.int64)) for row in order]
        return next(combine_rationales(drawn, iter(results))).scores.logprobs

    mean = combine(table)
    assert (mean <= table.max(axis=0) + 1e-9).all() and (mean >= table.min(axis=0) - 1e-9).all()
    assert combine(table[::-1]) == pytest.approx(mean, abs=1e-9)


def test_one_rationale_leaves_the_scores_to_the_bit():
    logprobs = np.array([-1.0000000000000002, -3.3])
    results = iter([ContinuationScores(logprobs, np.array([1, 2]))])
    (combined,) = combine_rationales([[draw("a")]], results)
    assert combined.scores.logprobs.tolist() == logprobs.tolist()


class Engine:
    """An engine whose rationales are numbered, and make the candidate of their number likely."""

    can_score = True
    decoding = None

    def generate(self, prompts, decoding):
        self.decoding = decoding
        for _ in prompts:
            yield Generation(tuple(draw(str(number)) for number in range(decoding.n)))

    def score(self, prompts, continuations, end=True):
        for prompt, texts in zip(prompts, continuations, strict=True):
            favourite = int(prompt.prefill[1])
            chances = [0.8 if place == favourite else 0.1 for place in range(len(texts))]
            yield scores(*chances)

    def count_tokens(self, text):
        return len(text)


def test_a_predictor_draws_as_many_as_it_is_set_to():
    catalog = Catalog(("a", "b", "c"), {"title": ["Alien", "Blue", "Cold"]})
    requests = [Request("1", "u", (Event("a"),), ("b", "c"))]
    engine = Engine()
    predictor = LMPredictor(engine, load_template("papers"), rationale=True, rationales=2)
    (answer,) = predictor.predict(requests, run_context(catalog, seed=5))
    assert answer.scores == pytest.approx([math.log(0.45)] * 2)
    assert answer.usage["completion_tokens"] == 6
    assert (engine.decoding.n, engine.decoding.temperature, engine.decoding.seed) == (2, 1.0, 5)


def test_averaging_over_rationales_needs_rationales():
    with pytest.raises(ConfigError, match="scored_rationales"):
        LMRecommender(LMConfig(scored_rationales=2))
    assert "scored_rationales" not in LMConfig().model_dump()  # ids of runs stay

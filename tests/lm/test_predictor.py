"""Asking a model to recommend: what is scored, what is sampled, and what happens to failures."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from benchkit.errors import ConfigError
from benchkit.lm.config import LMConfig
from benchkit.lm.predictor import LMPredictor
from benchkit.lm.prompts import load_template
from benchkit.lm.recommender import LMRecommender
from benchkit.lm.types import Completion, ContinuationScores, Decoding, Generation, Prompt
from benchkit.testing.fixtures import run_context
from benchkit.training.core.recommender import FineTunedRecommender
from benchkit.types import Catalog, Event, Request

CATALOG = Catalog(("a", "b", "c"), {"title": ["Alien", "Blue", "Blue Moon"]})
REQUESTS = [
    Request("1", "u", (Event("a"),), ("b", "c")),
    Request("2", "v", (Event("b"),), ("c", "a")),
    Request("3", "w", (), ("a", "b")),
]


class Scripted:
    """An engine that says what it is told to, and keeps what it was asked."""

    can_score = can_constrain = True

    def __init__(self, completions: dict[str, Sequence[Completion]]) -> None:
        self.completions = completions
        self.generated: list[tuple[Prompt, Decoding]] = []
        self.scored: list[tuple[Prompt, Sequence[str]]] = []
        self.chosen: list[tuple[Prompt, Sequence[str]]] = []
        self.failing: set[str] = set()

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Generation]:
        for prompt in prompts:
            self.generated.append((prompt, decoding))
            yield Generation(tuple(self.completions[prompt.key][: decoding.n]))

    def score(
        self, prompts: Sequence[Prompt], continuations: Sequence[Sequence[str]], end: bool = True
    ) -> Iterator[ContinuationScores]:
        for prompt, texts in zip(prompts, continuations, strict=True):
            self.scored.append((prompt, texts))
            if prompt.key in self.failing:
                yield ContinuationScores(None, None, "error")
                continue
            size = np.array([len(text) for text in texts])
            yield ContinuationScores(-1.0 * size, size, "stop", {"prompt_tokens": 7.0})

    def constrained_choice(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], decoding: Decoding
    ) -> Iterator[tuple[int, ...]]:
        for prompt, own in zip(prompts, options, strict=True):
            self.chosen.append((prompt, own))
            yield (len(own) - 1,) * decoding.n

    def count_tokens(self, text: str) -> int:
        return len(text)


def said(*texts: str, finish: str = "stop") -> list[Completion]:
    return [Completion(text, finish, 3) for text in texts]


def test_scores_are_of_titles_under_the_prompt():
    engine = Scripted({})
    answers = list(LMPredictor(engine, load_template("compact")).predict(REQUESTS, context()))
    assert [a.scores for a in answers] == [[-4.0, -9.0], [-9.0, -5.0], [-5.0, -4.0]]
    assert answers[0].lengths == [4, 9]
    assert engine.scored[0][1] == ["Blue", "Blue Moon"]
    assert [prompt.messages[0].content for prompt, _ in engine.scored] == ["Alien\n", "Blue\n", ""]
    assert all(a.rationale is None and a.usage == {"prompt_tokens": 7.0} for a in answers)


def test_a_case_without_scores_keeps_its_status():
    engine = Scripted({})
    engine.failing = {"2"}
    answers = list(LMPredictor(engine, load_template("compact")).predict(REQUESTS, context()))
    assert [(a.scores is None, a.status) for a in answers] == [
        (False, "ok"), (True, "error"), (False, "ok"),
    ]  # fmt: skip


def test_candidates_are_scored_after_the_model_s_own_rationale():
    engine = Scripted(
        {
            "1": said("likes it"),
            "2": said("cut off", finish="length"),
            "3": said("", finish="error"),
        }
    )
    asked = LMPredictor(engine, load_template("papers"), rationale=True, rationale_tokens=9)
    answers = list(asked.predict(REQUESTS, context()))
    assert [(a.rationale, a.status) for a in answers] == [
        ("likes it", "ok"), ("cut off", "truncated"), ("", "error"),
    ]  # fmt: skip
    # Nothing is scored after a rationale that was not given.
    assert [a.scores is None for a in answers] == [False, False, True]
    assert [prompt.key for prompt, _ in engine.scored] == ["1", "2"]
    assert engine.scored[0][0].prefill == ("<think>", "likes it", "</think><item>")
    assert engine.scored[0][1] == ["Blue</item>", "Blue Moon</item>"]
    prompt, decoding = engine.generated[0]
    assert prompt.prefill == ("<think>",)
    assert (decoding.temperature, decoding.stop, decoding.max_tokens) == (0, ("</think>",), 9)
    # The rationale was generated without the scored candidates' answer in sight.
    assert answers[0].usage["completion_tokens"] == 3


def context(**decoding: float):
    return run_context(CATALOG, decoding={"n": 2, "temperature": 0.7, **decoding}, seed=5)


def test_free_answers_are_parsed_and_grounded():
    engine = Scripted(
        {
            "1": said("<think>why</think><item>Blue</item>", "<item>blue moon</item>"),
            "2": [*said("<item>Titanic</item>"), *said("<think>and so", finish="length")],
            "3": [*said("", finish="refused"), *said("", finish="error")],
        }
    )
    asked = LMPredictor(engine, load_template("papers"), rationale=True)
    answers = list(asked.sample(REQUESTS, context()))
    assert [[(s.item, s.status) for s in a.samples] for a in answers] == [
        [("b", "ok"), ("c", "ok")],
        [(None, "unparsed"), (None, "truncated")],
        [(None, "refused"), (None, "error")],
    ]
    assert answers[0].samples[0].rationale == "why"
    assert all(a.scores is None and a.status == "ok" for a in answers)
    decoding = engine.generated[0][1]
    assert (decoding.n, decoding.temperature, decoding.seed) == (2, 0.7, 5)


def test_constrained_answers_are_candidates():
    engine = Scripted({})
    asked = LMPredictor(engine, load_template("compact"))
    answers = list(asked.sample(REQUESTS, context(constrained=1.0)))
    assert [[s.item for s in a.samples] for a in answers] == [["c"] * 2, ["a"] * 2, ["b"] * 2]
    assert answers[0].samples[0].text == "Blue Moon"
    assert not engine.generated


def test_constrained_answers_follow_a_free_rationale_each():
    engine = Scripted(
        {
            "1": said("one", "two"),
            "2": [*said("three"), *said("", finish="refused")],
            "3": said("four", "five"),
        }
    )
    asked = LMPredictor(engine, load_template("papers"), rationale=True)
    answers = list(asked.sample(REQUESTS, context(constrained=1.0)))
    assert [[(s.item, s.rationale, s.status) for s in a.samples] for a in answers] == [
        [("c", "one", "ok"), ("c", "two", "ok")],
        [("a", "three", "ok"), (None, None, "refused")],
        [("b", "four", "ok"), ("b", "five", "ok")],
    ]
    assert answers[0].samples[1].text == "<think>two</think><item>Blue Moon</item>"
    keys = [prompt.key for prompt, _ in engine.chosen]
    assert keys == ["1#0", "1#1", "2#0", "3#0", "3#1"]


def test_what_a_method_can_do_follows_from_its_engine():
    assert {"scores", "samples"} < LMRecommender().capabilities
    server = {"kind": "openai", "model": "m"}
    config = LMConfig.model_validate({"backbone": "x", "engine": server})
    assert "scores" not in LMRecommender(config).capabilities
    with_tokens = LMConfig.model_validate({"backbone": "x", "engine": {**server, "tokenizer": "t"}})
    assert "scores" in LMRecommender(with_tokens).capabilities


def test_rows_say_which_model_it_is():
    assert "trained from scratch" in LMRecommender().caveats[0]
    config = LMConfig(backbone="org/model", adapter="mine")
    assert LMRecommender(config).caveats == ("backbone org/model with adapter mine",)


def test_a_server_cannot_be_trained():
    class Trained(FineTunedRecommender):
        def train_model(self, backbone, builder, data, run):
            raise AssertionError("refused when it is constructed")

    config = Trained.Config.model_validate({"engine": {"kind": "openai", "model": "m"}})
    with pytest.raises(ConfigError, match="cannot train"):
        Trained(config)


def test_the_template_is_part_of_the_settings(tmp_path):
    own = tmp_path / "mine.toml"
    own.write_text(load_template_text("compact"))
    before = LMConfig(template=str(own)).model_dump()["template_hash"]
    own.write_text(load_template_text("compact").replace("title_limit = 200", "title_limit = 9"))
    assert LMConfig(template=str(own)).model_dump()["template_hash"] != before


def load_template_text(name: str) -> str:
    from benchkit.lm.prompts import builtin_templates

    return builtin_templates()[name].read_text()


FAULTY = Completion("", "error", 0, "it answered with an error: busy")


@pytest.mark.parametrize("rationale", [False, True])
def test_a_prediction_says_what_the_engine_did_wrong(rationale):
    fine = Completion("Likes it.</think><item>Blue</item>", "stop", 3)
    engine = Scripted({"1": (fine, FAULTY), "2": (FAULTY, FAULTY), "3": (fine, fine)})
    predictor = LMPredictor(engine, load_template("papers"), rationale=rationale)
    run = run_context(CATALOG, decoding={"n": 2})
    faults = [p.fault for p in predictor.sample(REQUESTS, run)]
    assert faults == [FAULTY.fault, FAULTY.fault, ""]
    if rationale:
        predictions = list(predictor.predict(REQUESTS, run))
        assert [p.status for p in predictions] == ["ok", "error", "ok"]
        assert [p.fault for p in predictions] == ["", FAULTY.fault, ""]

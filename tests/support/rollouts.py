"""Small questions, and a model that draws answers to them."""

from dataclasses import replace

from benchkit.lm.engines.hf import HFEngine
from benchkit.lm.predictor import LMPredictor
from benchkit.lm.prompts import load_template
from benchkit.testing.fixtures import run_context
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.rl.rollouts import GRPOSettings, RolloutSampler, RolloutTask
from benchkit.types import Catalog, Event, Request
from tests.support.tiny_models import tiny_model, tiny_tokenizer
from tests.support.tiny_training import Stages

TITLES = ("Blue", "Blue Moon", "Black", "So What")


def catalog():
    return Catalog(tuple("abcd"), {"title": TITLES})


def tasks_of(builder, count=4, rationale=False):
    made = []
    for n in range(count):
        request = Request(f"u{n}", f"u{n}", (Event("abcd"[n % 4]),), tuple("abcd"))
        made.append(RolloutTask(request, "abcd"[(n + 1) % 4], builder.prompt(request, rationale)))
    return made


def drawing_of(run, rationale=False, template="compact", **policy):
    tokenizer = tiny_tokenizer()
    builder = ExampleBuilder(load_template(template), tokenizer, catalog())

    def answerer(model):
        return LMPredictor(
            HFEngine(model, tokenizer), builder.template, rationale, rationale_tokens=6
        )

    return RolloutSampler(builder, answerer, GRPOSettings(**policy), run, rationale)


def context(tmp_path, seed=0, stop_at=None):
    run = run_context(catalog(), tmp_path, seed=seed)
    return replace(run, progress=Stages(stop_at))


def network():
    return tiny_model("qwen3", vocab_size=len(tiny_tokenizer()))


def matches(task, answer):
    return float(answer.item == task.target)


FREE = {"group": 3, "max_tokens": 6, "constrained": False}
TRIE = {"group": 3, "constrained": True}

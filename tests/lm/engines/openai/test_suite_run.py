"""The same suite on a model in this process and behind a real server on loopback."""

from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchkit.lm.nano.build import build_nano
from benchkit.lm.nano.config import NanoConfig
from benchkit.runs.progress import SilentProgress
from benchkit.runs.store import Store
from tests.support.openai_server import Status, TestServer
from tests.support.server_backends import ModelBackend
from tests.support.suites import make_suite, run_all

DECODING = {"n": 2, "temperature": 0, "max_tokens": 12}
NANO = {"steps": 30, "validation_cases": 0}
TOY = {"name": "toy", "source": "toy", "options": {"users": 30, "items": 40},
       "candidates": {"count": 10}}  # fmt: skip


@pytest.fixture(scope="module")
def nano(tmp_path_factory) -> Path:
    """A nano of the suite's dataset, as the run in process makes it."""
    from benchkit.data import sources
    from benchkit.data.preparation.pipeline import prepare_dataset as prepare
    from benchkit.data.spec import DatasetSpec

    spec = DatasetSpec.model_validate(TOY)
    data = prepare(sources.read_source("toy", spec.options), spec)
    folder = tmp_path_factory.mktemp("cache")
    return build_nano(data.train_view(), NanoConfig(**NANO), folder, SilentProgress())


@pytest.fixture
def server(nano):
    model = AutoModelForCausalLM.from_pretrained(nano).eval()
    with TestServer(ModelBackend(model, AutoTokenizer.from_pretrained(nano)), model="nano") as it:
        yield it


def methods(url: str, nano: Path, **more: object) -> list[dict]:
    served = {"kind": "openai", "base_url": url, "model": "nano", "api": "completions",
              "tokenizer": str(nano), "max_retries": 2, "concurrency": 4, **more}  # fmt: skip
    return [
        {"method": "zero-shot", "label": "here", "config": {"nano": NANO}},
        {"method": "zero-shot", "label": "served", "config": {"engine": served}},
    ]


def ran(tmp_path: Path, listed: list[dict]) -> dict:
    suite = make_suite(protocols=["scored", "sampled"], datasets=[TOY], decoding=DECODING)
    suite = suite.model_validate({**suite.model_dump(), "methods": listed})
    return run_all(suite, tmp_path)


def cases(outcome):
    job = outcome.job
    return Store(job.store).run(job.suite, job.task, job.method.name, job.run_id).predictions()


def test_a_served_model_gives_the_same_figures(tmp_path, nano, server):
    done = ran(tmp_path, methods(server.url, nano))
    here, served = (cases(done[name, 0]) for name in ("here", "served"))
    assert done["served", 0].manifest.status == "complete", done["served", 0].manifest.error
    np.testing.assert_allclose(
        np.array(here["scores"].to_list()), np.array(served["scores"].to_list()), atol=1e-4
    )
    assert here["lengths"].to_list() == served["lengths"].to_list()
    assert here["samples"].to_list() == served["samples"].to_list()
    means = [{(s.protocol, s.metric): s.mean for s in done[name, 0].manifest.summary}
             for name in ("here", "served")]  # fmt: skip
    assert means[0] == pytest.approx(means[1], abs=1e-6)


def test_a_run_that_a_server_broke_off_goes_on_where_it_was(tmp_path, nano, server):
    listed = methods(server.url, nano, max_retries=0, concurrency=1)
    server.faults.extend([None] * 100 + [Status(500)])
    done = ran(tmp_path, listed)
    assert done["served", 0].manifest.status == "failed"
    assert "run again" in done["served", 0].manifest.error
    asked = len(server.seen)
    whole = make_suite(protocols=["scored", "sampled"], datasets=[TOY], decoding=DECODING)
    whole = whole.model_validate({**whole.model_dump(), "methods": listed})
    again = run_all(whole, tmp_path, overwrite="failed")
    assert again["served", 0].manifest.status == "complete"
    np.testing.assert_allclose(
        np.array(cases(again["here", 0])["scores"].to_list()),
        np.array(cases(again["served", 0])["scores"].to_list()),
        atol=1e-4,
    )
    bodies = [str(sorted(seen.body.items(), key=str)) for seen in server.seen]
    assert len(set(bodies)) == len(bodies) - 1  # the one that failed was asked for twice
    assert len(bodies) > asked

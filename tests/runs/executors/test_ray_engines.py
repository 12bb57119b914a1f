"""Language models of judges and teachers in actors of Ray's: the answers of one process."""

import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("ray", reason="Ray is not installed")
import ray

from benchkit.api.judgement import execute_judging, plan_judging
from benchkit.api.rationales import plan_rationales
from benchkit.errors import ConfigError, EngineError
from benchkit.judging.judgeable_runs import find_judgeable_runs
from benchkit.lm.backbones import make_engine_from_settings
from benchkit.lm.data_parallel.engine import DataParallelEngine
from benchkit.lm.types import Decoding, Message, Prompt
from benchkit.runs.executors.ray_engines import RayEngineConfig, RayEngines
from benchkit.runs.store import Store
from benchkit.testing.fixtures import run_context, toy_dataset
from tests.support.drawn_answers import ENGINE, processes, questions
from tests.support.ray_nodes import start_nodes
from tests.support.samplers import SAMPLERS
from tests.support.suites import make_suite, run_all, wait_until
from tests.support.tiny_models import tiny_backbone
from tests.support.toy_judges import EXPLAINERS

PROMPTS = [
    Prompt(f"p{number}", (Message("user", f"Say {'so ' * (number % 5)}{number}"),))
    for number in range(11)
]
DECODING = Decoding(n=2, temperature=1.0, max_tokens=6, seed=3)


@pytest.fixture(scope="module", autouse=True)
def nodes():
    with start_nodes(3) as nodes:
        yield nodes


@pytest.fixture
def marks(methods, tmp_path):
    """The folder that engines of draws.py note in."""
    (tmp_path / "draws.py").write_text(ENGINE)
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


def drawing(marks, **settings):
    return {"kind": "draws.py:Draws", "marks": str(marks), **settings}


@pytest.fixture(scope="module")
def engines(nodes):
    """What makes engines on the cluster; its actors stay from test to test."""
    engines = RayEngines(RayEngineConfig(requests=2))
    yield engines
    engines.close()


@pytest.fixture
def free_cluster(engines):
    """Ends the actors of other tests, and waits for those of this one to end."""
    engines.close()
    yield
    wait_until(lambda: not living_actors())


def context():
    return run_context(toy_dataset(users=60, items=60, length=8).catalog)


def living_actors():
    from ray._private import state  # the public one needs the dashboard

    actors = state.actors().values()
    return [a for a in actors if a["ActorClassName"] == "RayEngineHost" and a["State"] != "DEAD"]


@pytest.mark.slow
def test_a_models_answers_are_those_of_one_process(engines, tmp_path):
    settings = {"kind": "hf", "backbone": tiny_backbone()}
    local = make_engine_from_settings(settings, None, context(), "judge")
    engine = engines.make(settings, None, context(), "judge")
    assert isinstance(engine, DataParallelEngine) and engine.can_constrain
    expected = list(local.generate(PROMPTS, DECODING))
    assert len({generation.completions for generation in expected}) > 5
    assert list(engine.generate(PROMPTS, DECODING)) == expected
    greedy = Decoding(max_tokens=6)
    assert list(engine.generate(PROMPTS, greedy)) == list(local.generate(PROMPTS, greedy))
    texts = [["yes", f"no {number}"] for number in range(len(PROMPTS))]
    for here, there in zip(local.score(PROMPTS, texts), engine.score(PROMPTS, texts), strict=True):
        np.testing.assert_allclose(there.logprobs, here.logprobs, rtol=1e-5)
        assert there.token_counts.tolist() == here.token_counts.tolist()
    choices = [list(e.constrained_choice(PROMPTS, texts, DECODING)) for e in (local, engine)]
    assert choices[0] == choices[1]
    wrong = engines.make({"kind": "hf", "backbone": str(tmp_path)}, None, context(), "judge")
    with pytest.raises(ConfigError, match=r"on .*: backbone"):
        list(wrong.generate(PROMPTS, DECODING))


@pytest.mark.slow
def test_nano_is_trained_once_and_answers_as_in_one_process(engines):
    data, run = toy_dataset(users=60, items=60, length=8).train_view(), context()
    settings = {"kind": "hf", "backbone": "nano"}
    local = make_engine_from_settings(settings, data, run, "teacher")
    engine = engines.make(settings, data, run, "teacher")
    expected = list(local.generate(PROMPTS, DECODING))
    assert list(engine.generate(PROMPTS, DECODING)) == expected


@pytest.mark.slow
def test_lost_processes_and_machines_change_nothing(engines, marks, nodes):
    run, notes = context(), []
    run.progress.advance = lambda steps=1, note="": notes.append(note)
    settings = drawing(marks)
    expected = list(make_engine_from_settings(settings, None, run).generate(PROMPTS, DECODING))
    shutil.rmtree(marks)
    marks.mkdir()
    (marks / "kill").touch()
    engine = engines.make(settings, None, run, "judge")
    assert list(engine.generate(PROMPTS, DECODING)) == expected
    assert len(processes(marks)) > 1 and any("begins anew" in note for note in notes)
    again = sorted(questions(marks))
    assert {*again} == {prompt.key for prompt in PROMPTS} and len(again) <= len(PROMPTS) + 1
    nodes.kill()
    assert list(engine.generate(PROMPTS, DECODING)) == expected
    nodes.add()


def test_errors_are_those_of_one_process(engines, marks):
    engine = engines.make(drawing(marks), None, context(), "judge")
    with pytest.raises(EngineError, match="raised ArithmeticError"):
        list(engine.score(PROMPTS, [["a"]] * len(PROMPTS)))


def test_servers_are_asked_from_here(engines):
    settings = {"kind": "openai", "model": "m", "base_url": "http://127.0.0.1:9"}
    notes, run = [], context()
    run.progress.advance = lambda steps=1, note="": notes.append(note)
    engine = engines.make(settings, None, run, "judge")
    assert not isinstance(engine, DataParallelEngine) and "asks a server" in notes[0]


@pytest.fixture
def judged(free_cluster, marks, tmp_path):
    """Judges copies of the same runs, and returns the tables of the verdicts."""
    path = tmp_path / "recs.py"
    path.write_text(path.read_text() + SAMPLERS + EXPLAINERS)
    toy = {"source": "toy", "options": {"users": 30, "items": 50}, "candidates": {"count": 4}}
    decoding = {"temperature": 0.8, "max_tokens": 50}
    config = {"engine": drawing(marks), "rubric": "rationale-quality", "decoding": decoding}
    judge = {"judge": "judges.llm_judge:LLMJudge", "label": "model", "config": config}
    suite = make_suite(
        "Explains", "ExplainsMore", datasets=[{"name": "toy", **toy}], decoding={"n": 1},
        protocols=["scored", "sampled"], judging={"cases": 20, "judges": [judge]},
    )  # fmt: skip
    run_all(suite, tmp_path)

    def judge_copy(name, again=False, **options):
        store = tmp_path / name
        if not store.exists():
            shutil.copytree(tmp_path / "runs", store)
        planned = plan_judging(suite, store=store, data=tmp_path / "data", **options)
        execute_judging(planned, again=again, data=tmp_path / "data", progress=False)
        runs = find_judgeable_runs(Store(store), suite, suite.name, tmp_path / "data")
        tables = {}
        for run in runs:
            (path,) = run.run.path.rglob("model*.parquet")
            tables[run.title] = pl.read_parquet(path).to_dicts()
        return tables

    return judge_copy


def test_verdicts_are_those_of_one_process_and_answers_are_asked_for_once(judged, marks):
    expected = judged("here")
    asked = sorted(questions(marks))
    assert len(expected) == 2 and len(asked) > 10
    (marks / "asked").unlink()
    (marks / "kill").touch()
    assert judged("there", executor="ray", executor_options=["requests=3"]) == expected
    again = questions(marks)
    assert {*again} == {*asked} and len(again) <= len(asked) + 2  # those before it was killed
    assert len(processes(marks) - {os.getpid()}) > 1
    before = len(again)
    for options in ({}, {"executor": "ray", "executor_options": ["actors=1"]}):
        judgements = Store(marks.parent / "there")
        for run in judgements.runs():
            shutil.rmtree(run.path / "judgements")
        tables = judged("there", **options)
        for title, rows in tables.items():
            for row, verdict in zip(rows, expected[title], strict=True):
                assert row | {"usage": None} == verdict | {"usage": None}
    assert len(questions(marks)) == before


@pytest.mark.slow
@pytest.mark.usefixtures("free_cluster")
def test_rationales_are_those_of_one_process(marks, tmp_path):
    (tmp_path / "teacher.toml").write_text(
        f'kind = "llm"\nengine = {{ kind = "draws.py:Draws", marks = "{marks}" }}\n'
        "decoding = { temperature = 0.7, max_tokens = 9 }\n"
    )
    plan = partial(
        plan_rationales, "quickstart", teacher=tmp_path / "teacher.toml", limit_users=8,
        validation_cases=3, data=tmp_path / "data",
    )  # fmt: skip
    here = plan(cache=tmp_path / "cache-here")
    list(here.describe())
    list(here.write(tmp_path / "here.jsonl", None))
    asked = sorted(questions(marks))
    (marks / "asked").unlink()
    job = plan(cache=tmp_path / "cache-there", executor="ray", executor_options=["actors=2"])
    assert "asked" not in [path.name for path in marks.iterdir()] and list(job.describe())
    assert not questions(marks)
    list(job.write(tmp_path / "there.jsonl", None))
    assert sorted(questions(marks)) == asked
    first, second = (
        [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        for name in ("here", "there")
    )
    assert first == second and len(first) > 8


@pytest.mark.slow
@pytest.mark.usefixtures("free_cluster")
def test_control_c_leaves_no_process(marks, nodes, tmp_path):
    (tmp_path / "main.py").write_text(f"""
from benchkit.runs.executors.ray_engines import RayEngineConfig, RayEngines
from tests.runs.executors.test_ray_engines import DECODING, PROMPTS, context, drawing
from benchkit.lm.data_parallel.engine_factory import make_chosen_engine, use_engine_factory

with use_engine_factory(RayEngines(RayEngineConfig(address={nodes.address!r}))):
    engine = make_chosen_engine(drawing({str(marks)!r}, wait=True), None, context(), "judge")
    list(engine.generate(PROMPTS, DECODING))
""")
    process = subprocess.Popen(
        [sys.executable, "main.py"], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    wait_until(lambda: len(processes(marks)) == 3)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert errors.count("KeyboardInterrupt") == 1
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes(marks)))
    assert ray.is_initialized()

"""A process that holds engines: what it builds them from, and what it says of errors."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchkit.errors import ConfigError, EngineError
from benchkit.lm.backbones import make_engine_from_settings
from benchkit.lm.data_parallel.engine import EngineCall
from benchkit.lm.types import Decoding, Message, Prompt
from benchkit.runs.cluster import engine_host
from benchkit.runs.cluster.engine_host import EngineHost, EngineShipment, hash_engine_code
from benchkit.runs.cluster.file_sender import FILES_HERE, FileSender, change_settings, resolve_name
from benchkit.testing.fixtures import run_context, toy_dataset
from tests.support.drawn_answers import ENGINE, questions

PROMPTS = [Prompt(f"p{number}", (Message("user", "hello"),)) for number in range(3)]
DECODING = Decoding(temperature=1.0)
CALL = EngineCall("generate", (PROMPTS, DECODING))


@pytest.fixture
def settings(methods, tmp_path):
    (tmp_path / "draws.py").write_text("from helper import seeds\n" + ENGINE)
    (tmp_path / "helper.py").write_text("from benchkit import seeds\n")
    (tmp_path / "marks").mkdir()
    return {"kind": "draws.py:Draws", "marks": str(tmp_path / "marks")}


@pytest.fixture
def shipment(settings, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    files = {}
    sender = FileSender(lambda data: data)
    placed = change_settings(settings, lambda *text: sender.replace(*text, files))
    return EngineShipment(
        settings=placed, files=files, code=hash_engine_code(settings), commits={}, catalog=None,
        owner="judge", seed=0, device="cpu", threads=1,
    )  # fmt: skip


def host(folder):
    return EngineHost(folder, lambda reference: reference)


def test_code_comes_along_and_answers_are_the_same(settings, shipment, tmp_path):
    assert shipment.settings["kind"].startswith(FILES_HERE) and len(shipment.files) == 1
    context = run_context(toy_dataset(users=60, items=60, length=8).catalog)
    expected = list(make_engine_from_settings(settings, None, context).generate(PROMPTS, DECODING))
    for name in ("draws.py", "helper.py"):
        (tmp_path / name).unlink()  # as on another machine
    there = host(tmp_path / "there")
    for _ in range(2):  # it builds an engine once, and keeps it
        reply = there.answer("key", shipment, CALL)
        assert reply.error is None and list(reply.results) == expected


def test_what_was_answered_before_an_error_comes_back(shipment, tmp_path):
    shipment = replace(shipment, settings={**shipment.settings, "breaks_at": "p2"})
    reply = host(tmp_path / "there").answer("key", shipment, CALL)
    assert len(reply.results) == 2
    assert isinstance(reply.error, EngineError) and "raised ZeroDivisionError" in str(reply.error)


def test_other_code_and_other_models_are_refused(shipment, tmp_path, monkeypatch):
    reply = host(tmp_path / "there").answer("key", replace(shipment, code="other"), CALL)
    assert isinstance(reply.error, ConfigError) and "install the same" in reply.error.hint
    monkeypatch.setattr(engine_host, "find_commits", lambda _: {"model": "m@2", "lora": "l@1"})
    other = replace(shipment, commits={"model": "m@1"})
    reply = host(tmp_path / "there").answer("key", other, CALL)
    assert isinstance(reply.error, ConfigError) and "was to be m@1" in reply.error.cause
    assert not questions(Path(shipment.settings["marks"]))


def test_files_of_a_disk_in_common_have_their_whole_path(settings, tmp_path):
    assert resolve_name("kind", settings["kind"], "") == f"{tmp_path}/draws.py:Draws"
    assert resolve_name("model", "org/model", "vllm") == "org/model"

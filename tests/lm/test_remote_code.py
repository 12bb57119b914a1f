"""A model's own code does not run unless it is asked for by name."""

import json

import pytest

from benchkit.errors import ConfigError
from benchkit.lm.backbones import load_backbone
from benchkit.lm.config import LMConfig
from benchkit.lm.engines import validate_engine_config
from benchkit.lm.engines.openai.server_tokenizer import load_tokenizer
from benchkit.lm.engines.vllm import VLLMEngine
from benchkit.types import RunContext

CODE = """
import pathlib
pathlib.Path({mark!r}).touch()
from transformers import PretrainedConfig
class Mine(PretrainedConfig):
    model_type = "mine"
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A model folder with code, whose reader would answer yes to any question."""
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    folder = tmp_path / "model"
    folder.mkdir()
    auto = {"AutoConfig": "code_of_mine.Mine", "AutoTokenizer": ["code_of_mine.Mine", None]}
    (folder / "config.json").write_text(json.dumps({"model_type": "mine", "auto_map": auto}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": auto}))
    (folder / "code_of_mine.py").write_text(CODE.format(mark=str(tmp_path / "ran")))
    return folder


def test_a_backbone_with_code_is_refused(model, tmp_path):
    run = RunContext(0, None, tmp_path, None, cache=tmp_path)
    with pytest.raises(ConfigError, match=r"code of its own[\s\S]*trust_remote_code = true"):
        load_backbone(LMConfig(backbone=str(model)), None, run)
    assert not (tmp_path / "ran").exists()


def test_a_tokenizer_with_code_is_refused(model, tmp_path):
    with pytest.raises(ConfigError, match=r"code of its own[\s\S]*trust_remote_code = true"):
        load_tokenizer(str(model))
    assert not (tmp_path / "ran").exists()


def test_with_the_setting_it_runs(model, tmp_path):
    with pytest.raises(TypeError):  # its class is no tokenizer
        load_tokenizer(str(model), trust_remote_code=True)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("trust", [False, True])
def test_vllm_is_told_in_so_many_words(trust):
    seen = {}

    class VLLM:
        def LLM(self, **arguments):
            seen.update(arguments)

    settings = {"kind": "vllm", "model": "m"} | ({"trust_remote_code": True} if trust else {})
    engine = VLLMEngine(validate_engine_config(settings))
    engine.__dict__["_vllm"] = VLLM()
    _ = engine._llm
    assert seen["trust_remote_code"] is trust


def test_the_setting_is_part_of_an_identity_only_where_it_is_set():
    for config in (
        LMConfig(), validate_engine_config({"kind": "vllm", "model": "m"}),
        validate_engine_config({"kind": "openai", "model": "m"}),
    ):  # fmt: skip
        assert "trust_remote_code" not in config.model_dump_json()
    assert LMConfig(trust_remote_code=True).model_dump()["trust_remote_code"] is True


def test_options_of_vllm_do_not_repeat_settings():
    options = {"trust_remote_code": True}
    with pytest.raises(ConfigError, match="set it beside options"):
        validate_engine_config({"kind": "vllm", "model": "m", "options": options})

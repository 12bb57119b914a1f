"""Engines are found by name, and only the one that is used is imported."""

import subprocess
import sys

import pytest

from benchkit.errors import ConfigError
from benchkit.lm.config import LMConfig
from benchkit.lm.engines import make_engine, validate_engine_config
from benchkit.source_hash import hash_sources

ENGINE = """
from benchkit.lm.types import Completion, EngineSettings, Generation


class ParrotConfig(EngineSettings):
    word: str = "hello"


class Parrot:
    Config = ParrotConfig
    can_score = can_constrain = False

    def __init__(self, word):
        self.word = word

    @classmethod
    def from_config(cls, config, load_backbone, cache_dir):
        return cls(config.word)

    def generate(self, prompts, decoding):
        for _ in prompts:
            yield Generation((Completion(self.word, "stop", 1),))

    def score(self, prompts, continuations, end=True):
        raise AssertionError("can_score is False")

    def count_tokens(self, text):
        return len(text)
"""


def no_backbone():
    raise AssertionError("not needed")


def test_an_engine_is_one_file(tmp_path):
    path = tmp_path / "parrot.py"
    path.write_text(ENGINE)
    values = {"kind": f"{path}:Parrot", "word": "tea"}
    config = LMConfig.model_validate({"backbone": "m", "engine": values})
    assert config.model_dump()["engine"] == values
    engine = make_engine(config.engine, no_backbone, tmp_path)
    assert next(engine.generate(["x"], None)).completions[0].text == "tea"
    with pytest.raises(ConfigError, match="engine: wort: unknown key"):
        validate_engine_config({**values, "wort": "tea"})


@pytest.mark.parametrize("wrong", ({}, {"kind": "hff"}, {"kind": "math:pi"}, None))
def test_settings_of_no_engine_are_refused(wrong):
    with pytest.raises(ConfigError):
        validate_engine_config(wrong)


def test_only_the_engine_that_is_used_is_imported():
    code = (
        "import sys; import benchkit.lm.recommender, benchkit.lm.engines.hf; "
        "from benchkit.lm.config import LMConfig; LMConfig(); "
        "print([m for m in sys.modules if '.engines.openai' in m or '.engines.vllm' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_code_of_engines_is_separate(monkeypatch):
    from pathlib import Path

    import benchkit.lm.engines as engines
    from benchkit import source_hash

    seen = []
    parse = source_hash._parse_module

    def record(path, modified):
        seen.append(path.relative_to(Path(engines.__file__).parents[3]).as_posix())
        return parse(path, modified)

    monkeypatch.setattr(source_hash, "_parse_module", record)
    folder = Path(engines.__file__).parent
    hash_sources(folder / "hf.py", folder.parent / "recommender.py")
    assert not [name for name in seen if "openai" in name or "vllm" in name]
    hash_sources(folder / "vllm.py")
    assert not [name for name in seen if "openai" in name]

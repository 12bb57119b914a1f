"""What a run id is made of, and what changes nothing."""

from pathlib import Path

from pydantic import BaseModel

from benchkit.fingerprint import canonical_settings
from benchkit.lm.teachers.llm import LLMTeacherConfig


class Inner(BaseModel):
    path: Path


class Config(BaseModel):
    file: Path | None = None
    inner: Inner | None = None
    listed: tuple[Inner, ...] = ()
    named: dict[str, Inner] = {}
    plain: str = "text"


def test_a_file_counts_by_its_content_alone(tmp_path):
    one, other = tmp_path / "one.jsonl", tmp_path / "sub" / "other.jsonl"
    other.parent.mkdir()
    one.write_text("same")
    other.write_text("same")

    def of(path):
        inner = Inner(path=path)
        return canonical_settings(
            Config(file=path, inner=inner, listed=(inner,), named={"a": inner})
        )

    first = of(one)
    assert first == of(other)
    other.write_text("changed")
    assert first != of(other)
    hashed = first["file"]
    assert first["inner"] == {"path": hashed}
    assert first["listed"] == [{"path": hashed}]
    assert first["named"] == {"a": {"path": hashed}}
    assert first["plain"] == "text"
    assert canonical_settings(Config(file=tmp_path / "absent"))["file"] == {"sha256": None}
    assert canonical_settings(Config())["file"] is None
    assert canonical_settings(None) == {}


def test_a_teachers_prompt_counts_by_its_text(tmp_path):
    prompt = tmp_path / "own.toml"
    text = 'answer = "rated"\nsystem = "s"\nuser = "{history} {candidates} {item}%s"\n'
    prompt.write_text(text % "")
    config = LLMTeacherConfig(engine={"kind": "hf"}, prompt=str(prompt))
    first = canonical_settings(config)["prompt_hash"]
    prompt.write_text(text % " more")
    assert canonical_settings(config)["prompt_hash"] != first
    assert canonical_settings(config.model_copy(update={"verify": True}))["prompt_hash"] != first

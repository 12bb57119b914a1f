"""Models from TOML: every problem is reported, at the path of its key."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from benchkit.config.loading import load_model, read_toml, validate_model
from benchkit.errors import ConfigError, DataError


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    size: int = Field(default=1, ge=1)
    kind: str = Field(default="", alias="class")


class Small(Part):
    model: Literal["small"]


class Large(Part):
    model: Literal["large"]
    layers: int = 2


Either = TypeAdapter(Annotated[Small | Large, Field(discriminator="model")])


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")

    part: Part | None = None
    parts: tuple[Part, ...] = ()
    by_name: dict[str, Part] = {}
    tagged: Annotated[Small | Large, Field(discriminator="model")] | None = None
    either: Small | Large | None = None

    @model_validator(mode="after")
    def _check(self):
        if self.part and self.part.name == "wrong":
            raise ConfigError("this part is wrong", "take another one")
        if self.part and self.part.name == "bad":
            raise ValueError("this part is bad")
        return self


def problems(values, model=Whole):
    with pytest.raises(ConfigError) as caught:
        validate_model(model, values, "file")
    return str(caught.value)


def test_all_problems_are_listed_with_their_places():
    values = {
        "part": {"nam": "x", "size": 0},
        "parts": [{"name": "a"}, {"name": "b", "sice": 3}],
        "by_name": {"one": {"name": "a", "clas": "x"}},
        "prat": 1,
    }
    assert problems(values).splitlines() == [
        "file: 6 problems",
        "  part.name: is missing",
        "  part.size: Input should be greater than or equal to 1",
        "  part.nam: unknown key; did you mean 'name'?",
        "  parts.1.sice: unknown key; did you mean 'size'?",
        "  by_name.one.clas: unknown key; did you mean 'class'?",
        "  prat: unknown key; did you mean 'part' or 'parts'?",
        "  hint: correct these values",
    ]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"tagged": {"model": "large", "name": "x", "layer": 1}}, "tagged.layer: unknown key; did"),
        ({"tagged": {"model": "large", "name": "x", "layers": "y"}}, "tagged.layers: Input should"),
        ({"tagged": {"model": "medium", "name": "x"}}, "tagged: Input tag 'medium'"),
        ({"part": {"name": "bad"}}, "file: this part is bad"),
        ({"part": {"name": "wrong"}}, "file: this part is wrong\n  hint: take another one"),
        ({"part": 3}, "part: Input should be"),
        ({"zzz": 1}, "zzz: unknown key; known: by_name, either, part, parts, tagged"),
    ],
)
def test_a_problem_is_described_by_the_keys_of_the_file(values, problem):
    assert problem in problems(values)


def test_members_of_a_union_are_not_part_of_the_path():
    text = problems({"either": {"model": "large", "nam": "x"}})
    assert "either.nam: unknown key" in text and "Large" not in text


def test_an_adapter_and_a_text_of_json():
    assert validate_model(Either, {"model": "small", "name": "x"}, "file").name == "x"
    assert "layerz: unknown key; did you mean 'layers'?" in problems(
        '{"model": "large", "name": "x", "layerz": 2}', Either
    )
    assert "Invalid JSON" in problems("{", Either)


def test_files_that_cannot_be_read_are_named(tmp_path):
    path = tmp_path / "part.toml"
    with pytest.raises(DataError, match=r"part.toml: cannot be read[\s\S]*check the path"):
        load_model(path, Part, error=DataError)
    path.write_text("name = ")
    with pytest.raises(ConfigError, match="correct the TOML"):
        read_toml(path)
    path.write_text('name = "x"')
    assert load_model(path, Part).name == "x"
    path.write_text('size = "x"')
    with pytest.raises(DataError, match=r"part.toml: 2 problems\n  name: is missing"):
        load_model(path, Part, error=DataError)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'name = "x"\nsize = "\xe9"\n', "line 2 is not UTF-8[\\s\\S]*save the file as UTF-8"),
        ('name = "x"'.encode("utf-16"), "is not UTF-8"),
        (b"\0\1\2", "correct the TOML"),
        (b"name = " + b"[" * 3000, "nested too deeply|correct the TOML"),
        (b"size = " + b"9" * 5000, "correct the TOML"),
        (b"size = nan", "size: not a finite number"),
        (b"a = [1, { b = [inf, -inf] }]", "a.1.b.0, a.1.b.1: not a finite number"),
        (b"size = 1e400", "size: not a finite number"),
    ],
)
def test_what_is_no_toml_of_ours_is_named(tmp_path, content, message):
    (tmp_path / "part.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_toml(tmp_path / "part.toml")


def test_a_byte_order_mark_is_no_fault(tmp_path):
    (tmp_path / "part.toml").write_bytes(b'\xef\xbb\xbfname = "x"\n')
    assert read_toml(tmp_path / "part.toml") == {"name": "x"}


class Rows(BaseModel):
    rows: tuple[Part, ...] = Field(min_length=1)


def test_a_list_is_not_called_too_short_because_its_rows_are_wrong():
    assert problems({"rows": [{"size": 1}]}, Rows).startswith("file: rows.0.name: is missing")
    assert "rows: needs 1 or more" in problems({"rows": []}, Rows)

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

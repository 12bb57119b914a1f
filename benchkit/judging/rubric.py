"""Rubrics: what a rationale is graded by. A rubric is data, a TOML file, and has a hash."""

import hashlib
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from benchkit.config.loading import read_toml, validate_model
from benchkit.errors import unknown_name_error
from benchkit.judging.reply_form import TAG, ReplyForm

B_BETTER, A_BETTER = 1, 3  # grades; a tie is between of a pairwise rubric
_PAIR_PARTS = ("item_a", "rationale_a", "item_b", "rationale_b")


class Criterion(BaseModel):
    """One scale of a rubric: whole grades from `low` to `high`, higher is better."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z-]*$")
    low: int
    high: int
    description: str
    levels: dict[int, str] = Field(default_factory=dict)
    """Grade -> what it means; all of them, or only some."""

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if outside := [level for level in self.levels if not self.low <= level <= self.high]:
            raise ValueError(f"level {outside[0]} is outside {self.low}..{self.high}")
        return self

    @property
    def grades(self) -> range:
        """All grades, ascending."""
        return range(self.low, self.high + 1)


class Rubric(BaseModel):
    """What is judged, and how.

    `invalid`, `wrong` and `missing` are the grades that an answer gets without a judge. Without
    `wrong`, a wrong item is judged all the same; without `invalid` or `missing` there is nothing to
    judge, and the answer is unscored.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    source: str
    """Where it comes from."""
    shows_target: bool = False
    """Whether the judge is shown which item was taken."""
    invalid: int | None = None
    """Grade of an answer that names no candidate."""
    wrong: int | None = None
    """Grade of an answer that names another item than the one taken."""
    missing: int | None = None
    """Grade of an answer without a rationale."""
    criteria: tuple[Criterion, ...] = Field(min_length=1)
    reply: tuple[ReplyForm, ...] = Field(default=(TAG,), min_length=1)
    """The forms in which verdicts are read (`benchkit.judging.reply_form`); a judge is asked for
    the first."""
    pairwise: bool = False
    """Whether it asks which of two answers to a request is better: A, shown first, or B. Its one
    criterion has the grades 1 (`B_BETTER`), 2 and 3 (`A_BETTER`)."""
    half_grades: bool = False
    """Whether a judge may give grades half-way between two whole ones, such as 3.5."""
    system: str
    """System message of a language model."""
    user: str
    """User message, with {history}, {item}, {rationale}, {target} (if shown) and {scale} (the
    criteria in words); of a pairwise rubric with {item_a}, {rationale_a}, {item_b} and
    {rationale_b}."""

    @field_validator("reply", mode="before")
    @classmethod
    def _as_forms(cls, value: Any) -> Any:
        return value if isinstance(value, list | tuple) else (value,)

    @model_validator(mode="after")
    def _check_reply(self) -> Self:
        for form in self.reply:
            if form.kind == "fraction" and len(self.criteria) > 1:
                raise ValueError("reply 'fraction' cannot say which criterion: write 'rating'")
            if form.kind == "fraction" and self.main.high < 1:
                raise ValueError("reply 'fraction' needs a highest grade above 0")
            if form.kind != "letter":
                continue
            if self.half_grades:
                raise ValueError("reply 'letter' has no half grades")
            for criterion in self.criteria:
                if len(form.letters(len(criterion.grades))) != len(criterion.grades):
                    raise ValueError(
                        f"reply 'letter' needs a letter for each of the {len(criterion.grades)}"
                        f" grades of {criterion.name}"
                    )
        return self

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        names = [criterion.name for criterion in self.criteria]
        if len(set(names)) < len(names):
            raise ValueError("two criteria have the same name")
        for name in ("invalid", "wrong", "missing"):
            grade = getattr(self, name)
            if grade is not None and any(grade not in c.grades for c in self.criteria):
                raise ValueError(f"{name} = {grade} is not a grade of every criterion")
        if self.wrong is not None and not self.shows_target:
            raise ValueError("wrong items cannot be graded apart where the target is not shown")
        shown = _PAIR_PARTS if self.pairwise else ("item", "rationale")
        for name in ["history", *shown, *["target"] * self.shows_target]:
            if f"{{{name}}}" not in self.user:
                raise ValueError(f"user: {{{name}}} is missing")
        if not self.shows_target and "{target}" in self.user:
            raise ValueError("user: has {target}, and the rubric does not show the target")
        return self

    @model_validator(mode="after")
    def _check_pairwise(self) -> Self:
        if not self.pairwise:
            return self
        limits = [(criterion.low, criterion.high) for criterion in self.criteria]
        if limits != [(B_BETTER, A_BETTER)] or self.half_grades:
            raise ValueError(
                f"a pairwise rubric has one criterion, with whole grades from {B_BETTER} (B is"
                f" better) to {A_BETTER} (A is better)"
            )
        if any(getattr(self, name) is not None for name in ("invalid", "wrong", "missing")):
            raise ValueError("a pairwise rubric grades nothing without a judge")
        return self

    @property
    def main(self) -> Criterion:
        """The criterion that tables show: the first."""
        return self.criteria[0]

    @property
    def hash(self) -> str:
        """Hash of everything that can change a grade."""
        # What rubrics did not say once is left out where it is the default: their hashes stay.
        later = {"reply": (TAG,), "half_grades": False, "pairwise": False}
        default = {name for name, value in later.items() if getattr(self, name) == value}
        text = self.model_dump_json(exclude={"title", "source", *default})
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def rubric_files() -> dict[str, Path]:
    """Return name -> file of the rubrics that come with benchkit."""
    folder = Path(str(resources.files("benchkit") / "judging" / "rubrics"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


@lru_cache(maxsize=32)
def load_rubric(name: str) -> Rubric:
    """Return a rubric by name, or by the path of a TOML file. Raises ConfigError for a fault."""
    rubrics = rubric_files()
    path = Path(name) if name.endswith(".toml") else rubrics.get(name)
    if path is None:
        raise unknown_name_error("rubric", name, rubrics)
    return validate_model(Rubric, {"name": path.stem, **read_toml(path)}, str(path))

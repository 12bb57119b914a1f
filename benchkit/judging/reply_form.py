"""The forms that a verdict can have in a judge's reply, as a rubric's file names them.

reply = "tag"                     # <eval>RATING-n</eval>, the default
reply = { tag = "score" }         # <score>n</score>
reply = "json"                    # {"rating": n}: a field for each criterion
reply = { json = "score" }        # {"score": n}; of several criteria {"score": {"wit": n, ...}}
reply = "rating"                  # Rating: n, n/5 or n out of 5; of several criteria "Wit: n"
reply = "fraction"                # n/5
reply = "letter"                  # Grade: B, where A is the best grade
reply = { letter = "DCBA" }       # the same, by letters from the lowest grade to the highest
reply = ["tag", "rating"]         # any of these; judges are asked for the first
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

ReplyKind = Literal["tag", "json", "rating", "fraction", "letter"]
_NAMED = ("tag", "json", "letter")  # kinds that may have a name
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class ReplyForm(BaseModel):
    """One form of a verdict."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ReplyKind
    name: str = ""
    """The tag, the JSON field, or the letters from the lowest grade to the highest; "" for the
    default."""

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"kind": value}
        if isinstance(value, Mapping) and len(value) == 1 and "kind" not in value:
            ((kind, name),) = value.items()
            return {"kind": kind, "name": name}
        return value

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        if self.name and self.kind not in _NAMED:
            raise ValueError(f"reply {self.kind!r} takes no name")
        if self.kind == "tag" and not self.tag.replace("_", "").isalpha():
            raise ValueError(f"{self.name!r} is no name of a tag: letters and _ only")
        letters = self.name.upper()
        if self.kind == "letter" and (
            len(set(letters)) < len(letters) or any(c not in _ALPHABET for c in letters)
        ):
            raise ValueError(f"{self.name!r} are not letters from A to Z, each once")
        return self

    @property
    def tag(self) -> str:
        """The tag around a verdict."""
        return self.name or "eval"

    def letters(self, count: int) -> str:
        """Return the letters of `count` grades, from the lowest to the highest."""
        return self.name.upper() or _ALPHABET[:count][::-1]


TAG = ReplyForm(kind="tag")

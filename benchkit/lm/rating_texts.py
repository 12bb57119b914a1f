"""What prompts say about ratings in general: on whatever scale, or nothing where there are none."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, Field, model_validator

from benchkit.rating_scale import LIKED_STARS, RatingScale

_PLACE = re.compile(r"\{(\w+)\}")
_MESSAGES = ("system", "user", "instruction")


class PromptTexts(BaseModel):
    """Texts of a prompt with places that depend on the ratings of the dataset.

    rated, unrated: name of a place -> what stands there, where the dataset has ratings and where it
        has none. A text of `rated` may have {words} ("Terrible, Bad, Okay, Good or Excellent"),
        {top} ("Excellent"), {best} ("5") and {liking} ("rate 4 or 5") in it.
    """

    other_places: ClassVar[tuple[str, ...]] = ()
    """Places of the texts that are filled with something else."""

    rated: dict[str, str] = Field(default={}, exclude_if=lambda texts: not texts)
    unrated: dict[str, str] = Field(default={}, exclude_if=lambda texts: not texts)

    @model_validator(mode="after")
    def _check_places(self) -> Self:
        if differing := sorted(self.rated.keys() ^ self.unrated.keys()):
            raise ValueError(f"{differing[0]!r} is in one of rated and unrated alone")
        if reserved := sorted(self.rated.keys() & set(self.other_places)):
            raise ValueError(f"rated: {{{reserved[0]}}} has another meaning already")
        return self

    def fit_to_scale(self, scale: RatingScale | None) -> Self:
        """Return a copy that speaks of ratings as a dataset has them.

        Args:
            scale: Of the dataset's ratings; None where it has none.

        >>> class Question(PromptTexts):
        ...     user: str
        >>> texts = {"rated": {"what": "rated ({words})"}, "unrated": {"what": "chose"}}
        >>> question = Question(user="The user {what}: {history}", **texts)
        >>> question.fit_to_scale(RatingScale(0, 1, is_binary=True)).user
        'The user rated (Disliked or Liked): {history}'
        >>> question.fit_to_scale(None).user
        'The user chose: {history}'
        """
        if not self.rated:
            return self
        texts: Mapping[str, str] = self.unrated
        if scale is not None:
            terms = _terms(scale)
            texts = {name: _substitute(text, terms) for name, text in self.rated.items()}
        names = [name for name in _MESSAGES if name in type(self).model_fields]
        filled = {name: _substitute_all(getattr(self, name), texts) for name in names}
        return self.model_copy(update={**filled, "rated": {}, "unrated": {}})


def _substitute_all(value: str | BaseModel, texts: Mapping[str, str]) -> str | BaseModel:
    """Fill the places of a text, or of each text of a model."""
    if isinstance(value, str):
        return _substitute(value, texts)
    parts: dict[str, Any] = dict(value)
    return value.model_copy(update={name: _substitute(parts[name], texts) for name in parts})


def _substitute(text: str, texts: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda match: texts.get(match[1], match[0]), text)


def _terms(scale: RatingScale) -> dict[str, str]:
    """Return the words for a scale."""
    *others, top = scale.words
    if scale.is_binary:
        liking = "like"
    elif scale.counts_stars:
        liking = "rate 4 or 5"
    else:
        liking = f"rate {scale.from_stars(LIKED_STARS):g} or higher"
    best = top if scale.is_binary else f"{scale.high:g}"
    return {"words": f"{', '.join(others)} or {top}", "top": top, "best": best, "liking": liking}

"""Prompts of language-model teachers: TOML files with a hash, rendering and parsing."""

import re
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from pydantic import ConfigDict, NonNegativeInt

from benchkit.config.loading import load_model
from benchkit.errors import unknown_name_error
from benchkit.fingerprint import hash_json
from benchkit.lm.rating_texts import PromptTexts
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.tokens.control_tokens import quote, unquote
from benchkit.lm.types import Message, Prompt
from benchkit.rating_scale import word_or_number
from benchkit.types import Catalog, Event

_FOLDER = Path(__file__).parent / "templates"
_PLACES = ("history", "candidates", "item", "rationale")
_PLACEHOLDERS = re.compile(rf"\{{({'|'.join(_PLACES)})\}}")
# To be raised when rendering changes, so that no stored answer to another prompt is used.
_VERSION = 1
_THINK = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)


class TeacherPromptTemplate(PromptTexts):
    """A prompt with the placeholders {history}, {candidates}, {item} and {rationale}."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    other_places: ClassVar[tuple[str, ...]] = _PLACES

    system: str
    """The system message."""
    user: str
    """The user's message."""
    answer: Literal["rated", "flagged", "item"]
    """Tags of the answer: `rated` <rationale> and <rating>, `flagged` <rationale> and <coherent>,
    `item` <item>."""
    columns: tuple[str, ...] = ()
    """Texts of an item shown besides its title, where the catalogue has them."""
    column_chars: NonNegativeInt = 0
    """Characters after which these texts are cut; 0 leaves them out."""
    review_chars: NonNegativeInt = 0
    """Characters after which reviews are cut; 0 leaves them out."""

    @property
    def hash(self) -> str:
        """Return a hash of the prompt's content; comments in its file do not count."""
        return hash_json({**self.model_dump(mode="json"), "version": _VERSION})

    def render(self, question: TeacherQuestion, catalog: Catalog, rationale: str = "") -> Prompt:
        """Return the prompt for a question.

        Placeholders in the texts of items are not filled, and control tokens are quoted.
        """
        texts = {
            "history": "\n".join(
                f"({number}) {self._event(event, catalog)}"
                for number, event in enumerate(question.history, 1)
            ),
            "candidates": "\n".join(self._item(item, catalog) for item in question.candidates),
            "item": self._item(question.item, catalog),
            "rationale": rationale,
        }
        texts = {place: quote(text) for place, text in texts.items()}
        template = self.fit_to_scale(catalog.rating_scale)
        user = _PLACEHOLDERS.sub(lambda match: texts[match[1]], template.user)
        return Prompt(
            f"{question.key}/{question.item}",
            (Message("system", template.system.strip()), Message("user", user.strip())),
        )

    def _item(self, item: str, catalog: Catalog) -> str:
        parts = [f"Title: {_one_line(catalog.text(item) or item)}"]
        for column in self.columns:
            text = _one_line(catalog.text(item, column) or "")[: self.column_chars]
            parts += [f"{column.replace('_', ' ').capitalize()}: {text}"] if text else []
        return "; ".join(parts)

    def _event(self, event: Event, catalog: Catalog) -> str:
        parts = [self._item(event.item, catalog)]
        if event.rating is not None and catalog.rating_scale is not None:
            parts.append(f"Rating: {word_or_number(catalog.rating_scale, event.rating)}")
        review = _one_line(event.review or "")[: self.review_chars]
        parts += [f"Review: {review}"] if review else []
        return "; ".join(parts)


class TeacherAnswer(NamedTuple):
    """The parts of an answer; which it has depends on `TeacherPromptTemplate.answer`."""

    text: str | None = None
    score: float | None = None
    coherent: bool = True
    item: str | None = None


def load_teacher_prompt(name: str) -> TeacherPromptTemplate:
    """Return a prompt that comes with benchkit, or the one in the TOML file at a path.

    Raises:
        ConfigError: There is no such prompt, or it is wrong.
    """
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml"
    if not name.endswith(".toml") and not path.is_file():
        raise unknown_name_error("prompt", name, (file.stem for file in _FOLDER.glob("*.toml")))
    return load_model(path, TeacherPromptTemplate)


def parse_teacher_answer(answer: str, text: str) -> TeacherAnswer | None:
    """Return the parts of `text`, an answer of kind `answer`; None if it has another form.

    Each tag must occur exactly once, and a rating must be a number from 1 to 7: nothing is guessed.
    All up to the last </think> is the model's own reasoning and is ignored: servers that open it in
    the prompt leave only the close.

    >>> parse_teacher_answer("rated", "<rationale>Teas.</rationale><rating>6</rating>").score
    6.0
    >>> parse_teacher_answer("rated", "<rationale>Teas.</rationale><rating>8</rating>") is None
    True
    """
    text = unquote(text)  # a model may repeat the marks that it has read
    text = _THINK.sub("", text, count=1)
    if answer == "item":
        item = _tagged(text, "item")
        return TeacherAnswer(item=item) if item else None
    rationale = _tagged(text, "rationale")
    if not rationale:
        return None
    if answer == "rated":
        rating = _tagged(text, "rating") or ""
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", rating) or not 1 <= float(rating) <= 7:
            return None
        return TeacherAnswer(rationale, float(rating))
    coherent = (_tagged(text, "coherent") or "").casefold()
    return (
        TeacherAnswer(rationale, coherent=coherent == "yes") if coherent in ("yes", "no") else None
    )


def remove_title(rationale: str, title: str) -> str:
    """Replace the item's title in a rationale, also where it stands without its year.

    >>> remove_title("Like Alien, Aliens is set in space.", "Aliens (1986)")
    'Like Alien, the item is set in space.'
    """
    title = _one_line(title)
    names = {title, re.sub(r"\s*\(\d{4}\)$", "", title)} - {""}
    for name in sorted(names, key=len, reverse=True):
        spaced = r"\s+".join(re.escape(word) for word in name.split())
        rationale = re.sub(rf"(?<!\w){spaced}(?!\w)", "the item", rationale, flags=re.IGNORECASE)
    return rationale


def _tagged(text: str, tag: str) -> str | None:
    """Return the content of the only element `tag`, None if there is none or several."""
    if text.count(f"<{tag}>") != 1 or text.count(f"</{tag}>") != 1:
        return None
    match = re.search(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
    return match[1].strip() if match else None


def _one_line(text: str) -> str:
    """Return the text with each run of white space a single space."""
    return " ".join(text.split())

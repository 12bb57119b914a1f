"""Prompts of language-model teachers: TOML files with a hash, how they are filled and read back."""

import re
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from benchkit.config.loading import load_model
from benchkit.data.rating_labels import rating_label
from benchkit.errors import unknown_name_error
from benchkit.fingerprint import hash_json
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.lm.types import Message, Prompt
from benchkit.types import Catalog, Event

_FOLDER = Path(__file__).parent / "prompts"
_PLACES = re.compile(r"\{(history|candidates|item|rationale)\}")
# Raised when rendering or reading changes, so that no stored answer to another prompt is taken.
_VERSION = 1


class TeacherPromptTemplate(BaseModel):
    """A prompt with the places {history}, {candidates}, {item} and {rationale}.

    answer: the tags asked for: `rated` <rationale> and <rating>, `flagged` <rationale> and
        <coherent>, `item` <item>.
    columns: texts of an item shown besides its title, where the catalogue has them.
    column_chars, review_chars: longer texts are cut; 0 leaves them out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str
    user: str
    answer: Literal["rated", "flagged", "item"]
    columns: tuple[str, ...] = ()
    column_chars: NonNegativeInt = 0
    review_chars: NonNegativeInt = 0

    @property
    def hash(self) -> str:
        """Hash of the prompt's content; what a file says beside it does not count."""
        return hash_json({**self.model_dump(mode="json"), "version": _VERSION})

    def render(self, question: TeacherQuestion, catalog: Catalog, rationale: str = "") -> Prompt:
        """The prompt for a question. Places in the texts of items are not filled."""
        texts = {
            "history": "\n".join(
                f"({number}) {self._event(event, catalog)}"
                for number, event in enumerate(question.history, 1)
            ),
            "candidates": "\n".join(self._item(item, catalog) for item in question.candidates),
            "item": self._item(question.item, catalog),
            "rationale": rationale,
        }
        user = _PLACES.sub(lambda place: texts[place[1]], self.user)
        return Prompt(
            f"{question.key}/{question.item}",
            (Message("system", self.system.strip()), Message("user", user.strip())),
        )

    def _item(self, item: str, catalog: Catalog) -> str:
        shown = [f"Title: {_line(catalog.text(item) or item)}"]
        for column in self.columns:
            text = _line(catalog.text(item, column) or "")[: self.column_chars]
            shown += [f"{column.replace('_', ' ').capitalize()}: {text}"] if text else []
        return "; ".join(shown)

    def _event(self, event: Event, catalog: Catalog) -> str:
        shown = [self._item(event.item, catalog)]
        if event.rating is not None and 1 <= event.rating <= 5:
            shown.append(f"Rating: {rating_label(event.rating)}")
        review = _line(event.review or "")[: self.review_chars]
        shown += [f"Review: {review}"] if review else []
        return "; ".join(shown)


class TeacherAnswer(NamedTuple):
    """What an answer says; see `PromptTemplate.answer` for which parts it has."""

    text: str | None = None
    score: float | None = None
    coherent: bool = True
    item: str | None = None


def load_teacher_prompt(name: str) -> TeacherPromptTemplate:
    """A prompt that comes with benchkit, or the TOML file at a path.

    Raises ConfigError saying what is wrong with it.
    """
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml"
    if not name.endswith(".toml") and not path.is_file():
        raise unknown_name_error("prompt", name, (file.stem for file in _FOLDER.glob("*.toml")))
    return load_model(path, TeacherPromptTemplate)


def parse_teacher_answer(answer: str, text: str) -> TeacherAnswer | None:
    """What `text`, an answer of kind `answer`, says; None where it is not in the form asked for.

    Each tag must stand there exactly once, and a rating be a number from 1 to 7: nothing is
    guessed. A block <think> at the beginning is a model's own thinking and is passed over.

    >>> parse_teacher_answer("rated", "<rationale>Both are teas.</rationale><rating>6</rating>").score
    6.0
    >>> parse_teacher_answer("rated", "<rationale>Both are teas.</rationale><rating>8</rating>") is None
    True
    """
    text = re.sub(r"\A\s*<think>.*?</think>", "", text, flags=re.DOTALL)
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
    """A rationale with the item's title removed, also without its year.

    >>> remove_title("Like Alien, Aliens is set in space.", "Aliens (1986)")
    'Like Alien, the item is set in space.'
    """
    title = _line(title)
    names = {title, re.sub(r"\s*\(\d{4}\)$", "", title)} - {""}
    for name in sorted(names, key=len, reverse=True):
        spaced = r"\s+".join(re.escape(word) for word in name.split())
        rationale = re.sub(rf"(?<!\w){spaced}(?!\w)", "the item", rationale, flags=re.IGNORECASE)
    return rationale


def _tagged(text: str, tag: str) -> str | None:
    """What stands in the only element `tag`, or None."""
    if text.count(f"<{tag}>") != 1 or text.count(f"</{tag}>") != 1:
        return None
    found = re.search(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
    return found[1].strip() if found else None


def _line(text: str) -> str:
    """The text with each run of white space a single space."""
    return " ".join(text.split())

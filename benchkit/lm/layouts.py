"""How items and histories are written in a prompt, and which events of a history are shown."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from benchkit.rating_scale import LIKED_STARS, RatingScale
from benchkit.types import Event

ShownEvents = Literal["all", "liked"]
EVENT_SOURCES = ("rating", "rating_word", "review")


class TemplateModel(BaseModel):
    """A table of a template: unknown keys are refused, and nothing is changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TextField(TemplateModel):
    """One text of an item.

    sources: where it is looked for; the first that is there is taken, and the field is left out
        when none is. `title`, `item_id`; of an event `rating` (4.5, or 8 of 10), `rating_word`
        (Good) and `review`; anything else is a text column of the catalogue.
    limit: characters after which it is cut; for `title` the template's `title_limit` holds.
    """

    sources: tuple[str, ...] = Field(min_length=1)
    label: str = ""
    limit: PositiveInt | None = None

    @model_validator(mode="after")
    def _title_is_cut_alike_everywhere(self) -> Self:
        if "title" in self.sources and self.limit is not None:
            raise ValueError("a title is cut by title_limit, not by a limit of its own")
        return self


class ItemLayout(TemplateModel):
    """How an item is written. between: fields. end: what follows each item."""

    fields: tuple[TextField, ...] = Field(min_length=1)
    between: str = "\n"
    end: str = "\n"


class HistoryLayout(ItemLayout):
    """empty: what stands for a history of which nothing is shown.

    events: `liked` leaves out what the user rated below four stars; without a rating nothing is
        known against an event, so that it stays. max_events: the last so many of these.
    """

    empty: str = ""
    events: ShownEvents = Field(default="all", exclude_if=lambda events: events == "all")
    max_events: PositiveInt | None = None

    def select_events(
        self, history: tuple[Event, ...], scale: RatingScale | None
    ) -> tuple[Event, ...]:
        """Return the events of a history that are shown if there is room for them.

        Args:
            history: Oldest first.
            scale: Of the ratings; None where there are none, and nothing is left out.
        """
        if self.events == "liked" and scale is not None:
            lowest = scale.from_stars(LIKED_STARS)
            history = tuple(
                event for event in history if event.rating is None or event.rating >= lowest
            )
        return history[-self.max_events :] if self.max_events else history

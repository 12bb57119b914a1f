"""What every rationale provider ("teacher") offers: it says why a customer would take an item."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchkit.errors import DataError
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.types import Catalog, Event, Status


@dataclass(frozen=True, slots=True)
class TeacherQuestion:
    """Why would this customer take `item` next? It never says whether the customer did.

    key: names the customer's case; with `item` it names the question.
    history: what came before, oldest first. candidates: the list that the item was chosen from.
    """

    key: str
    history: tuple[Event, ...]
    candidates: tuple[str, ...]
    item: str


@dataclass(frozen=True, slots=True)
class Rationale:
    """An answer. text is None whenever `status` is not `ok`.

    score: coherence of history and item, 1 (no connection) to 7; None where the teacher gives none.
    meta: what else is known of it: `raw`, the answer as received where it could not be used;
        `why`, the reason in words; `evidence`, the items that the text rests on.
    """

    key: str
    item: str
    text: str | None
    score: float | None
    status: Status = "ok"
    meta: Mapping[str, Any] = field(default_factory=dict)


class NoRationaleError(DataError):
    """A teacher has no usable rationale for any of the questions."""


class Teacher(Protocol):
    """A source of rationales and coherence scores for training.

    name: identifies it in files. remark: one line for tables, saying where rationales come from.
    models: the language models that write them.
    """

    name: str
    caveat: str
    models: tuple[str, ...]

    def write(self, questions: Sequence[TeacherQuestion], catalog: Catalog) -> Iterator[Rationale]:
        """One rationale a question, in their order. An answer does not depend on the others."""

    def estimate(self, questions: Sequence[TeacherQuestion], catalog: Catalog) -> CostEstimate:
        """What `write` would ask a language model for. Nothing is asked."""

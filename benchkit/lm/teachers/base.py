"""What every rationale provider ("teacher") offers: it says why a customer would take an item."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from benchkit.errors import DataError
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.lm.types import Engine
from benchkit.types import Catalog, Event, Status


@dataclass(frozen=True, slots=True)
class TeacherQuestion:
    """Why would this customer take `item` next? It never says whether the customer did."""

    key: str
    """Names the customer's case; with `item` it names the question."""
    history: tuple[Event, ...]
    """What came before, oldest first."""
    candidates: tuple[str, ...]
    """The list that the item was chosen from."""
    item: str


@dataclass(frozen=True, slots=True)
class Rationale:
    """A teacher's answer."""

    key: str
    item: str
    text: str | None
    """None whenever `status` is not `ok`."""
    score: float | None
    """Coherence of history and item, 1 (no connection) to 7; None where the teacher gives none."""
    status: Status = "ok"
    meta: Mapping[str, Any] = field(default_factory=dict)
    """`raw`, the answer as received where it could not be used; `why`, the reason in words;
    `evidence`, the items that the text rests on; `coherent`, the teacher's verdict on it."""


class NoRationaleError(DataError):
    """A teacher has no usable rationale for any of the questions."""


class TeacherSettings(BaseModel):
    """Base of the settings of a teacher, which is found by its `kind`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: str
    """Name of the teacher, or its place: `package.module:Class` or `path/to/file.py:Class`."""


class Teacher(Protocol):
    """A source of rationales and coherence scores for training."""

    name: str
    """Identifies it in files."""
    caveat: str
    """One line for tables that says where the rationales come from."""
    models: tuple[str, ...]
    """The language models that write them."""

    def write(self, questions: Sequence[TeacherQuestion], catalog: Catalog) -> Iterator[Rationale]:
        """Yield a rationale for each question, in order. None depends on the other questions."""

    def estimate(self, questions: Sequence[TeacherQuestion], catalog: Catalog) -> CostEstimate:
        """Return what `write` would cost, without asking a language model."""


class TeacherClass(Protocol):
    """What the registry of teachers holds: a class that builds a Teacher from settings."""

    Config: type[Any]
    """Its settings, a subclass of TeacherSettings."""

    def from_config(
        self,
        config: Any,
        cache_dir: Path | None,
        make_engine: Callable[[Mapping[str, Any]], Engine],
    ) -> Teacher:
        """Build the teacher (a class method); see `benchkit.lm.teachers.make_teacher`."""

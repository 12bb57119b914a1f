"""The vocabulary: what the harness asks, what a recommender answers, what it may see to learn.

The smallest useful recommender is one class with `fit` and `predict`; see `Recommender`. What a
judge is shown and says is in `benchkit.judging.verdicts`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from benchkit import seeds
from benchkit.rating_scale import FIVE_STARS, RatingScale

JobT = TypeVar("JobT", contravariant=True)
OutcomeT = TypeVar("OutcomeT", covariant=True)

# `error` is a fault of the engine (an unreadable answer of a server); the others are the method's.
Status = Literal["ok", "unparsed", "refused", "truncated", "error"]
Capability = Literal[
    "scores", "samples", "explains", "cold_users", "cold_items", "zero_shot", "candidates_only"
]


class Event(NamedTuple):
    """One interaction of a user.

    rating: on the scale of the dataset (`Catalog.rating_scale`); None for an event without one.
    timestamp: nanoseconds since 1970-01-01 00:00 UTC, whatever the file had; None without times.
    """

    item: str
    rating: float | None = None
    timestamp: int | None = None
    review: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One question. It never says which candidate is the target.

    history: what the user did before, oldest first.
    candidates: item ids, frozen and shuffled once by a seed that does not know the target. Under
        the `full` protocol they are the whole catalogue, in its order.
    """

    case_id: str
    user: str
    history: tuple[Event, ...]
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One generated answer. A prediction holds its samples in draw order."""

    text: str
    item: str | None
    rationale: str | None
    status: Status


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer.

    scores: one number a candidate, in the order of `Request.candidates`; higher is better.
        None when the recommender could not answer, with a `status` that says why.
    partial: the answer does not rank all candidates. Those that it does not hold (a list that stops
        early, an item that was not retrieved) have the score -inf: they have no rank, so that such
        a target is a miss at every cutoff. Without it every score must be finite.
    lengths: tokens of each candidate, where scores are sums over tokens; the harness then reports
        the ranking by their mean as well.
    samples: what `Sampler.sample` drew, in draw order.
    rationale: why the item ranked first is recommended.
    usage: what the answer cost, e.g. {"prompt_tokens": 812, "seconds": 0.4}.
    fault: what the engine did wrong, where the status, or that of a sample, is `error`; or why
        nothing is there, where all that was generated is `truncated`. Too many such cases fail the
        run (`max_fault_share` of a suite).
    """

    case_id: str
    scores: Sequence[float] | None
    samples: tuple[Sample, ...] = ()
    rationale: str | None = None
    status: Status = "ok"
    usage: Mapping[str, float] = field(default_factory=dict)
    lengths: Sequence[int] | None = None
    fault: str = ""
    partial: bool = False


@dataclass(frozen=True)
class Catalog:
    """The items of a dataset. An item's code is its position in `ids`.

    texts: columns of item text (at least `title`), each aligned with `ids`.
    rating_scale: what the ratings of these items mean; None where nothing is rated, as with clicks.
    """

    ids: tuple[str, ...]
    texts: Mapping[str, Sequence[str | None]]
    rating_scale: RatingScale | None = FIVE_STARS

    def __len__(self) -> int:
        return len(self.ids)

    def __reduce__(self) -> tuple[Any, ...]:
        return Catalog, (self.ids, self.texts, self.rating_scale)  # `index` is made again

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Item id -> code."""
        return {item: code for code, item in enumerate(self.ids)}

    def text(self, item: str, column: str = "title") -> str | None:
        """Return one text of one item; None where the dataset has none."""
        values = self.texts.get(column)
        return None if values is None else values[self.index[item]]


@dataclass(frozen=True)
class Interactions:
    """Interactions as arrays of length N, sorted by user, then by time (oldest first).

    user, item: integer codes. rating, timestamp: None when the dataset has none.
    timestamp: nanoseconds since 1970-01-01 00:00 UTC.
    offsets: [n_users + 1]; the rows of user u are `offsets[u]:offsets[u + 1]`.
    rating: NaN for an interaction without one; `rating_scale` says what the numbers mean.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    offsets: NDArray[np.int64]
    rating: NDArray[np.float32] | None = None
    timestamp: NDArray[np.int64] | None = None
    review: Sequence[str | None] | None = None
    rating_scale: RatingScale = FIVE_STARS

    def __len__(self) -> int:
        return len(self.item)

    def sequence(self, user: int) -> NDArray[np.int32]:
        """Item codes of one user, oldest first."""
        return self.item[self.offsets[user] : self.offsets[user + 1]]


def ratings_or_none(ratings: NDArray[np.float32]) -> list[float | None]:
    """Return ratings [n] for events: None where there is none.

    >>> ratings_or_none(np.array([4.0, np.nan], dtype=np.float32))
    [4.0, None]
    """
    return [None if math.isnan(rating) else rating for rating in ratings.tolist()]


class ValidationCase(NamedTuple):
    """A question with its answer, for model selection."""

    request: Request
    target: str


class TrainView(Protocol):
    """All that `fit` may see. It holds no test case, so a leak is an AttributeError."""

    @property
    def name(self) -> str: ...

    @property
    def users(self) -> Sequence[str]:
        """User ids; a user's code is the position."""

    @property
    def catalog(self) -> Catalog: ...

    @property
    def interactions(self) -> Interactions:
        """Training interactions only: no validation target, no test target."""

    @property
    def validation(self) -> Sequence[ValidationCase]: ...


class Progress(Protocol):
    """A handle for showing how far a recommender is."""

    def start(self, what: str, total: int | None = None) -> None:
        """Begin a stage, e.g. `start("epochs", 20)`."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move the current stage on; `note` is shown beside it, e.g. "loss 4.21"."""


class StageCost(NamedTuple):
    """Seconds that a stage of `fit` takes to compute, and that it took here: less, where another
    run of the store had computed it; more, where that was waited for."""

    cost: float
    seconds_here: float


@dataclass(frozen=True)
class RunContext:
    """What a run gives to a recommender.

    seed: the only source of randomness; use `generator`.
    catalog: the items that requests speak of. In a transfer task these are not the training items.
    scratch: a folder of this run alone. It outlives an interrupted attempt, so checkpoints go here.
    cache: a folder that all runs of a store share, for what several runs need, e.g. a backbone.
        Whatever is kept in it lies under a key of its content.
    artifacts: a folder that stays with the run, for what a method shows of its training; None
        where nothing is kept.
    decoding: parameters of the sampled protocol, e.g. {"temperature": 0.7, "n": 5}: those of the
        suite, or the defaults where nothing is sampled.
    stages: what stages of `fit` cost; see `benchkit.lm.timing`.
    """

    seed: int
    catalog: Catalog
    scratch: Path
    progress: Progress
    cache: Path
    device: str = "cpu"
    threads: int = 1
    artifacts: Path | None = None
    decoding: Mapping[str, float] = field(default_factory=dict)
    stages: dict[str, StageCost] = field(default_factory=dict)

    def generator(self, *key: object) -> np.random.Generator:
        """Return a generator of this run for one purpose: `run.generator("dropout")`.

        Key it by `request.case_id` while predicting, so that an answer does not depend on the
        order or the batch in which it is asked for.
        """
        return seeds.generator(self.seed, *key)


@runtime_checkable
class Recommender(Protocol):
    """A method under test.

    A class may carry a pydantic model named `Config` (with `extra="forbid"`); it is then
    constructed with one validated instance of it, and with no argument otherwise. Constructing is
    part of planning: it must be quick and load no large package.

    capabilities: what it can do; of the class, or of the instance where the Config decides.
        `scores` has `predict` asked, `samples` has `Sampler.sample` asked; `candidates_only` leaves
        it out of the `full` protocol, because it ranks short lists only.

    An attribute `caveats: tuple[str, ...]`, known once it is constructed, holds what a reader must
    know of its row; tables show it as footnotes.
    """

    @property
    def capabilities(self) -> frozenset[Capability]: ...

    def fit(self, data: TrainView, run: RunContext) -> None: ...

    def predict(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Yield one prediction a request, in the order of `requests`.

        It is called many times, with consecutive slices of the cases; how they are sliced must
        not change an answer.
        """


@runtime_checkable
class Sampler(Recommender, Protocol):
    """A method with the capability `samples`: it generates answers, too."""

    def sample(self, requests: Sequence[Request], run: RunContext) -> Iterator[Prediction]:
        """Yield one prediction a request, in order, with `run.decoding["n"]` samples in draw order.

        A sample is valid if its status is "ok"; its item is then one of the candidates. Scores are
        not looked at. The prediction's own status is "ok" unless the case as a whole could not be
        asked; it may then be without samples. Slicing must not change an answer.
        """


class Executor(Protocol[JobT, OutcomeT]):
    """Where the runs of a plan are computed: in this process, in others, on a cluster.

    Jobs can be pickled. A worker computes one with `benchkit.runs.execution.execute_job`, which
    locks and records the run and returns its outcome; `fail_job` records the run of a worker that
    ended without one. `benchkit.testing.executors.ExecutorContract` tests all of this.
    """

    def execute(self, jobs: Sequence[JobT], emit: Callable[[Any], None]) -> Iterator[OutcomeT]:
        """Yield one outcome a job, in any order.

        A worker that dies fails its own run alone. On an exception such as KeyboardInterrupt, and
        when the iterator is closed, no worker goes on; what was complete stays so.

        Args:
            jobs: What is to be computed.
            emit: Called in this process with each `RunEvent`; what it raises ends the execution.
        """

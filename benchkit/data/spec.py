"""What a suite says about a dataset: where it comes from and how it becomes frozen cases."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from benchkit.data.preparation.splits import SplitName


class CandidateSpec(BaseModel):
    """How the candidates of a case are drawn.

    count: size of the list, the target included. seed: of the draw and of the shuffle.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int = Field(default=30, ge=2)
    sampling: Literal["uniform", "popularity"] = "uniform"
    seed: int = 0


class ColdStartSpec(BaseModel):
    """Withhold a share of the users or of the items from training, and ask for these."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    of: Literal["users", "items"]
    share: float = Field(default=0.1, gt=0, lt=1)
    seed: int = 0


class DatasetSpec(BaseModel):
    """One dataset of a suite.

    source: a name from `benchkit ls datasets`. options: arguments of that source.
    k_core: users and items with fewer interactions are removed, again and again. 0 keeps all.
    duplicates: what to do when a user has the same item twice: stop, keep the first or the last,
        or `keep` all, where taking an item again is an event of its own.
    min_length: users with fewer interactions than this are removed, after the k-core.
    untitled: what to do about interactions with items that have no title: stop, or drop them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    source: str
    options: dict[str, Any] = Field(default_factory=dict)
    k_core: int = Field(default=0, ge=0)
    duplicates: Literal["error", "first", "last", "keep"] = "error"
    untitled: Literal["error", "drop"] = "error"
    min_length: int = Field(default=0, ge=0)
    split: SplitName = "leave-one-out"
    cold: ColdStartSpec | None = None
    candidates: CandidateSpec = Field(default_factory=CandidateSpec)

"""What earlier runs of a store were, and what they have cost."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchkit.data.dataset import Cases, PreparedDataset
from benchkit.errors import DamageError
from benchkit.evaluation.lookup import PROTOCOLS, find_protocol
from benchkit.fingerprint import hash_json
from benchkit.runs.records import Manifest
from benchkit.runs.store import Store

_FIXED_SHARE = 0.9
_STAGE = "_stage_seconds"
# "Qwen/Qwen3-4B", "meta-llama/Llama-3.2-1B-Instruct", "opt-125m"
_PARAMETERS = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)
_UNITS = {"b": 1e9, "m": 1e6}


@dataclass(frozen=True)
class RunFeatures:
    """What the costs of a run depend on."""

    method: str
    """Its class."""
    settings: str
    """Hash of them."""
    code: str
    family: str
    packages: tuple[str, ...]
    """Names of the distributions that it computes with."""
    seed: int
    train: str
    test: str
    device: str
    threads: int
    processor: str
    protocols: tuple[str, ...]
    limit_users: int | None
    size: Mapping[str, float]
    """Measures by name (`growth.MEASURES`), with `catalog` (items that can be asked for) and
    `samples` (answers that are drawn); what is unknown is missing."""

    @property
    def row(self) -> tuple[str, str]:
        """What runs share that compute the same with other seeds or data."""
        return self.method, self.settings

    def asks_like(self, other: "RunFeatures") -> bool:
        """Return whether both ask the same cases."""
        return self.test == other.test and self.limit_users == other.limit_users

    def answers_size(self, protocol: str) -> dict[str, float]:
        """Return the measures under a protocol, whose options count as candidates."""
        size = dict(self.size)
        options = size.get(_name_options(protocol))
        size.pop("candidates", None)
        return size if options is None else {**size, "candidates": options}


def _name_options(protocol: str) -> str:
    """Return the measure of how many answers a case can have under a protocol."""
    if protocol not in PROTOCOLS:
        return "candidates"
    known = find_protocol(protocol)
    if known.uses_decoding:
        return "samples"
    return "candidates" if known.ranks_candidates else "catalog"


@dataclass(frozen=True)
class PastRun:
    """A complete run, and what it has cost."""

    features: RunFeatures
    cost: Mapping[str, float]
    finished: str = ""
    stages: Mapping[str, float] = field(default_factory=dict)
    """Seconds of each stage, as if it had been computed for this run alone. Of a stage that several
    runs share these are from one record, and so the same to the millisecond."""

    @property
    def fit_seconds(self) -> float:
        """Seconds of training without its stages."""
        return max(0.0, self.cost.get("fit_seconds", 0.0) - sum(self.stages.values()))


def read_features(
    identity: Mapping[str, Any], family: str, processor: str, size: Mapping[str, float]
) -> RunFeatures:
    """Return the features of a run by its identity.

    Args:
        identity: What its id is a hash of.
        family: Family of the method.
        processor: The machine's.
        size: Measures of the data and of what is asked, as far as they are known.
    """
    config = identity.get("config") or {}
    size = {"samples": float(identity.get("decoding", {}).get("n", 1)), **size}
    if parameters := find_parameters(config):
        size["parameters"] = parameters
    return RunFeatures(
        method=str(identity.get("method")),
        settings=hash_json(config),
        code=str(identity.get("code")),
        family=family,
        packages=tuple(sorted(identity.get("packages") or {})),
        seed=int(identity.get("seed", 0)),
        train=str(identity.get("train")),
        test=str(identity.get("test")),
        device=str(identity.get("device")),
        threads=int(identity.get("threads", 1)),
        processor=processor,
        protocols=tuple(identity.get("protocols", ())),
        limit_users=identity.get("limit_users"),
        size=size,
    )


def read_past_run(manifest: Manifest) -> PastRun | None:
    """Return what a run has cost; None for one that is not complete, or was imported."""
    if manifest.status != "complete" or manifest.is_external or not manifest.cost:
        return None
    asked_cases = max((line.n for line in manifest.summary), default=0)  # also of older records
    size = {"cases": float(asked_cases), **manifest.size} if asked_cases else manifest.size
    processor = str(manifest.provenance.get("processor", ""))
    return PastRun(
        features=read_features(manifest.identity, manifest.family, processor, size),
        cost=manifest.cost,
        finished=manifest.finished or "",
        stages={
            name.removesuffix(_STAGE): value
            for name, value in manifest.cost.items()
            if name.endswith(_STAGE)
        },
    )


class RunHistory:
    """Complete runs, the oldest first, and what they say of others."""

    def __init__(self, runs: Iterable[PastRun]) -> None:
        self.runs = sorted(runs, key=lambda run: run.finished)
        self._relatives: dict[tuple[str, str], list[PastRun]] = defaultdict(list)
        self._floors: dict[str, float] = {}
        self._sizes: dict[object, dict[str, float]] = defaultdict(dict)
        for run in self.runs:
            features = run.features
            for name in {features.family, features.method}:
                self._relatives[name, features.device].append(run)
            peak = run.cost.get("peak_memory_mb", 0.0)
            self._floors[features.device] = min(peak, self._floors.get(features.device, peak))
            for key, names in _known_measures(features).items():
                known = {name: features.size[name] for name in names if name in features.size}
                self._sizes[key].update(known)

    def find_relatives(self, features: RunFeatures) -> list[PastRun]:
        """Return the runs of the same method on such a device, and those of its family."""
        same = self._relatives[features.method, features.device]
        others = self._relatives[features.family, features.device]
        return [*(run for run in others if run.features.method != features.method), *same]

    def find_floor(self, device: str) -> float:
        """Return the memory that does not grow with the data, in MB: of the interpreter and its
        libraries, which is most of what the smallest run on a device takes."""
        return _FIXED_SHARE * self._floors.get(device, 0.0)

    def find_size(self, features: RunFeatures) -> dict[str, float]:
        """Return the measures that runs on the same data, and of the same cases, have recorded."""
        known = [self._sizes[key] for key in _known_measures(features)]
        return {name: value for measures in known for name, value in measures.items()}


def _known_measures(features: RunFeatures) -> dict[object, tuple[str, ...]]:
    """Return the measures that are the same for other runs, by what they depend on."""
    return {
        ("train", features.train): ("users", "items", "interactions"),
        ("test", features.test, features.limit_users): ("cases", "candidates", "catalog"),
    }


def read_history(store: Store) -> RunHistory:
    """Return the complete runs of all suites, each once; none that is damaged."""
    return RunHistory(dict(_read_runs(store)).values())


def _read_runs(store: Store) -> Iterator[tuple[str, PastRun]]:
    for run in store.runs():
        try:
            manifest = run.recorded_manifest()
        except DamageError:
            continue  # to be computed again
        if manifest is not None and (past := read_past_run(manifest)) is not None:
            yield manifest.run_id, past


def measure_size(train: PreparedDataset, test: PreparedDataset, cases: Cases) -> dict[str, float]:
    """Return how large a run is, for its manifest.

    Args:
        train: What is trained on.
        test: What is asked about.
        cases: The cases that are asked.
    """
    return {
        **measure_training(len(train.users), len(train.catalog), len(train.interactions)),
        "cases": float(len(cases)),
        "candidates": float(cases.candidates.shape[1]),
        "catalog": float(len(test.catalog)),
    }


def measure_training(users: int, items: int, interactions: int) -> dict[str, float]:
    """Return the measures of the data that a method is trained on."""
    return {"users": float(users), "items": float(items), "interactions": float(interactions)}


def find_parameters(config: Any) -> float | None:
    """Return how many parameters the language model of some settings has, if its name says so.

    >>> find_parameters({"engine": {"model": "Qwen/Qwen3-0.6B"}})
    600000000.0
    """
    if not isinstance(config, Mapping):
        return None
    for name in ("backbone", "model"):
        value = config.get(name)
        if isinstance(value, str) and (match := _PARAMETERS.search(value)):
            return float(match[1]) * _UNITS[match[2].lower()]
    parts = (find_parameters(value) for value in config.values())
    return next((count for count in parts if count), None)

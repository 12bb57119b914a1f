"""Cards of methods and judges: what is known of one before its class is imported.

Listing fifty methods reads TOML files only.
"""

import fnmatch
import importlib.util
import inspect
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from benchkit import interactive
from benchkit.config.loading import read_toml, validate_model
from benchkit.errors import ConfigError, unknown_name_error
from benchkit.fingerprint import canonical_settings, package_versions
from benchkit.growth import GrowthOrders
from benchkit.registry import Registry, import_object
from benchkit.source_hash import find_kinds, hash_sources
from benchkit.types import Recommender

ComponentKind = Literal["method", "judge"]
REGISTRIES: dict[ComponentKind, Registry[type[Any]]] = {
    "method": Registry(
        "method",
        {},
        "benchkit.recommenders",
        base=type,
        members=("capabilities", "fit", "predict"),
        hint="write a class with capabilities, fit and predict (docs/tutorials/own-method.md)",
    ),
    "judge": Registry(
        "judge",
        {},
        "benchkit.judges",
        base=type,
        members=("judge", "estimate"),
        hint="write a class as benchkit.judging.verdicts.Judge describes it",
    ),
}


class Card(BaseModel):
    """One entry of a `catalog.toml`: a method or a judge."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str
    kind: ComponentKind = "method"
    target: str = Field(alias="class")
    """`package.module:Class`, or `path/to/file.py:Class`."""
    family: str = "other"
    paper: str = ""
    summary: str = ""
    fidelity: Literal["reproduced", "adapted", "unknown"] = "unknown"
    packages: tuple[str, ...] = ()
    """Distributions whose version can change its numbers."""
    version: str = "1"
    """Part of every run id; to be raised when numbers change though the code is the same."""
    config: Mapping[str, Any] = Field(default_factory=dict)
    """Hyper-parameters that this name fixes."""
    deviations: tuple[str, ...] = ()
    """Where it is known to differ from the paper."""
    gpus: float = Field(default=1.0, ge=0)
    """GPUs of a run on a cluster's GPUs, a fraction where several runs share one."""
    memory_gb: float = Field(default=0.0, ge=0)
    """Memory that is reserved for a run on a cluster; 0 where nothing is known."""
    growth: GrowthOrders = Field(default_factory=GrowthOrders)
    """What its costs grow with, for estimates from runs on other data."""

    @property
    def missing_packages(self) -> list[str]:
        """Distributions that it needs and that are not installed."""
        return [name for name, version in package_versions(self.packages).items() if not version]


def list_cards(kind: ComponentKind = "method") -> dict[str, Card]:
    """Return the cards of a kind by name, in catalog order, with patterns such as `recbole/*`."""
    return {name: card for (kind_, name), card in _load_cards().items() if kind_ == kind}


@lru_cache(maxsize=1)
def _load_cards() -> dict[tuple[ComponentKind, str], Card]:
    cards: dict[tuple[ComponentKind, str], Card] = {}
    for entry in metadata.entry_points(group="benchkit.catalogs"):
        # find_spec, not import: a catalog is data.
        spec = importlib.util.find_spec(entry.value)
        if spec is None or spec.origin is None:
            raise ConfigError(f"catalog {entry.name!r}: no package {entry.value!r}", "reinstall it")
        cards |= read_catalog(Path(spec.origin).with_name("catalog.toml"))
    for kind, registry in REGISTRIES.items():
        for name, target in registry.targets.items():
            cards[kind, name] = _make_card(kind, name, target)
    return cards


def _make_card(kind: ComponentKind, name: str, target: str) -> Card:
    return Card.model_validate({"name": name, "kind": kind, "class": target})


def read_catalog(path: Path) -> dict[tuple[ComponentKind, str], Card]:
    """Return (kind, name) -> card, from the tables `methods` and `judges` of one catalog file.

    Raises:
        ConfigError: Names the entry that is wrong.
    """
    tables = read_toml(path)
    cards: dict[tuple[ComponentKind, str], Card] = {}
    for kind in REGISTRIES:
        for name, entry in tables.get(f"{kind}s", {}).items():
            values = {"name": name, "kind": kind, **entry}
            cards[kind, name] = validate_model(Card, values, f"{path}: {kind} {name!r}")
    return cards


def find_card(name: str, kind: ComponentKind = "method") -> Card:
    """Return the card of `name`. Raises ConfigError with the nearest names if there is none."""
    known = list_cards(kind)
    if name in known:
        return known[name]
    if ":" in name:
        card = _make_card(kind, name.rpartition(":")[2], name)
        return _adopt_catalogued(card, known)
    for pattern, card in known.items():
        if "*" in pattern and fnmatch.fnmatchcase(name, pattern):
            model = name.removeprefix(pattern.rstrip("*"))
            return card.model_copy(update={"name": name, "config": {**card.config, "model": model}})
    raise unknown_name_error(kind, name, (n for n in known if "*" not in n))


def _adopt_catalogued(card: Card, known: Mapping[str, Card]) -> Card:
    """Return a card with what the catalog says of its class, or of the class it is derived from.

    A class given by its place in a module, or as an object, needs the same packages and belongs to
    the same family as under its name.
    """
    targets = {entry.target: entry for entry in known.values() if not entry.config}
    if card.target in targets:
        return targets[card.target].model_copy(update={"name": card.name})
    if not interactive.is_live(card.target):
        return card
    for base in load_class(card).__mro__:
        if entry := targets.get(f"{base.__module__}:{base.__qualname__}"):
            return card.model_copy(update={"packages": entry.packages, "family": entry.family})
    return card


def load_class(card: Card) -> type[Any]:
    """Return the class of a card. Raises ConfigError that says what is missing."""
    if interactive.is_live(card.target):
        method = interactive.find_object(card.target)
        return method if isinstance(method, type) else type(method)
    missing = card.missing_packages
    hint = f"install {', '.join(missing)}" if missing else "check the name"
    return REGISTRIES[card.kind].load_target(card.target, card.name, hint=hint)


def build_config(card: Card, overrides: Mapping[str, Any]) -> BaseModel | None:
    """Return the valid hyper-parameters: the class's defaults, then the card's, then `overrides`.

    Raises:
        ConfigError: Lists every hyper-parameter that is wrong.
    """
    model: type[BaseModel] | None = getattr(load_class(card), "Config", None)
    if interactive.is_instance(card.target):
        model = None  # it was constructed with its settings
    values = {**card.config, **overrides}
    if model is not None:
        return validate_model(model, values, f"{card.kind} {card.name!r}")
    if values:
        raise ConfigError(
            f"{card.kind} {card.name!r} takes no hyper-parameters, got {', '.join(values)}",
            "give its class a pydantic model named Config, or remove them",
        )
    return None


def construct_recommender(card: Card, config: BaseModel | None) -> Recommender:
    """Return a fresh, unfitted recommender."""
    recommender: Recommender = construct(card, config)
    return recommender


def construct(card: Card, config: BaseModel | None) -> Any:
    """Return an instance of the class of a card."""
    arguments = () if config is None else (config,)
    if interactive.is_live(card.target):
        return interactive.construct_object(card.target, *arguments)
    return load_class(card)(*arguments)


def find_source_files(card: Card) -> list[Path]:
    """Return the file that defines the class.

    The code of an object of this process is hashed in its name; its files are those of the classes
    and modules that it builds on.
    """
    if interactive.is_live(card.target):
        return interactive.base_files(load_class(card))
    return [Path(inspect.getfile(load_class(card)))]


def identify_component(card: Card, config: BaseModel | None) -> dict[str, Any]:
    """Return what can change the numbers of a method or judge: class, code, versions, settings."""
    settings = canonical_settings(config)
    return {
        card.kind: card.target.rpartition(":")[2],
        "version": card.version,
        "code": hash_sources(*find_source_files(card), *_selected_files(settings)),
        "config": settings,
        "packages": package_versions(card.packages),
    }


def _selected_files(settings: Mapping[str, Any]) -> list[Path]:
    """Return the files of the engines and teachers that settings select by their `kind`."""
    if not (kinds := find_kinds(settings)):
        return []
    from benchkit.lm.engines import ENGINES
    from benchkit.lm.teachers import TEACHERS

    targets = [kind for kind in kinds if ":" in kind]
    for registry in (ENGINES, TEACHERS):
        targets += [registry.targets[kind] for kind in kinds if kind in registry]
    return [Path(inspect.getfile(import_object(target))) for target in sorted(targets)]

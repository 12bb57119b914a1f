"""Finding recommenders and judges by name: from catalogs, entry points, a dotted path or a file.

Nothing is imported before it is used: listing fifty methods reads TOML files only.
"""

import fnmatch
import hashlib
import importlib.util
import inspect
import sys
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchkit.errors import ConfigError, unknown_name_error
from benchkit.fingerprint import package_versions
from benchkit.io import import_object
from benchkit.judging.verdicts import Judge
from benchkit.types import Recommender

ComponentKind = Literal["method", "judge"]
_REQUIRED_MEMBERS = {
    "method": ("capabilities", "fit", "predict"),
    "judge": ("judge", "estimate"),
}
_HINTS = {
    "method": "write a class with capabilities, fit and predict (README: Adding a method)",
    "judge": "write a class as benchkit.judging.verdicts.Judge describes it",
}


class Card(BaseModel):
    """What is known of a method or judge before it is loaded: one entry of a `catalog.toml`.

    target: `package.module:Class`, or `path/to/file.py:Class`.
    packages: distributions whose version can change its numbers.
    config: hyper-parameters that this name fixes.
    deviations: where it is known to differ from the paper.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str
    kind: ComponentKind = "method"
    target: str = Field(alias="class")
    family: str = "other"
    paper: str = ""
    summary: str = ""
    fidelity: Literal["reproduced", "adapted", "unknown"] = "unknown"
    packages: tuple[str, ...] = ()
    config: Mapping[str, Any] = Field(default_factory=dict)
    deviations: tuple[str, ...] = ()

    @property
    def missing_packages(self) -> list[str]:
        """Distributions that it needs and that are not installed."""
        return [name for name, version in package_versions(self.packages).items() if not version]


def list_cards(kind: ComponentKind = "method") -> dict[str, Card]:
    """Everything of a kind that has a name, in catalog order; patterns such as `recbole/*`
    included."""
    return {name: card for (of, name), card in _load_cards().items() if of == kind}


@lru_cache(maxsize=1)
def _load_cards() -> dict[tuple[str, str], Card]:
    found: dict[tuple[str, str], Card] = {}
    for entry in metadata.entry_points(group="benchkit.catalogs"):
        # find_spec, not import: a catalog is data.
        spec = importlib.util.find_spec(entry.value)
        if spec is None or spec.origin is None:
            raise ConfigError(f"catalog {entry.name!r}: no package {entry.value!r}", "reinstall it")
        found |= read_catalog(Path(spec.origin).with_name("catalog.toml"))
    for kind, group in (("method", "benchkit.recommenders"), ("judge", "benchkit.judges")):
        for entry in metadata.entry_points(group=group):
            values = {"name": entry.name, "kind": kind, "class": entry.value}
            found[kind, entry.name] = Card.model_validate(values)
    return found


def read_catalog(path: Path) -> dict[tuple[str, str], Card]:
    """(kind, name) -> card, from the tables `methods` and `judges` of one catalog file.

    Raises ConfigError naming the entry that is wrong.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    result = {}
    for kind in _REQUIRED_MEMBERS:
        for name, entry in tables.get(f"{kind}s", {}).items():
            try:
                card = Card.model_validate({"name": name, "kind": kind, **entry})
            except ValidationError as error:
                raise ConfigError(f"{path}: {kind} {name!r}: {_first_problem(error)}") from None
            result[kind, name] = card
    return result


def find_card(name: str, kind: ComponentKind = "method") -> Card:
    """The card of `name`. Raises ConfigError with the nearest names for one that is not known."""
    known = list_cards(kind)
    if name in known:
        return known[name]
    if ":" in name:
        label = name.rpartition(":")[2]
        return Card.model_validate({"name": label, "kind": kind, "class": name})
    for pattern, card in known.items():
        if "*" in pattern and fnmatch.fnmatchcase(name, pattern):
            model = name.removeprefix(pattern.rstrip("*"))
            return card.model_copy(update={"name": name, "config": {**card.config, "model": model}})
    raise unknown_name_error(kind, name, (n for n in known if "*" not in n))


def load_class(card: Card) -> type[Any]:
    """The class of a card. Raises ConfigError saying what is missing."""
    module, _, attribute = card.target.rpartition(":")
    try:
        found = (
            getattr(_import_file(Path(module)), attribute)
            if module.endswith(".py")
            else import_object(card.target)
        )
    except ModuleNotFoundError as error:
        hint = (
            f"install {', '.join(card.missing_packages)}"
            if card.missing_packages
            else "check the name"
        )
        raise ConfigError(f"{card.kind} {card.name!r}: {error}", hint) from error
    except AttributeError as error:
        raise ConfigError(f"{card.kind} {card.name!r}: {error}", "check the class name") from error
    lacking = [name for name in _REQUIRED_MEMBERS[card.kind] if not hasattr(found, name)]
    if not inspect.isclass(found) or lacking:
        what = {"method": "recommender", "judge": "judge"}[card.kind]
        raise ConfigError(
            f"{card.kind} {card.name!r}: {card.target} is no {what}"
            + (f": it has no {', '.join(lacking)}" if lacking else ""),
            _HINTS[card.kind],
        )
    return found


def build_config(card: Card, overrides: Mapping[str, Any]) -> BaseModel | None:
    """The validated hyper-parameters: the class's defaults, then the card's, then `overrides`."""
    model = getattr(load_class(card), "Config", None)
    values = {**card.config, **overrides}
    if model is None:
        if values:
            raise ConfigError(
                f"{card.kind} {card.name!r} takes no hyper-parameters, got {', '.join(values)}",
                "give its class a pydantic model named Config, or remove them",
            )
        return None
    try:
        return model.model_validate(values)  # type: ignore[no-any-return]
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "extra_forbidden":
            key = str(first["loc"][0])
            wrong = unknown_name_error(
                f"hyper-parameter of {card.name!r}:", key, model.model_fields
            )
            raise ConfigError(wrong.cause, wrong.hint) from None
        raise ConfigError(
            f"{card.kind} {card.name!r}: {_first_problem(error)}",
            f"correct the {card.kind}'s settings",
        ) from None


def construct_recommender(card: Card, config: BaseModel | None) -> Recommender:
    """A fresh, unfitted recommender."""
    recommender: Recommender = _instantiate(card, config)
    return recommender


def construct_judge(card: Card, config: BaseModel | None) -> Judge:
    """A judge. Raises ConfigError for one that does not say what it grades by."""
    judge: Judge = _instantiate(card, config)
    lacking = [name for name in ("rubric", "caveats", "models") if not hasattr(judge, name)]
    if lacking:
        cause = f"judge {card.name!r}: it has no {', '.join(lacking)}"
        raise ConfigError(cause, _HINTS["judge"])
    return judge


def _instantiate(card: Card, config: BaseModel | None) -> Any:
    factory = load_class(card)
    return factory() if config is None else factory(config)


def find_source_file(card: Card) -> Path:
    """The file that defines the class."""
    return Path(inspect.getfile(load_class(card)))


def _import_file(path: Path) -> Any:
    path = path.resolve()
    if not path.is_file():
        raise ConfigError(f"{path}: no such file", "give --method FILE.py:Class")
    name = f"benchkit_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ConfigError(f"{path}: cannot be imported", "is it a Python file?")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pydantic look their module up
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where, what = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what

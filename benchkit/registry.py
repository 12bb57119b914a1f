"""Finding recommenders by name: from catalogs, entry points, a dotted path or a file.

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
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchkit.errors import ConfigError
from benchkit.identity import package_versions
from benchkit.lazy import load, unknown_name
from benchkit.protocols import Recommender


class Card(BaseModel):
    """What is known of a method before it is loaded: one entry of a `catalog.toml`.

    target: `package.module:Class`, or `path/to/file.py:Class`.
    packages: distributions whose version can change its numbers.
    config: hyper-parameters that this name fixes.
    deviations: where it is known to differ from the paper.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str
    target: str = Field(alias="class")
    family: str = "other"
    paper: str = ""
    summary: str = ""
    fidelity: Literal["reproduced", "adapted", "unknown"] = "unknown"
    packages: tuple[str, ...] = ()
    config: Mapping[str, Any] = Field(default_factory=dict)
    deviations: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Distributions that it needs and that are not installed."""
        return [name for name, version in package_versions(self.packages).items() if not version]


def cards() -> dict[str, Card]:
    """Every method that has a name, in catalog order; patterns such as `recbole/*` included."""
    return _cards().copy()


@lru_cache(maxsize=1)
def _cards() -> dict[str, Card]:
    found: dict[str, Card] = {}
    for entry in metadata.entry_points(group="benchkit.catalogs"):
        # find_spec, not import: a catalog is data.
        spec = importlib.util.find_spec(entry.value)
        if spec is None or spec.origin is None:
            raise ConfigError(f"catalog {entry.name!r}: no package {entry.value!r}", "reinstall it")
        found |= read_catalog(Path(spec.origin).with_name("catalog.toml"))
    for entry in metadata.entry_points(group="benchkit.recommenders"):
        found[entry.name] = Card.model_validate({"name": entry.name, "class": entry.value})
    return found


def read_catalog(path: Path) -> dict[str, Card]:
    """The cards of one catalog file. Raises ConfigError naming the entry that is wrong."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("methods", {})
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    result = {}
    for name, entry in entries.items():
        try:
            result[name] = Card.model_validate({"name": name, **entry})
        except ValidationError as error:
            raise ConfigError(f"{path}: method {name!r}: {_first(error)}") from None
    return result


def find(name: str) -> Card:
    """The card of `name`. Raises ConfigError with the nearest names for one that is not known."""
    known = _cards()
    if name in known:
        return known[name]
    if ":" in name:
        label = name.rpartition(":")[2]
        return Card.model_validate({"name": label, "class": name})
    for pattern, card in known.items():
        if "*" in pattern and fnmatch.fnmatchcase(name, pattern):
            model = name.removeprefix(pattern.rstrip("*"))
            return card.model_copy(update={"name": name, "config": {**card.config, "model": model}})
    raise unknown_name("method", name, (n for n in known if "*" not in n))


def recommender_class(card: Card) -> type[Recommender]:
    """The class of a card. Raises ConfigError saying what is missing."""
    module, _, attribute = card.target.rpartition(":")
    try:
        found = (
            getattr(_file_module(Path(module)), attribute)
            if module.endswith(".py")
            else load(card.target)
        )
    except ModuleNotFoundError as error:
        mend = f"install {', '.join(card.missing)}" if card.missing else "check the name"
        raise ConfigError(f"method {card.name!r}: {error}", mend) from error
    except AttributeError as error:
        raise ConfigError(f"method {card.name!r}: {error}", "check the class name") from error
    lacking = [a for a in ("capabilities", "fit", "predict") if not hasattr(found, a)]
    if not inspect.isclass(found) or lacking:
        raise ConfigError(
            f"method {card.name!r}: {card.target} is no recommender"
            + (f": it has no {', '.join(lacking)}" if lacking else ""),
            "write a class with capabilities, fit and predict (README: Adding a method)",
        )
    return cast("type[Recommender]", found)


def config_of(card: Card, overrides: Mapping[str, Any]) -> BaseModel | None:
    """The validated hyper-parameters: the class's defaults, then the card's, then `overrides`."""
    model = getattr(recommender_class(card), "Config", None)
    values = {**card.config, **overrides}
    if model is None:
        if values:
            raise ConfigError(
                f"method {card.name!r} takes no hyper-parameters, got {', '.join(values)}",
                "give its class a pydantic model named Config, or remove them",
            )
        return None
    try:
        return model.model_validate(values)  # type: ignore[no-any-return]
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "extra_forbidden":
            key = str(first["loc"][0])
            wrong = unknown_name(f"hyper-parameter of {card.name!r}:", key, model.model_fields)
            raise ConfigError(wrong.cause, wrong.mend) from None
        raise ConfigError(
            f"method {card.name!r}: {_first(error)}", "correct it in the suite"
        ) from None


def construct(card: Card, config: BaseModel | None) -> Recommender:
    """A fresh, unfitted recommender."""
    factory: Any = recommender_class(card)
    recommender: Recommender = factory() if config is None else factory(config)
    return recommender


def source_file(card: Card) -> Path:
    """The file that defines the class."""
    return Path(inspect.getfile(recommender_class(card)))


def _file_module(path: Path) -> Any:
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


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"

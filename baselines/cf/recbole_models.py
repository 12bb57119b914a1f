"""Models and settings of the installed RecBole, read from its files without importing it."""

import re
from collections.abc import Collection, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchkit.errors import ConfigError, unknown_name_error

RECBOLE_PACKAGES = ("sequential_recommender", "context_aware_recommender")

# Settings that RecBole has for every model, and those of a model that the adapter makes itself.
_COMMON = {"learner", "weight_decay", "clip_grad_norm", "train_neg_sample_args", "transform"}
_OWN = {"train_stage", "pre_model_path", "save_step", "item_attribute", "selected_features"}
_UNSUPPORTED = {
    "DIEN": "negative histories",
    "DIN": "item features along the history",
    "GRU4RecCPR": "the target while it predicts",
    "GRU4RecKG": "a knowledge graph",
    "KSR": "a knowledge graph",
    "SASRecCPR": "the target while it predicts",
}


def recbole_dir() -> Path | None:
    """Return where RecBole is installed, or None."""
    spec = find_spec("recbole")
    return None if spec is None else Path(spec.origin or "").parent


@cache
def available_models() -> Mapping[str, str]:
    """Map names of sequential and context-aware models to modules; empty without RecBole."""
    root = recbole_dir()
    if root is None:
        return {}
    files = (root / "model" / package / "__init__.py" for package in RECBOLE_PACKAGES)
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    pattern = re.compile(r"^from (recbole\.model\.\S+) import (\w+)$", re.MULTILINE)
    return {name: module for module, name in pattern.findall(text)}


def is_sequential(model: str) -> bool:
    """Return whether `model` reads the history; a context-aware one reads a user and an item."""
    return RECBOLE_PACKAGES[0] in available_models()[model]


@cache
def model_defaults(model: str) -> Mapping[str, Any]:
    """Read RecBole's default hyper-parameters of a model; empty if it ships none."""
    import yaml

    path = (recbole_dir() or Path()) / "properties" / "model" / f"{model}.yaml"
    if not path.is_file():
        return {}
    return yaml.load(path.read_text(encoding="utf-8"), yaml_loader()) or {}  # noqa: S506


@cache
def yaml_loader() -> Any:
    """Return a YAML loader that reads 1e-3 as a number; in YAML 1.1 it is text."""
    import yaml

    loader: Any = type("Loader", (yaml.SafeLoader,), {})
    pattern = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$")
    loader.add_implicit_resolver("tag:yaml.org,2002:float", pattern, list("-+0123456789"))
    return loader


def embedding_size_name(model: str) -> str:
    """Return RecBole's name of the size of an item's vector."""
    defaults = model_defaults(model)
    transformer = "hidden_size" in defaults and "embedding_size" not in defaults
    return "hidden_size" if transformer else "embedding_size"


def needs_item_feature(model: str) -> bool:
    """Return whether a sequential model cannot be built without an item feature."""
    return not {"item_attribute", "selected_features"}.isdisjoint(model_defaults(model))


def check_model(model: str, parameters: Collection[str]) -> None:
    """Raise ConfigError for a model that RecBole lacks, or a parameter that the model lacks.

    Without RecBole nothing is checked; for a model without default settings, only its name.
    """
    if not available_models():
        return
    if model not in available_models():
        raise unknown_name_error("RecBole model", model, available_models().keys() - _UNSUPPORTED)
    if model in _UNSUPPORTED:
        raise ConfigError(
            f"RecBole model {model!r} needs {_UNSUPPORTED[model]}, which benchkit does not give it",
            "use another model",
        )
    known = (model_defaults(model).keys() | _COMMON) - _OWN - {embedding_size_name(model)}
    unknown = sorted(set(parameters) - known)
    if model_defaults(model) and unknown:
        raise unknown_name_error(f"parameter of RecBole model {model!r}:", unknown[0], known)

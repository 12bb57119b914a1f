"""Models that the rows of a suite share, and the profile that says whether they are used.

A suite's tables `[models.NAME]` hold settings of language-model methods: backbone, engine, teacher,
adapters, precision, processes. `default` is for every row of a language model; a row with
`model = "NAME"` has that table's settings over those of `default`. What a row sets itself comes
first. A method takes the settings that it has.

The profile `paper` uses the tables as they are. `laptop` leaves out what they say of models,
teachers and training, so that every such row has the small built-in model nano with its own
training, the offline teacher, and answers constrained to the candidates.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from benchkit import cards
from benchkit.config.suite import MethodSpec, Suite
from benchkit.errors import ConfigError, unknown_name_error
from benchkit.processes.recommender import is_shipped

ModelProfile = Literal["paper", "laptop"]
Profile = Literal["auto", ModelProfile]
PROFILES: tuple[ModelProfile, ...] = ("paper", "laptop")
DEFAULT_MODEL = "default"
# Settings that choose a model or a teacher, or fit a prompt to the model.
_OF_MODEL = {
    "backbone", "revision", "adapter", "trust_remote_code", "engine", "teacher", "encoder",
    "template", "prompt_tokens", "rationale_tokens",
}  # fmt: skip
_LAPTOP_TITLE = "laptop profile: nano instead of the papers' models"


def choose_profile(suite: Suite, profile: Profile, device: str) -> ModelProfile:
    """Return the profile to use: by default `paper` on an accelerator, else `laptop`.

    By default a demo is for the laptop, too. A suite without models has no choice to make; its rows
    are what they say.

    Raises:
        ConfigError: A profile is asked of such a suite.
    """
    if not suite.models:
        if profile == "laptop":
            raise ConfigError(
                f"suite {suite.name!r} has no [models] tables that a profile could leave out",
                "leave out --profile",
            )
        return "paper"
    if profile != "auto":
        return profile
    is_demo = any(dataset.demo_users for dataset in suite.datasets)
    return "laptop" if is_demo or device == "cpu" else "paper"


def apply_profile(suite: Suite, profile: ModelProfile) -> Suite:
    """Return the suite with the settings of its models in its rows, and a title that says so.

    Raises:
        ConfigError: A row names a model that is not there, or no row has a setting of a model.
    """
    if not suite.models:
        return suite
    methods = tuple(apply_model(method, suite, profile) for method in suite.methods)
    for error in _find_unused(suite):
        raise error
    changes: dict[str, Any] = {"methods": methods}
    if profile == "laptop":
        changes["title"] = f"{suite.title} ({_LAPTOP_TITLE})"
        changes["decoding"] = suite.decoding.model_copy(update={"constrained": True})
    return suite.model_copy(update=changes)


def apply_model(method: MethodSpec, suite: Suite, profile: ModelProfile) -> MethodSpec:
    """Return a row with the settings of its model, or without any choice of a model.

    Raises:
        ConfigError: It names a model that the suite does not have.
    """
    if method.model and method.model not in suite.models:
        raise unknown_name_error(f"model of {method.name!r}:", method.model, suite.models)
    settings = _language_model_settings(method)
    if not suite.models or settings == frozenset():
        return method
    shared, config = _shared_settings(suite.models, method.model), dict(method.config)
    if profile == "laptop":
        shared = {k: v for k, v in shared.items() if not _is_of_model(k) and not _is_table(v)}
        config = {k: v for k, v in config.items() if not _is_of_model(k)}
    taken = {k: v for k, v in shared.items() if settings is None or k in settings}
    return method.model_copy(update={"config": merge_tables(taken, config)})


def merge_tables(start: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `start` with `changes` over it; tables in both are merged, all else is replaced.

    A table that names another kind of engine or teacher replaces the former one.

    >>> merge_tables({"train": {"epochs": 2, "lora": None}}, {"train": {"epochs": 3}})
    {'train': {'epochs': 3, 'lora': None}}
    >>> merge_tables({"engine": {"kind": "hf", "dtype": "float32"}}, {"engine": {"kind": "vllm"}})
    {'engine': {'kind': 'vllm'}}
    """
    merged = dict(start)
    for name, value in changes.items():
        before = merged.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            kind = before.get("kind")
            value = merge_tables(before, value) if value.get("kind", kind) == kind else value
        merged[name] = value
    return merged


def _is_of_model(name: str) -> bool:
    return name in _OF_MODEL


def _is_table(value: Any) -> bool:
    """Return whether a setting is a table, as those of trainings are."""
    return isinstance(value, Mapping)


def _shared_settings(models: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    default = models.get(DEFAULT_MODEL, {})
    return merge_tables(default, models.get(name or DEFAULT_MODEL, {}))


def _language_model_settings(method: MethodSpec) -> frozenset[str] | None:
    """Return the settings of a row that has a language model; none of any other row.

    None if they are not known: code that is not benchkit's has not run yet. Such a row has all
    settings of the model that it names.
    """
    try:
        card = cards.find_card(method.method)
    except ConfigError:
        return frozenset()  # which planning reports
    if not is_shipped(card):
        return None if method.model else frozenset()
    if card.missing_packages:
        return frozenset()
    config = getattr(cards.load_class(card), "Config", None)
    fields = frozenset(getattr(config, "model_fields", ()))
    return fields if "backbone" in fields else frozenset()


def _find_unused(suite: Suite) -> Iterator[ConfigError]:
    """Yield settings of models that no row with such a model has: misspelt ones."""
    rows = [(method, _language_model_settings(method)) for method in suite.methods]
    for name, settings in suite.models.items():
        users = [
            known
            for method, known in rows
            if known != frozenset() and name in (DEFAULT_MODEL, method.model)
        ]
        names = {setting for known in users for setting in known or settings}
        for setting in settings:
            if users and setting not in names:
                yield unknown_name_error(f"setting of models.{name}:", setting, sorted(names))

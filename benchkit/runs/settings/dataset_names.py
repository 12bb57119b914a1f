"""Settings that differ from dataset to dataset: `{dataset}` in a text of a row's config.

It stands for the name of the dataset that the row trains on, as in
`teacher = { kind = "file", path = "rationales/{dataset}.jsonl" }`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from benchkit.cards import Card
from benchkit.config.suite import MethodSpec, TaskSpec
from benchkit.errors import ConfigError
from benchkit.files.search_order import SearchOrder

_PLACEHOLDER = "{dataset}"
_FILE_SETTINGS = ("path", "preferences")  # beside texts that end as such files do


def fill_dataset(value: Any, dataset: str) -> Any:
    """Return a value of a config with the name of a dataset in all of its texts.

    >>> fill_dataset({"teacher": {"path": "r/{dataset}.jsonl"}, "seed": 1}, "tea")
    {'teacher': {'path': 'r/tea.jsonl'}, 'seed': 1}
    """
    if isinstance(value, str):
        return value.replace(_PLACEHOLDER, dataset)
    if isinstance(value, Mapping):
        return {name: fill_dataset(part, dataset) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(fill_dataset(part, dataset) for part in value)
    return value


def depends_on_dataset(config: Mapping[str, Any]) -> bool:
    """Return whether a row's config has a text that names the dataset."""
    return any(_PLACEHOLDER in text for _, text in _texts(config))


def check_dataset_files(
    rows: Iterable[tuple[MethodSpec, Card]],
    tasks: Iterable[TaskSpec],
    suite: str,
    order: SearchOrder,
) -> None:
    """Check that the files of all rows are there for each dataset that is trained on.

    Args:
        rows: Rows of the suite.
        tasks: Their tasks.
        suite: Its name.
        order: Where files are looked for.

    Raises:
        ConfigError: Lists all that are missing, each with its dataset and rows.
    """
    tasks = list(tasks)
    missing: dict[tuple[str, str], dict[str, None]] = {}
    for spec, card in rows:
        files = [text for name, text in _texts(spec.config) if _is_file(name, text)]
        for task in tasks:
            dataset = task.train_dataset(card.family)
            for file in files:
                path = file.replace(_PLACEHOLDER, dataset)
                if order.find(path) is None:
                    missing.setdefault((dataset, path), {})[spec.name] = None
    if missing:
        lines = [
            f"  dataset {dataset!r}: {path} (for {', '.join(labels)})"
            for (dataset, path), labels in missing.items()
        ]
        dataset, path = next(iter(missing))
        raise ConfigError(
            "\n".join([f"files of suite {suite!r} that are not there: {len(missing)}", *lines]),
            f"write them, e.g. benchkit rationales --suite {suite} --dataset {dataset} --out {path}"
            " (--triplets for preferences), or leave out datasets with --dataset",
        )


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text of a config, with the name of its setting."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _texts(part, str(key))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part, name)


def _is_file(name: str, text: str) -> bool:
    return _PLACEHOLDER in text and (name in _FILE_SETTINGS or text.endswith(".jsonl"))

"""A data source with its options, and the datasets of shipped suites that it reads."""

import inspect
from dataclasses import asdict
from typing import Any

from benchkit.config.setting_texts import unlabelled_text
from benchkit.config.source_options import list_source_options
from benchkit.config.suite import list_shipped_suites, load_suite
from benchkit.data.sources import SOURCES
from benchkit.errors import unknown_name_error


def describe_source(name: str) -> dict[str, Any]:
    """Return a data source: what it reads, its options, and which shipped datasets are from it.

    Args:
        name: Its name, or that of an entry point.

    Returns:
        `source`, `what` (first line), `text` (the rest of its documentation), `options` (name,
        type, default, text), and `datasets` ("suite: name").

    Raises:
        ConfigError: There is no such source.
    """
    if name not in SOURCES:
        raise unknown_name_error("dataset source", name, SOURCES)
    read = SOURCES.load(name).read
    options = list_source_options(name)
    paragraphs = inspect.cleandoc(read.__doc__ or "").split("\n\n")
    head, *rest = paragraphs[0].split("\n")
    paragraphs = [" ".join(rest), *(" ".join(text.split()) for text in paragraphs[1:])]
    names = [option.name for option in options]
    texts = [unlabelled_text(text, names) for text in paragraphs if text]
    return {
        "source": name,
        "what": head,
        "text": "\n\n".join(texts),
        "options": [
            {key: value.replace("`", "") for key, value in asdict(option).items()}
            for option in options
        ],
        "datasets": [
            f"{suite}: {dataset.name}"
            for suite in list_shipped_suites()
            for dataset in load_suite(suite).datasets
            if dataset.source == name
        ],
    }

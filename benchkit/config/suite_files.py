"""The settings of a suite with the full paths of the files that they name (`suite_paths`)."""

from pathlib import Path
from typing import Any

from benchkit.config.suite import MethodSpec, Suite
from benchkit.config.suite_paths import locate_settings
from benchkit.files.search_order import SearchOrder, data_folders


def locate_config(suite: Suite, config: dict[str, Any], data: Path, what: str) -> dict[str, Any]:
    """Return settings of a suite with the paths of the files that they name.

    Args:
        suite: The suite; it knows the folder of its file.
        config: The settings.
        data: The data folder.
        what: Whose settings they are, for messages.

    Raises:
        ConfigError: A file is nowhere.
    """
    located: dict[str, Any] = locate_settings(config, find_files(suite, data), what=what)
    return located


def find_files(suite: Suite, data: Path) -> SearchOrder:
    """Return where the files of a suite are looked for."""
    folders = [data_folders(data) if path is None else (path,) for path in suite.file_folders]
    return SearchOrder(path for paths in folders for path in paths)


def locate_row(suite: Suite, spec: MethodSpec, data: Path) -> MethodSpec:
    """Return a row with the paths of the files that it names."""
    config = locate_config(suite, spec.config, data, f"method {spec.name!r}")
    return spec.model_copy(update={"config": config})


def locate_judges(suite: Suite, data: Path) -> Suite:
    """Return the suite with the paths of the files that its judges name."""
    if suite.judging is None:
        return suite
    judges = []
    for judge in suite.judging.judges:
        config = locate_config(suite, judge.config, data, f"judge {judge.name!r}")
        judges.append(judge.model_copy(update={"config": config}))
    judging = suite.judging.model_copy(update={"judges": tuple(judges)})
    return suite.model_copy(update={"judging": judging})

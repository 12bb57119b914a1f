"""Read results from a run store."""

import re
from collections.abc import Sequence
from pathlib import Path

from benchkit.api.results import Results
from benchkit.api.run_report import RunReport
from benchkit.config.demo import split_demo_name
from benchkit.config.suite import list_shipped_suites, load_suite
from benchkit.errors import ConfigError, StoreError, near_names
from benchkit.report.calibration.people_labels import read_people_labels
from benchkit.report.core.collect import collect_results
from benchkit.runs.store import Store


def load_results(
    store: str | Path = "runs",
    suite: str = "",
    *,
    data: str | Path = "data",
    labels: Sequence[str | Path] = (),
    run_report: RunReport | None = None,
) -> Results:
    """Read the results of a suite from a run store; nothing is computed.

    Args:
        store: Folder of the run records.
        suite: Name of the suite in the store; may be left out where there is one.
        data: Folder of the prepared datasets, for the titles of the page's examples.
        labels: Files of people's grades, as `benchkit annotate --read` writes them: judges' means
            are then corrected by them.
        run_report: What a run before this did; `run` hands it on.

    Raises:
        ConfigError: The store holds several suites, and none is named.
        DataError: A file of labels cannot be read.
        StoreError: The suite has not been run, or its records cannot be read.

    Example:
        >>> import benchkit as bk
        >>> bk.load_results("runs", "quickstart@50users").tasks
        ('ml-100k',)
    """
    records = Store(Path(store))
    people = read_people_labels([Path(path) for path in labels]) if labels else None
    return Results(
        collect_results(records, find_stored_suite(records, suite), people),
        records,
        Path(data),
        run_report,
    )


def name_in_store(suite: str) -> str:
    """Return what the store calls a suite, which may be named by its file, as for a run.

    >>> name_in_store("quickstart")
    'quickstart'
    """
    is_file = split_demo_name(suite)[0].endswith(".toml")
    return load_suite(suite).name if is_file else suite


def find_stored_suite(store: Store, suite: str = "") -> str:
    """Return what the store calls a suite that was run; "" means its only one.

    Raises:
        StoreError: There is no such suite, or it was not run; the hint says how to run it.
    """
    name = name_in_store(suite) or only_suite(store)
    if store.plan(name) is not None:
        return name
    here = f" (in this store: {', '.join(store.suites())})" if store.suites() else ""
    source, users = _split_limited_name(split_demo_name(name)[0])
    shipped = list_shipped_suites()
    if name != suite:  # its file was there
        command = f"--suite {suite}"
    elif source in shipped:
        command = f"--suite {source}" if users else f"--suite {suite}"
    elif Path(f"{source}.toml").is_file():
        command = f"--suite {source}.toml"
    else:
        near = near_names(suite, [*store.suites(), *shipped])
        names = (
            f"did you mean {' or '.join(map(repr, near))}?" if near else "see benchkit ls suites"
        )
        raise StoreError(f"there is no suite {suite!r}", names + here)
    command += f" --limit-users {users}" if users else ""
    raise StoreError(
        f"store {store.root}: suite {name!r} has not been run",
        f"benchkit run {command} --out {store.root}{here}",
    )


def _split_limited_name(name: str) -> tuple[str, str]:
    """Return a suite, and how many of its users were asked, if not all.

    >>> _split_limited_name("quickstart@50users"), _split_limited_name("quickstart")
    (('quickstart', '50'), ('quickstart', ''))
    """
    match = re.fullmatch(r"(.+)@(\d+)users", name, re.DOTALL)
    return (match[1], match[2]) if match else (name, "")


def only_suite(store: Store) -> str:
    """Return the name of the store's only suite. Raises ConfigError where there are others."""
    suites = store.suites()
    if len(suites) != 1:
        raise ConfigError(
            f"store {store.root} has {len(suites)} suites",
            f"name one of: {', '.join(suites) or '-'}",
        )
    return suites[0]

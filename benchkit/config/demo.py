"""The demo of a suite: the same suite on generated data, apart from the real one in name and place.

`SUITE@demo300` names it wherever a suite is named.
"""

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from benchkit.config.loading import validate_model
from benchkit.data.dataset_statistics import mark_synthetic
from benchkit.data.demo import DEMO_FORMATS
from benchkit.data.sources import PATH_OPTIONS
from benchkit.data.spec import DatasetSpec
from benchkit.errors import ConfigError

if TYPE_CHECKING:
    from benchkit.config.suite import Suite

DEFAULT_DEMO_USERS = 300
_DEMO_NAME = re.compile(r"(?P<suite>.+)@demo(?P<users>\d{1,9})", re.DOTALL)


def demo_name(suite: str, users: int = DEFAULT_DEMO_USERS) -> str:
    """Return what names the demo of a suite, which is itself named or a file.

    >>> demo_name("amazon5", 100)
    'amazon5@demo100'
    """
    return f"{suite}@demo{users}"


def split_demo_name(name: str) -> tuple[str, int | None]:
    """Return the suite that `name` is a demo of, and for how many users; None for no demo.

    >>> split_demo_name("amazon5@demo100"), split_demo_name("mine.toml")
    (('amazon5', 100), ('mine.toml', None))
    """
    match = _DEMO_NAME.fullmatch(name)
    return (match["suite"], int(match["users"])) if match else (name, None)


def is_demo(name: str) -> bool:
    """Return whether the suite of a store is a demo, also where only some users were asked.

    >>> is_demo("amazon5@demo100@20users"), is_demo("amazon5@20users")
    (True, False)
    """
    return any(re.fullmatch(r"demo\d{1,9}", part) for part in name.split("@")[1:])


def demo_suite(suite: "Suite", users: int = DEFAULT_DEMO_USERS) -> "Suite":
    """Return the demo of a suite: another name and title, and generated data of all its datasets.

    Args:
        suite: Any suite whose sources have a published format.
        users: About how many users are left of each dataset once it is prepared.

    Raises:
        ConfigError: A dataset cannot be generated, or there would be too few users.
    """
    return suite.model_copy(
        update={
            "name": demo_name(suite.name, users),
            "title": mark_synthetic(suite.title),
            "datasets": tuple(_demo_dataset(spec, users) for spec in suite.datasets),
        }
    )


def _demo_dataset(spec: DatasetSpec, users: int) -> DatasetSpec:
    if spec.source not in DEMO_FORMATS:
        raise ConfigError(
            f"dataset {spec.name!r}: source {spec.source!r} has no published format to generate"
            " demo data in",
            f"leave out --demo and use --limit-users {users}; a demo is of"
            f" {', '.join(DEMO_FORMATS)}",
        )
    if spec.files:
        raise ConfigError(
            f"dataset {spec.name!r}: lists and splits of others are of their own data",
            "leave out --demo, or the files of `split` and `candidates`",
        )
    options = {**DEMO_FORMATS.load(spec.source).options, **spec.options}
    options = {key: _below_raw(spec.source, key, value) for key, value in options.items()}
    values = {**spec.model_dump(), "options": options, "demo_users": users}
    return validate_model(DatasetSpec, values, f"the demo of dataset {spec.name!r}")


def _below_raw(source: str, key: str, value: Any) -> Any:
    """Return a path below the raw files: that of a file elsewhere becomes SOURCE/NAME."""
    if key not in PATH_OPTIONS or not isinstance(value, str):
        return value
    path = PurePath(value)
    return f"{source}/{path.name}" if path.is_absolute() or ".." in path.parts else value

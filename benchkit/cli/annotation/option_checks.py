"""Which options of `annotate` go together."""

from collections.abc import Mapping
from pathlib import Path

from benchkit.errors import ConfigError


def check_sources(judgements: list[Path] | None, rationales: str, read: list[Path] | None) -> None:
    """Raise ConfigError where it is not said, or said twice, what is annotated or read."""
    if (sources := sum(map(bool, (judgements, rationales, read)))) != 1:
        only_one = "only one of --judgements, --rationales and --read"
        raise ConfigError(
            only_one if sources else "nothing to annotate",
            "--judgements PATH --out FOLDER to make pages (--rationales FILE --suite SUITE for a"
            " teacher's), or --read CSV --key key.json --out FILE",
        )


def refuse_options(mode: str, reason: str, values: Mapping[str, object]) -> None:
    """Raise ConfigError where an option has a value that would be ignored.

    Args:
        mode: The option that these do not go with, e.g. `--plan`.
        reason: What it does, so that they say nothing.
        values: Option -> its value; false or None: it was not given.
    """
    useless = [name for name, value in values.items() if value not in (None, False, "")]
    if useless:
        raise ConfigError(f"{mode} {reason}", f"leave out {' and '.join(useless)}")

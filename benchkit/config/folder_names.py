"""Names of a suite that become folders of the store."""

from collections.abc import Iterator, Sequence

from benchkit.errors import ConfigError
from benchkit.io import find_folder_clash, folder_name


def find_wrong_folders(kind: str, names: Sequence[str]) -> Iterator[ConfigError]:
    """Yield names that cannot be folders, and one pair that would share a folder."""
    for name in names:
        try:
            folder_name(name)
        except ConfigError as error:
            yield ConfigError(f"{kind}: {error.cause}", error.hint)
    if clash := find_folder_clash(names):
        folder = folder_name(clash[0])
        yield ConfigError(
            f"{kind}s {clash[0]!r} and {clash[1]!r} would share the folder {folder!r}",
            "give one another name",
        )

"""Where the public files of the datasets are, and where suites look for them below data/raw."""

import re
from dataclasses import dataclass

from benchkit.errors import ConfigError, unknown_name_error

_MCAULEY_LAB = "https://mcauleylab.ucsd.edu/public_datasets/data"
_GROUPLENS = "https://files.grouplens.org/datasets"


@dataclass(frozen=True)
class RemoteFile:
    """One public file."""

    url: str
    path: str
    """Below the folder of raw data."""
    checksum: str | None = None
    """`algorithm:hex digits`."""
    size: int | None = None
    """Bytes, once a server has said it."""


_FIXED = {
    "movielens/ml-1m": (
        RemoteFile(
            f"{_GROUPLENS}/movielens/ml-1m.zip",
            "movielens/ml-1m.zip",
            "sha256:a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
        ),
    ),
    "movielens/ml-latest-small": (
        RemoteFile(f"{_GROUPLENS}/movielens/ml-latest-small.zip", "movielens/ml-latest-small.zip"),
    ),
    "movielens/ml-25m": (
        RemoteFile(
            f"{_GROUPLENS}/movielens/ml-25m.zip",
            "movielens/ml-25m.zip",
            "md5:6b51fb2759a8657d3bfcbfc42b592ada",
        ),
    ),
    "lastfm": (
        RemoteFile(
            f"{_GROUPLENS}/hetrec2011/hetrec2011-lastfm-2k.zip",
            "lastfm.zip",
            "sha256:6738f48195667ff03caaab4d32ca9a3133d8cc026b7c3cdaf6ce1010e913c59c",
        ),
    ),
    "steam": (
        RemoteFile(f"{_MCAULEY_LAB}/steam/steam_reviews.json.gz", "steam/steam_reviews.json.gz"),
        RemoteFile(f"{_MCAULEY_LAB}/steam/steam_games.json.gz", "steam/steam_games.json.gz"),
    ),
    "beeradvocate": (
        RemoteFile(
            f"{_MCAULEY_LAB}/beer/beeradvocate.json.gz", "beeradvocate/beeradvocate.json.gz"
        ),
    ),
}
_BY_DOMAIN = {
    "amazon2023": (
        ("amazon_2023/raw/review_categories", "{}.jsonl.gz"),
        ("amazon_2023/raw/meta_categories", "meta_{}.jsonl.gz"),
    ),
    "amazon2018": (
        ("amazon_v2/categoryFilesSmall", "{}_5.json.gz"),
        ("amazon_v2/metaFiles2", "meta_{}.json.gz"),
    ),
}


def fetchable_datasets() -> list[str]:
    """List what can be fetched; DOMAIN is a domain as Amazon spells it, e.g. Video_Games."""
    return [*_FIXED, *(f"{release}/DOMAIN" for release in _BY_DOMAIN)]


def remote_files(dataset: str) -> tuple[RemoteFile, ...]:
    """Return the files of a dataset. Raises ConfigError for a name that is not known."""
    if dataset in _FIXED:
        return _FIXED[dataset]
    release, _, domain = dataset.partition("/")
    if release in _BY_DOMAIN:
        if not domain.replace("_", "").isalnum():
            raise ConfigError(
                f"dataset {dataset!r} has no domain",
                f"name one as Amazon spells it: {release}/Industrial_and_Scientific",
            )
        return tuple(
            RemoteFile(
                f"{_MCAULEY_LAB}/{where}/{name.format(domain)}", f"{release}/{name.format(domain)}"
            )
            for where, name in _BY_DOMAIN[release]
        )
    same = [name for name in _FIXED if name.startswith(f"{dataset}/")]
    if same:
        raise ConfigError(f"dataset {dataset!r} has several releases", f"name {' or '.join(same)}")
    raise unknown_name_error("dataset to fetch", dataset, fetchable_datasets())


def find_remote_file(path: str) -> RemoteFile | None:
    """Return the public file that suites look for at `path` below the raw data, if there is one.

    >>> find_remote_file("lastfm.zip").url.rpartition("/")[2]
    'hetrec2011-lastfm-2k.zip'
    """
    for files in _FIXED.values():
        for remote in files:
            if remote.path == path:
                return remote
    release, _, name = path.partition("/")
    for _, pattern in _BY_DOMAIN.get(release, ()):
        match = re.fullmatch(re.escape(pattern).replace(r"\{\}", r"(\w+)"), name)
        if match and not match[1].startswith("meta_"):
            files = remote_files(f"{release}/{match[1]}")
            return next(remote for remote in files if remote.path == path)
    return None

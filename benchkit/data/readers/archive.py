"""The files of a public dataset: in a folder, gzipped or not, or in the zip that was published."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchkit.errors import DataError


def missing_file_error(path: Path | str, dataset: str) -> DataError:
    """Return the error for a file of `dataset` that is not there."""
    if dataset.startswith("amazon"):  # these are fetched by domain
        domain = Path(path).name.removeprefix("meta_").partition(".")[0].removesuffix("_5")
        dataset = f"{dataset}/{domain}"
    return DataError(
        f"{path}: no such file",
        f"run `benchkit data fetch {dataset}`, or `benchkit data fetch {dataset} --from DIR`"
        " when you already have the files",
    )


def find_raw_file(folder: str, *names: str) -> Path:
    """Return the first of `names` in `folder`, gzipped or not; else the first one, gzipped."""
    paths = [Path(folder) / f"{name}{end}" for name in names for end in (".gz", "")]
    return next((path for path in paths if path.is_file()), paths[0])


@dataclass(frozen=True)
class Archive:
    """The files of `dataset` at `path`, a folder or a zip; in a zip they may lie in a folder."""

    path: Path
    dataset: str

    def __contains__(self, name: str) -> bool:
        if self.path.is_dir():
            return (self.path / name).is_file()
        return self._member(name) is not None

    def open(self, name: str) -> IO[bytes]:
        """Open the file called `name`. Raises DataError when it is not there."""
        if self.path.is_dir():
            if name not in self:
                raise missing_file_error(self.path / name, self.dataset)
            return (self.path / name).open("rb")
        member = self._member(name)
        if member is None:
            raise missing_file_error(f"{self.path}: {name}", self.dataset)
        return zipfile.ZipFile(self.path).open(member)

    def files(self, *names: str) -> list[Path]:
        """Return what is read when `names` are: these files of the folder, or the zip."""
        return [self.path] if self.path.suffix == ".zip" else [self.path / name for name in names]

    def _member(self, name: str) -> str | None:
        if not self.path.is_file():
            raise missing_file_error(self.path, self.dataset)
        try:
            with zipfile.ZipFile(self.path) as archive:
                members = [m for m in archive.namelist() if Path(m).name == name]
        except zipfile.BadZipFile:
            raise DataError(
                f"{self.path}: not a zip file, or damaged", "download it again, or unpack it"
            ) from None
        # Zips made on a Mac hold a shadow of each file, in a folder further down.
        return min(members, key=lambda m: m.count("/"), default=None)

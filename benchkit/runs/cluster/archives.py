"""Files as bytes: packed on one machine, and unpacked on another once, however many ask for it."""

import io as streams
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from filelock import FileLock

from benchkit import io


def archive_files(files: Mapping[str, Path]) -> bytes:
    """Return files and folders as one archive, uncompressed.

    Args:
        files: What each is called in the archive, and where it lies. Links are followed: what they
            lead to does not exist elsewhere.
    """
    buffer = streams.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as archive:
        for name, path in files.items():
            archive.add(path, arcname=name)
    return buffer.getvalue()


def archive_folder(folder: Path, names: Iterable[str] | None = None) -> bytes:
    """Return the content of a folder, or what is called so in it, as one archive."""
    chosen = sorted(path.name for path in folder.iterdir()) if names is None else names
    return archive_files({name: folder / name for name in chosen})


def extract_archive(data: bytes, folder: Path) -> None:
    """Write the files of an archive below a folder, and nowhere else.

    Raises:
        StoreError: They cannot be written.
        tarfile.TarError: One of them would lie elsewhere, or be no file.
    """
    with io.wrap_io_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=streams.BytesIO(data)) as archive:
            archive.extractall(folder, filter="data")


def unpack_once(load: Callable[[], bytes], folder: Path, mode: int = 0o755) -> Path:
    """Unpack an archive as a folder unless it is there, and return the folder.

    It appears as a whole: of several processes one loads it, and the others wait.

    Args:
        load: Returns the archive.
        folder: What it becomes.
        mode: The folder's permissions.
    """
    if folder.exists():
        return folder
    with io.wrap_io_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.unpack.lock")):
            if folder.exists():
                return folder
            temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
            try:
                extract_archive(load(), temporary)
                temporary.chmod(mode)
                temporary.replace(folder)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
    return folder

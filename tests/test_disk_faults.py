"""Which errors are a disk's: each library's own, wherever they stand in a chain of causes."""

import errno
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from benchkit import io
from benchkit.errors import EngineError, MethodError, StoreError
from benchkit.files.disk_faults import find_disk_fault, read_hint, write_hint


def sqlite_error(code):
    error = sqlite3.OperationalError("unable to do that")
    error.sqlite_errorcode = code
    return error


FAULTS = [
    *(OSError(number, os.strerror(number)) for number in (
        errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG,
    )),
    OSError("1000000 requested and 131056 written"),  # numpy
    OSError("No space left on device (os error 28)"),  # polars
    pl.exceptions.ComputeError("parquet: underlying IO error: Disk quota exceeded (os error 122)"),
    RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
    RuntimeError("[enforce fail at inline_container.cc:595] . PytorchStreamWriter failed writing"
                 " file data/0: file write failed"),
    RuntimeError("write(): fd 3 failed with No space left on device"),
    Exception("File too large (os error 27)"),  # tokenizers
    OSError("Caught OSError in DataLoader worker process 0.\n[Errno 28] No space left on device"),
    sqlite3.OperationalError("database or disk is full"),
    sqlite_error(sqlite3.SQLITE_FULL),
    sqlite_error(sqlite3.SQLITE_IOERR_WRITE),
]  # fmt: skip
OTHERS = [
    FileNotFoundError(2, "No such file", "no space left on device.txt"),
    PermissionError(13, "Permission denied"),
    OSError(errno.EMFILE, "Too many open files"),
    ValueError("a plain mistake"),
    RuntimeError("PytorchStreamReader failed reading zip archive"),
    MemoryError(),
    sqlite_error(sqlite3.SQLITE_BUSY),
    EngineError("HTTP 500: No space left on device", "that is the server's disk"),
    KeyboardInterrupt("No space left on device"),
]


@pytest.mark.parametrize("error", FAULTS, ids=repr)
def test_a_fault_of_a_disk_is_known(error):
    assert find_disk_fault(error) is error
    fault = io.disk_error(error)
    assert isinstance(fault, StoreError) and fault.hint


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_other_errors_are_none(error):
    assert find_disk_fault(error) is None
    assert io.disk_error(error) is None


def nested(how):
    fault = OSError(errno.ENOSPC, "No space left on device")
    try:
        try:
            raise fault
        except OSError as error:
            if how == "from":
                raise MethodError("could not save") from error
            if how == "from None":
                raise MethodError("could not save") from None
            raise KeyError("in the handler")  # noqa: B904 - its context is what is tested
    except Exception as error:
        return fault, error


@pytest.mark.parametrize("how", ["from", "from None", "context"])
def test_it_is_found_below_other_errors(how):
    fault, error = nested(how)
    assert find_disk_fault(error) is fault
    group = ExceptionGroup("two", [ValueError("x"), ExceptionGroup("one", [error])])
    assert find_disk_fault(group) is fault


def test_a_chain_that_goes_round_ends():
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert find_disk_fault(first) is None


WRITERS = {
    "safetensors": "from safetensors.torch import save_file\n"
                   "save_file({'a': torch.zeros(10**5)}, folder / 'a')",
    "torch": "torch.save(torch.zeros(10**5), folder / 'a')",
    "numpy": "np.save(folder / 'a.npy', np.zeros(10**5))",
    "polars": "pl.DataFrame({'a': np.random.rand(10**5)}).write_parquet(folder / 'a')",
    "sqlite": "base = sqlite3.connect(folder / 'base', isolation_level=None)\n"
              "base.execute('create table t (x)')\n"
              "base.execute('insert into t values (?)', (b'x' * 10**6,))",
    "text": "(folder / 'a').write_text('x' * 10**6)",
    "bytes": "io.write_bytes(folder / 'a', b'x' * 10**6)",
}  # fmt: skip
LIMIT = """
import resource, signal, sqlite3, sys
from pathlib import Path
import numpy as np, polars as pl, torch
from benchkit import io
folder = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
for code in sys.argv[2:]:
    try:
        with io.wrap_io_errors(folder):
            exec(code)
    except Exception as error:
        print(type(error).__name__, str(error).splitlines()[0][:60])
    else:
        print("no error")
"""


def test_what_the_libraries_really_raise(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMIT, str(tmp_path), *WRITERS.values()],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert len(done.stdout.splitlines()) == len(WRITERS)
    assert all(line.startswith("StoreError cannot write") for line in done.stdout.splitlines())


def test_advice_depends_on_what_is_wrong():
    full = OSError(errno.ENOSPC, "full")
    assert "free disk space" in write_hint(full) == write_hint(RuntimeError("os error 28"))
    assert "permissions" in write_hint(PermissionError(errno.EACCES, "no"))
    assert "read-only" in write_hint(OSError(errno.EROFS, "no"))
    assert "quota" in write_hint(RuntimeError("Disk quota exceeded (os error 122)"))
    assert read_hint(ValueError("no JSON"), "remove it") == "remove it"
    assert "permissions" in read_hint(PermissionError(errno.EACCES, "no"), "remove it")
    assert "disk" in read_hint(OSError(errno.EIO, "no"), "remove it")


def test_a_permission_is_no_lack_of_space(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    monkeypatch.setattr("benchkit.io.make_temporary_file", refuse)
    with pytest.raises(StoreError) as caught:
        io.write_text(tmp_path / "a.txt", "x")
    assert "permissions" in caught.value.hint and "disk space" not in caught.value.hint


def test_a_record_that_may_not_be_read_is_not_to_be_removed(tmp_path, monkeypatch):
    from benchkit.runs.store import Run

    def refuse(self, **_):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    (tmp_path / "manifest.json").write_text("{}")
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(StoreError) as caught:
        Run(tmp_path).manifest()
    assert "permissions" in caught.value.hint and "remove" not in caught.value.hint


def test_a_full_disk_that_output_is_sent_to_is_no_traceback(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "benchkit", "ls", "methods", "--json"],
            stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 4
    assert "hint: free disk space" in done.stderr and "Traceback" not in done.stderr

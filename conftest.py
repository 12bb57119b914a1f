"""Where tests keep answer keys, and the run store that doctests of the Python API read."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

KEYS = tempfile.mkdtemp(prefix="benchkit-keys-")
os.environ["BENCHKIT_KEYS"] = KEYS  # not in the folder of whoever runs the tests


def pytest_unconfigure():
    shutil.rmtree(KEYS, ignore_errors=True)


@pytest.fixture(scope="session")
def _example_store(tmp_path_factory):
    """A folder with the store that examples read: two methods, 50 users of MovieLens 100K."""
    import benchkit as bk

    folder = tmp_path_factory.mktemp("examples")
    before = Path.cwd()
    os.chdir(folder)
    try:
        bk.run("quickstart", methods=["random", "popularity"], limit_users=50, progress=False)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def _example_folder(request):
    """Run an API example where its store is; everything else stays where it was."""
    path = Path(str(request.node.fspath))
    is_example = type(request.node).__name__ == "DoctestItem" and path.parent.name == "api"
    if not is_example:
        yield
        return
    folder = request.getfixturevalue("_example_store")
    before = Path.cwd()
    os.chdir(folder)
    yield
    os.chdir(before)

"""Settings of hypothesis, where tests keep answer keys, and the store that API doctests read."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no fault: nothing is timed here.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

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

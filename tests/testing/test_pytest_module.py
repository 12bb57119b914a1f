"""The conformance tests where pytest is not installed."""

import subprocess
import sys

import pytest

IMPORT = "import sys; sys.modules['pytest'] = None; import {}"


@pytest.mark.parametrize("name", ["recommenders", "judges", "metrics", "executors"])
def test_what_is_to_be_installed_is_said_in_a_line(name):
    done = subprocess.run(
        [sys.executable, "-c", IMPORT.format(f"benchkit.testing.{name}")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("need pytest: pip install pytest")


def test_toy_data_need_no_pytest():
    code = IMPORT.format("benchkit.testing.fixtures")
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

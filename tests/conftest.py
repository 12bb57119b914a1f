"""Fixtures that several tests use."""

import shutil

import pytest

from tests.support.suites import METHODS

collect_ignore = ["benchmarks/rectools_sasrec.py"]  # it runs under a Python that has RecTools


@pytest.fixture
def methods(tmp_path, monkeypatch):
    """A file of recommenders in the current folder, which is a new one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recs.py").write_text(METHODS)
    return tmp_path / "recs.py"


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium; the test is skipped, and says so, where it is not installed."""
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium")
    with sync.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()

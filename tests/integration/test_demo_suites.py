"""Every shipped suite runs as a demo, all rows on all datasets, and its tables can be written."""

from pathlib import Path

import pytest

import benchkit as bk
from benchkit.config.demo import demo_suite
from benchkit.config.suite import load_suite
from tests.support.brief_settings import with_brief_settings

SUITES = sorted(path.stem for path in (Path(bk.__file__).parent / "suites").glob("*.toml"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder for all suites, which share prepared data, stages and runs."""
    return tmp_path_factory.mktemp("demos")


@pytest.mark.slow
@pytest.mark.parametrize("name", SUITES)
def test_a_suite_runs_as_a_demo(name, folder, tmp_path):
    pytest.importorskip("recbole")
    suite = with_brief_settings(demo_suite(load_suite(name), 100))
    results = bk.run(
        suite, jobs=2, store=folder / "runs", data=folder / "data", keys=folder / "keys",
        progress=False,
    )  # fmt: skip
    assert results.run_report.n_failed == 0, results.failures
    assert set(results.methods) == {row.name for row in suite.methods}
    results.write(tmp_path)
    page = next(tmp_path.rglob("index.html")).read_text(encoding="utf-8")
    assert "SYNTHETIC" in page.split("</h1>")[0]

"""A made-up suite that was reported once."""

import shutil

import pytest

from tests.support.report_bench import (
    Bench,
    write_down_plots,
)


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A suite that was reported once."""
    folder = tmp_path_factory.mktemp("reported")
    with pytest.MonkeyPatch.context() as patch:
        write_down_plots(patch)
        bench = Bench(folder)
        bench.write(bench.board)
    return folder


@pytest.fixture
def bench(tmp_path, monkeypatch, reported):
    write_down_plots(monkeypatch)
    shutil.copytree(reported, tmp_path, dirs_exist_ok=True)
    return Bench(tmp_path, is_there=True)

"""Stored results that are damaged, cannot be written, or are written by two reports at once."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchkit import io
from benchkit.report.core.cell import Cell
from benchkit.report.core.collect import collect_results
from benchkit.report.incremental import environment, memo
from benchkit.report.plots import plot_images
from benchkit.report.ranking import rank_types, table_ranks
from benchkit.report.ranking.table_ranks import SuiteRanks
from benchkit.runs.records import Manifest
from benchkit.runs.store import Store
from benchkit.stats.ranking.paired_statistics import PairedStatistics
from tests.support.report_bench import (
    Bench,
    contents,
    full,
    rewrite_run,
)
from tests.support.sealing import read_plain


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "other kind", "no JSON", "folder"])
def test_damaged_results_of_before_are_computed_again(bench, damage):
    before = contents(bench.board)
    entries = sorted(Store(bench.root).report_cache.iterdir())
    originals = {path: path.read_bytes() for path in entries}
    assert {path.name.partition("-")[0] for path in entries} >= {"plot", "pairs", "ranks"}
    for path, other in zip(entries, [*entries[1:], entries[0]], strict=True):
        content = bytearray(originals[path])
        if damage == "cut":
            path.write_bytes(content[: len(content) // 2])
        elif damage == "bit":
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        elif damage == "folder":
            path.unlink()
            path.mkdir()
        else:
            path.write_bytes(
                {"empty": b"", "other kind": originals[other], "no JSON": b"\xff"}[damage]
            )
    bench.write(bench.board)
    assert contents(bench.board) == before
    if damage != "folder":
        assert {path: path.read_bytes() for path in entries} == originals


def test_without_the_folder_of_results_nothing_is_lost(bench, tmp_path):
    before = contents(bench.board)
    shutil.rmtree(Store(bench.root).report_cache)
    bench.write(bench.board)
    assert contents(bench.board) == before


def test_a_store_that_cannot_be_written_is_reported(bench):
    shutil.rmtree(Store(bench.root).report_cache)
    Store(bench.root).report_cache.write_text("no folder")
    shutil.rmtree(bench.board)
    bench.write(bench.board)
    assert (bench.board / "plots" / "metric-tea-scored.svg").is_file()
    assert Store(bench.root).report_cache.read_text() == "no folder"


def test_no_write_into_a_store_is_needed(bench, monkeypatch):
    """As on a disk that can only be read, which root is refused as well."""
    folder = bench.run_folder("toys", "c")
    manifest = Manifest.model_validate(read_plain(folder / "manifest.json"))
    started = manifest.model_copy(update={"status": "started", "files": {}, "summary": []})
    Store(bench.root).run_at(folder).write_manifest(started)
    shutil.rmtree(bench.root / ".locks", ignore_errors=True)
    before = set(bench.root.rglob("*"))
    make = io.make_temporary_file

    def refuse(parent):
        if bench.root in (parent, *parent.parents):
            raise OSError(30, "Read-only file system", str(parent))
        return make(parent)

    monkeypatch.setattr(io, "make_temporary_file", refuse)
    bench.write(bench.board)
    assert "interrupted" in (bench.board / "table.md").read_text()
    added = {path.name for path in bench.root.rglob("*")} - {path.name for path in before}
    assert added <= {".reports"}


def test_an_interrupted_write_leaves_nothing_that_is_read(bench, monkeypatch):
    """A process that is killed in the middle of an entry, then the next report."""
    folder = Store(bench.root).report_cache
    shutil.rmtree(folder)
    write = Path.write_text

    def stop(path, text, **options):
        if path.parent == folder:
            write(path, text[: len(text) // 2], **options)
            raise KeyboardInterrupt
        return write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", stop)
    with pytest.raises(KeyboardInterrupt):
        bench.write(bench.board)
    monkeypatch.setattr(Path, "write_text", write)
    assert list(folder.iterdir()) == []
    before = contents(bench.board)
    bench.write(bench.board)
    assert contents(bench.board) == before


def test_a_run_that_changes_while_it_is_read_is_not_stored(bench, monkeypatch):
    store = Store(bench.root)
    results = collect_results(store, "made")
    shutil.rmtree(store.report_cache)
    read = table_ranks.read_ranked_values

    def read_late(*arguments):
        rewrite_run(bench, "ndcg@5", 1.0)
        return read(*arguments)

    monkeypatch.setattr(table_ranks, "read_ranked_values", read_late)
    (tea,) = [t for t in results.tables if t.task == "tea" and not t.subgroup]
    assert SuiteRanks(store, results).of_table(tea) is not None
    assert not list(store.report_cache.glob("ranks-*"))


def test_other_code_or_packages_compute_anew(bench, monkeypatch):
    count = len(list(Store(bench.root).report_cache.iterdir()))
    other = {**environment.environment(), "numpy": "0"}
    monkeypatch.setattr(memo, "environment", lambda: other)
    bench.write(bench.board)
    assert len(list(Store(bench.root).report_cache.iterdir())) == 2 * count


def test_a_store_that_has_moved_has_its_results_still(bench, tmp_path, monkeypatch):
    shutil.move(bench.root, tmp_path / "moved")
    monkeypatch.setattr(plot_images, "draw_images", None)
    bench.write(tmp_path / "other", tmp_path / "moved")
    assert contents(tmp_path / "other") == contents(bench.board)


@pytest.mark.slow
def test_two_reports_at_once_write_the_same_files(bench):
    """Two processes begin with no results of before; neither sees half of what the other writes."""
    shutil.rmtree(Store(bench.root).report_cache)
    boards = [bench.root.parent / f"board-{i}" for i in range(2)]
    code = (
        "import sys; from pathlib import Path; import benchkit as bk;"
        "bk.load_results(Path(sys.argv[1]), 'made').write(sys.argv[2])"
    )
    commands = [[sys.executable, "-c", code, str(bench.root), str(board)] for board in boards]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert contents(boards[0]) == contents(boards[1]) != {}


@pytest.mark.slow
def test_rendered_plots_are_those_of_a_full_report(tmp_path):
    bench = Bench(tmp_path)
    bench.write(bench.board)
    rewrite_run(bench, "ndcg@5", 1.0)
    bench.write(bench.board)
    assert contents(bench.board) == full(bench, tmp_path)


def test_dataclasses_are_stored_whole():
    """A new field of a stored result must be stored as well."""
    counts = {
        Cell: 6, rank_types.RowRank: 4, rank_types.TableRanks: 6, rank_types.OverallRanks: 6,
        PairedStatistics: 7,
    }  # fmt: skip
    assert {kind: len(dataclasses.fields(kind)) for kind in counts} == counts

"""After a change a report writes, byte for byte, what it would write into an empty folder."""

import shutil
from collections import Counter

import pytest

from benchkit.report.core.collect import collect_results
from benchkit.report.incremental import memo
from benchkit.report.paper.paper_table import build_paper_tables
from benchkit.report.plots import plot_images
from benchkit.report.plots.base import Plot
from benchkit.report.site.payload import build_payload
from benchkit.runs.store import Run, Store
from tests.support.report_bench import (
    TASKS,
    age,
    change_grade,
    contents,
    describe,
    full,
    replan,
    rewrite_run,
)

PAGE = {"index.html"}
CHANGES = {
    "nothing": (lambda b: None, lambda name: False),
    "a run": (lambda b: rewrite_run(b, "ndcg@5", 1.0), lambda name: "toys" not in name),
    "a metric": (
        lambda b: rewrite_run(b, "hr@1", 0.0),
        lambda name: "plots/grades" not in name and "toys" not in name,
    ),
    "a grade": (
        change_grade,
        lambda name: name.startswith(("grades", "plots/grades-tea")) or name in PAGE,
    ),
    "labels": (lambda b: b.label(1), lambda name: name.startswith("grades")),
    "published figures": (lambda b: b.publish(0.5), lambda name: name in {*PAGE, "paper.md"}),
    "a row less": (lambda b: Store(b.root).forget("made", "b"), lambda name: True),
    "the primary metric": (lambda b: replan(b, primary="hr@1"), lambda name: True),
    "a title": (lambda b: replan(b, title="Other"), lambda name: True),
    "other order": (lambda b: replan(b, labels=["c", "a", "b"]), lambda name: True),
    "fewer buckets": (lambda b: replan(b, history_buckets=[(0,)]), lambda name: True),
}  # fmt: skip


QUICK = ("nothing", "a run", "a grade", "labels", "published figures", "a row less")


@pytest.mark.parametrize(
    "change",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CHANGES],
)
def test_after_a_change_the_files_are_those_of_a_full_report(bench, tmp_path, change):
    apply, may_change = CHANGES[change]
    before = contents(bench.board)
    age(bench.board)
    apply(bench)
    bench.write(bench.board)
    after = contents(bench.board)
    expected = full(bench, tmp_path)
    assert {name: after[name] for name in expected} == expected
    changed = {name for name in expected if expected[name] != before.get(name)}
    assert all(map(may_change, changed)), changed
    assert bool(changed) == (change != "nothing")
    written = {
        name for name in after if (bench.board / name).stat().st_mtime > 1 and name != "paper.md"
    }
    assert written == changed - {"paper.md"}


def test_a_change_draws_the_plots_of_its_task_alone(bench, monkeypatch):
    drawn = Counter()

    def count(height, draw, width):
        table = draw.keywords.get("table")
        drawn[table.task if table else "other"] += 1
        return describe(height, draw, width)

    monkeypatch.setattr(plot_images, "draw_images", count)
    bench.write(bench.board)
    assert not drawn
    rewrite_run(bench, "ndcg@5", 1.0, task="toys")
    bench.write(bench.board)
    assert drawn["toys"] == 1 and "tea" not in drawn


def test_a_plot_whose_function_hides_what_it_draws_is_drawn_every_time(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plot_images, "draw_images", lambda *plot: drawn.append(plot) or {})
    for _ in range(2):
        plot_images.recall_images(memo.Memo(tmp_path), Plot(("mine",), 2, lambda figure: None))
    assert len(drawn) == 2


def test_files_edited_or_deleted_by_hand_are_written_again(bench):
    before = contents(bench.board)
    (bench.board / "plots" / "metric-tea-scored.svg").write_text("mine")
    (bench.board / "plots" / "metric-tea-scored.png").unlink()
    (bench.board / "index.html").write_bytes(before["index.html"].replace(b"a", b"b", 1))
    (bench.board / "table.tex").unlink()
    (bench.board / "table.tex").symlink_to(bench.labels)
    bench.write(bench.board)
    assert contents(bench.board) == before
    assert not (bench.board / "table.tex").is_symlink()
    assert bench.labels.read_text().startswith("rater")


def test_the_inputs_of_example_cases_are_looked_up_once_a_task(bench):
    calls = []

    def look_up(task, fingerprint, cases):
        calls.append((task, fingerprint, tuple(cases)))
        return {}

    store = Store(bench.root)
    build_payload(collect_results(store, "made"), store, (), look_up)
    assert len(calls) == len(set(calls)) == len(TASKS)


def test_the_papers_layout_reads_each_run_once(bench, monkeypatch):
    shutil.rmtree(Store(bench.root).report_cache)
    store, reads = Store(bench.root), Counter()
    results = collect_results(store, "made")
    read = Run.metrics

    def count(run):
        reads[run.path.name] += 1
        return read(run)

    monkeypatch.setattr(Run, "metrics", count)
    layouts = build_paper_tables(results, store)
    assert len(results.plan.metrics) > 1
    assert set(reads.values()) == {1} and len(reads) == len(TASKS) * len(results.plan.labels)
    assert build_paper_tables(results, store) == layouts
    assert set(reads.values()) == {1}

"""A suite with grades, labels and published figures, its reports, and changes to it."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.lines import Line2D
from matplotlib.text import Text

from benchkit.report.calibration.people_labels import read_people_labels
from benchkit.report.core.collect import collect_results
from benchkit.report.leaderboard.writer import render_paper_table, write_leaderboard
from benchkit.report.plots import plot_images, scatter, style
from benchkit.report.ranking.table_ranks import SuiteRanks
from benchkit.runs.records import JUDGEMENTS_SCHEMA, Manifest
from benchkit.runs.store import Run, Store
from tests.support.result_store import make_store
from tests.support.sealing import read_plain, reseal

LABELS, TASKS, USERS = ["a", "b", "c"], ("tea", "toys"), 30
PUBLISHED = "paper,table,domain,method,group,metric,value,variant,note\n"


class Bench:
    """A made-up suite with grades, labels and published figures, and its reports."""

    def __init__(self, folder: Path, is_there: bool = False) -> None:
        self.root, self.board = folder / "runs", folder / "board"
        self.labels, self.published = folder / "labels.csv", folder / "published"
        if is_there:
            return
        store = make_store(self.root, LABELS, TASKS, users=USERS, judge=True)
        update = {"published": ["p:table1"], "history_buckets": [(0, 4), (5,)]}
        store.update_plan(store.plan("made").model_copy(update=update))
        for run in store.runs():
            judge_all(run)
        self.label(3)
        self.publish(0.25)

    def label(self, grade: int) -> None:
        """Ann grades 25 answers of each method; `grade` is that of the first."""
        lines = [
            f"ann,fit,{label},{task},test:{case},{case % 4 + 1 if case else grade}\n"
            for label in LABELS
            for task in TASKS
            for case in range(25)
        ]
        self.labels.write_text("rater,criterion,system,task,case_id,grade\n" + "".join(lines))

    def publish(self, value: float) -> None:
        self.published.mkdir(exist_ok=True)
        (self.published / "p.csv").write_text(f"{PUBLISHED}p,table1,tea,a,,hr@1,{value},,ratio\n")

    def write(self, folder: Path, root: Path | None = None) -> None:
        """Write all files of the suite, and the papers' layout beside them."""
        store = Store(root or self.root)
        results = collect_results(store, "made", read_people_labels([self.labels]))
        ranks = SuiteRanks(store, results)
        write_leaderboard(results, store, folder, published=self.published, ranks=ranks)
        text = render_paper_table(results, store, self.published, "md", ranks=ranks)
        (folder / "paper.md").write_text(text)

    def run_folder(self, task="tea", label="b") -> Path:
        (folder,) = (self.root / "made" / task / label).iterdir()
        return folder


def judge_all(run: Run) -> None:
    """Let the judge grade thirty answers of a run instead of one."""
    (judgement,) = run.judgements()
    first = run.verdicts(judgement).head(1).to_dicts()[0]
    rows = [
        {**first, "case_id": f"test:{case}", "user": f"test:{case}", "grades": [
            {"criterion": "fit", "grade": case % 5 + 1.0}, {"criterion": "trust", "grade": 2.0}]}
        for case in range(USERS)
    ]  # fmt: skip
    table = pl.DataFrame(rows, schema=JUDGEMENTS_SCHEMA)
    run.write_judgement(judgement.model_copy(update={"cases": USERS}), table)


def write_down_plots(monkeypatch) -> None:
    """Draw plots and, instead of rendering them, write down their texts and lines."""
    monkeypatch.setattr(plot_images, "draw_images", describe)
    monkeypatch.setattr(
        scatter, "_name", lambda figure, _, *named: figure.text(0, 0, repr(named))
    )  # the search for room beside points takes most of the time


def describe(height, draw, width):
    figure = style.make_figure(height, draw, width)
    texts = [text.get_text() for text in figure.findobj(Text)]
    lines = [[line.get_color(), np.asarray(line.get_xydata(), float).tolist()]
             for line in figure.findobj(Line2D)]  # fmt: skip
    content = json.dumps([height, width, texts, lines]).encode()
    return {".svg": content, ".png": content[::-1]}


def contents(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def full(bench: Bench, folder: Path) -> dict[str, bytes]:
    """What a report writes into an empty folder that has no earlier results."""
    shutil.copytree(bench.root, folder / "copy", ignore=shutil.ignore_patterns(".reports"))
    bench.write(folder / "full", folder / "copy")
    return contents(folder / "full")


def age(folder: Path) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))


def rewrite_run(bench: Bench, name: str, value: float, task: str = "tea") -> None:
    """Change a metric of one run at the first ten cases, as if it had been computed again."""
    folder = bench.run_folder(task)
    table = pl.read_parquet(folder / "metrics.parquet")
    first = (pl.col("metric") == name) & pl.col("case_id").is_in([f"test:{i}" for i in range(10)])
    table = table.with_columns(pl.when(first).then(value).otherwise("value").alias("value"))
    table.write_parquet(folder / "metrics.parquet")
    manifest = Manifest.model_validate(read_plain(folder / "manifest.json"))
    mean = table.filter(metric=name)["value"].mean()
    summary = [
        line.model_copy(update={"mean": mean, "high": mean + 0.1}) if line.metric == name else line
        for line in manifest.summary
    ]
    Store(bench.root).run_at(folder).write_manifest(
        manifest.model_copy(update={"summary": summary, "files": {}})
    )


def change_grade(bench: Bench) -> None:
    (path,) = bench.run_folder().glob("judgements/*.parquet")
    table = pl.read_parquet(path)
    grades = table["grades"].to_list()
    grades[0] = [{"criterion": "fit", "grade": 5.0}, {"criterion": "trust", "grade": 1.0}]
    table = table.with_columns(pl.Series("grades", grades, dtype=table.schema["grades"]))
    table.write_parquet(path)
    reseal(bench.run_folder())


def replan(bench: Bench, **changes) -> None:
    store = Store(bench.root)
    store._write_plan(store.plan("made").model_copy(update=changes))

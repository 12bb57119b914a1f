"""Damages to a store: what happens to files on disks, in hands and in scripts, each by a name.

A damage is a function of the store's folder. The store is that of `make_store_to_damage`.
"""

import json
import shutil
from pathlib import Path

import polars as pl

from benchkit import io
from benchkit.files.checksums import sign_record
from tests.support.sealing import read_plain

LABELS = ("Counts", "Noise", "Explains")


def folder(root, label, number=0):
    """Folder of a run of the suite `small`: of the first seed, or of another."""
    return sorted(path.parent for path in root.glob(f"small/toy/{label}/*/manifest.json"))[number]


def edit_json(path, change, sign=False):
    """Change a record; with `sign`, its own checksum fits again."""
    values = read_plain(path) if sign else json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(sign_record(values) if sign else values))


def edit_table(path, change):
    change(pl.read_parquet(path)).write_parquet(path)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def delete(path):
    path.unlink()


def turn_into_folder(path):
    path.unlink()
    path.mkdir()


def garble(path):
    path.write_bytes(b"\xff\x00{" * 40)


def make_list(path):
    path.write_text("[1, 2]")


def of_another_run(path):
    """Put the file of the other seed of Noise, or of Counts, in its place."""
    others = path.parents[2].glob(f"*/*/{path.name}")
    other = next(other for other in sorted(others) if other.parent != path.parent)
    shutil.copy(other, path)


def manifest(change, label="Noise", sign=False):
    return lambda root: edit_json(folder(root, label) / "manifest.json", change, sign)


def set_key(*keys, value):
    """Set a value in nested keys; the value may be a function of the old one."""

    def change(values):
        for key in keys[:-1]:
            values = values[key]
        old = values[keys[-1]]
        values[keys[-1]] = value(old) if callable(value) else value

    return change


def first_summary(name, value):
    return set_key("summary", 0, name, value=value)


def table(name, change, label="Noise"):
    return lambda root: edit_table(folder(root, label) / f"{name}.parquet", change)


def shift(column):
    """Give each row the value of the next one."""
    return lambda t: t.with_columns(pl.col(column).gather((pl.int_range(pl.len()) + 1) % pl.len()))


def set_first(column, value):
    first = pl.int_range(pl.len()) == 0
    return lambda t: t.with_columns(
        pl.when(first).then(pl.lit(value, t.schema[column])).otherwise(pl.col(column)).alias(column)
    )


def metrics_and_manifest(root, sign):
    """Make a method better in the table of cases and in the summary, alike."""
    path = folder(root, "Noise")
    edit_table(path / "metrics.parquet", lambda t: t.with_columns(pl.col("value") * 0 + 1.0))

    def better(values):
        for line in values["summary"]:
            line["mean"] = 1.0

    edit_json(path / "manifest.json", better, sign)


def move_run(root, source, target):
    path = folder(root, source)
    place = path.parents[1] / target / path.name
    place.parent.mkdir(exist_ok=True)
    shutil.move(path, place)


def swap_runs(root):
    """Let two methods change places."""
    a, b = folder(root, "Counts"), folder(root, "Explains")
    between = a.with_name("between")
    shutil.move(a, between)
    shutil.move(b, a)
    shutil.move(between, b)


def plan(change, sign=False):
    return lambda root: edit_json(root / "small" / "plan.json", change, sign)


def double_rows(values):
    values["rows"] += values["rows"]


def point_elsewhere(values):
    rows = [row for row in values["rows"] if row["label"] == "Noise"]
    rows[0]["run_id"], rows[1]["run_id"] = rows[1]["run_id"], rows[0]["run_id"]


def swap_labels(values):
    names = {"Counts": "Noise", "Noise": "Counts"}
    for row in values["rows"]:
        row["label"] = names.get(row["label"], row["label"])


def drop_rows(values):
    values["rows"] = [row for row in values["rows"] if row["label"] != "Counts"]


def judgement(root):
    return next(folder(root, "Explains").glob("judgements/*.json"))


def judgement_json(change, sign=False):
    return lambda root: edit_json(judgement(root), change, sign)


def verdicts(change):
    return lambda root: edit_table(judgement(root).with_suffix(".parquet"), change)


def set_grades(grade):
    def change(t):
        grades = pl.element().struct.with_fields(grade=pl.lit(float(grade)))
        return t.with_columns(pl.col("grades").list.eval(grades))

    return change


def ledger_lines(change):
    def damage(root):
        path = root / "small" / "ledger.jsonl"
        path.write_text("".join(change(path.read_text().splitlines(keepends=True))))

    return damage


def on(path, change):
    """Damage a file: `Noise/metrics.parquet`, `verdicts`, `judgement`, or one of the store."""

    def damage(root):
        if path == "verdicts":
            return change(judgement(root).with_suffix(".parquet"))
        if path == "judgement":
            return change(judgement(root))
        label, _, name = path.partition("/")
        return change(folder(root, label) / name if label in LABELS else root / path)

    return damage


_WAYS = (cut, empty, delete, turn_into_folder, garble)
_FILES = ("Noise/predictions.parquet", "Noise/metrics.parquet", "Noise/manifest.json",
          "Noise/log.jsonl", "judgement", "verdicts", "small/plan.json")  # fmt: skip

DAMAGES = {
    **{f"{path} {way.__name__}": on(path, way) for path in _FILES for way in _WAYS},
    **{
        f"Noise/{name} of another run": on(f"Noise/{name}", of_another_run)
        for name in ("manifest.json", "metrics.parquet", "predictions.parquet")
    },
    **{f"{path} a list": on(path, make_list) for path in ("Noise/manifest.json", "judgement")},
    "ledger empty": on("small/ledger.jsonl", empty),
    "ledger deleted": on("small/ledger.jsonl", delete),
    "ledger a folder": on("small/ledger.jsonl", turn_into_folder),
    "ledger cut": on("small/ledger.jsonl", cut),
    "ledger without its first line": ledger_lines(lambda lines: lines[1:]),
    "store.json cut": on("store.json", cut),
    "store.json deleted": on("store.json", delete),
    "run id": manifest(set_key("run_id", value="0" * 16)),
    "seed": manifest(set_key("seed", value=7)),
    "label": manifest(set_key("label", value="Counts")),
    "family": manifest(set_key("family", value="sft")),
    "identity": manifest(set_key("identity", "config", value={"scale": 2.0})),
    "threads": manifest(set_key("identity", "threads", value=8), sign=True),
    "mean": manifest(first_summary("mean", 0.99)),
    "mean, signed": manifest(first_summary("mean", 0.99), sign=True),
    "interval": manifest(first_summary("low", 0.9)),
    "interval, signed": manifest(first_summary("high", 1.0), sign=True),
    "chance": manifest(first_summary("chance", 0.001)),
    "chance p": manifest(first_summary("p_chance", 1e-9)),
    "chance p, signed": manifest(first_summary("p_chance", 1e-9), sign=True),
    "cases": manifest(first_summary("n", 4000)),
    "users": manifest(first_summary("users", 4000), sign=True),
    "coverage": manifest(
        lambda m: [x.update(mean=0.123) for x in m["summary"] if x["metric"] == "coverage@5"],
        sign=True,
    ),
    "cost": manifest(set_key("cost", "fit_seconds", value=78.0)),
    "cost, signed": manifest(set_key("cost", "fit_seconds", value=77.0), sign=True),
    "caveats": manifest(set_key("caveats", value=["trained on the test set"])),
    "failed to complete": manifest(
        lambda m: m.update(status="complete", error=None), label="Raises", sign=True
    ),
    "failed to complete, unsigned": manifest(set_key("status", value="complete"), label="Raises"),
    "complete to failed": manifest(set_key("status", value="failed"), sign=True),
    "summary without a metric": manifest(lambda m: m["summary"].pop(0), sign=True),
    "schema of before": manifest(set_key("schema_version", value=4), sign=True),
    "schema of before, unsigned": manifest(
        lambda m: (m.pop("checksum"), m.pop("files"), m.update(schema_version=4))
    ),
    "plan of before, unsigned": plan(
        lambda p: (p.pop("checksum"), p.update(schema_version=4, primary="hr@1"))
    ),
    "schema of later": manifest(set_key("schema_version", value=99)),
    "files without checksums": manifest(set_key("files", value={}), sign=True),
    "no field": manifest(lambda m: m.pop("identity")),
    "metrics column dropped": table("metrics", lambda t: t.drop("value")),
    "metrics column renamed": table("metrics", lambda t: t.rename({"value": "values"})),
    "metrics NaN": table("metrics", set_first("value", float("nan"))),
    "metrics null": table("metrics", set_first("value", None)),
    "metric dropped": table("metrics", lambda t: t.filter(pl.col("metric") != "ndcg@5")),
    "metrics permuted": table("metrics", shift("value")),
    "metrics case dropped": table("metrics", lambda t: t[1:]),
    "metrics doubled": table("metrics", lambda t: pl.concat([t, t])),
    "metrics and manifest alike": lambda root: metrics_and_manifest(root, False),
    "metrics and manifest alike, signed": lambda root: metrics_and_manifest(root, True),
    "predictions column dropped": table("predictions", lambda t: t.drop("scores")),
    "predictions NaN": table(
        "predictions", lambda t: t.with_columns(pl.col("scores").list.eval(pl.lit(float("nan"))))
    ),
    "scores negated": table(
        "predictions", lambda t: t.with_columns(pl.col("scores").list.eval(-pl.element()))
    ),
    "scores permuted": table("predictions", shift("scores")),
    "targets changed": table("predictions", shift("target")),
    "users permuted": table("predictions", shift("user")),
    "lengths of history": table("predictions", shift("history_length")),
    "rows out of order": table("predictions", lambda t: t.reverse()),
    "run deleted": lambda root: shutil.rmtree(folder(root, "Noise")),
    "label deleted": lambda root: shutil.rmtree(root / "small" / "toy" / "Counts"),
    "run under another label": lambda root: move_run(root, "Noise", "Counts"),
    "run under a new label": lambda root: move_run(root, "Noise", "Better"),
    "runs swapped": swap_runs,
    "an artifact added": lambda root: io.write_text(
        folder(root, "Noise") / "artifacts" / "steps.jsonl", '{"step": 0}\n'
    ),
    "plan rows doubled": plan(double_rows),
    "plan rows doubled, signed": plan(double_rows, sign=True),
    "plan rows elsewhere": plan(point_elsewhere, sign=True),
    "plan labels swapped": plan(swap_labels),
    "plan rows dropped": plan(drop_rows, sign=True),
    "plan primary": plan(set_key("primary", value="hr@1")),
    "plan of another suite": plan(set_key("suite", value="other"), sign=True),
    "grade 99": verdicts(set_grades(99)),
    "grade of before": verdicts(set_grades(1)),
    "verdicts column dropped": verdicts(lambda t: t.drop("grades")),
    "verdicts case dropped": verdicts(lambda t: t[1:]),
    "verdicts targets": verdicts(shift("target")),
    "judgement counts": judgement_json(set_key("counts", value={})),
    "judgement status": judgement_json(set_key("status", value="failed"), sign=True),
    "judgement rubric": judgement_json(
        set_key("rubric", "criteria", 0, "high", value=9), sign=True
    ),
    "judgement of another run": judgement_json(set_key("run_id", value="0" * 16)),
}  # fmt: skip
# Some of each kind, for the tests that are run all the time.
SAMPLE = (
    "Noise/metrics.parquet cut", "Noise/manifest.json delete", "Noise/predictions.parquet empty",
    "metrics and manifest alike, signed", "failed to complete", "run deleted", "runs swapped",
    "plan rows doubled, signed", "plan rows elsewhere", "grade 99", "scores negated",
    "ledger without its first line",
)  # fmt: skip


def copy_store(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target

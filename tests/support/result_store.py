"""A made-up run store for tests and benchmarks of the page: any size, no method runs."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from benchkit import io
from benchkit.report.site.page import PAGE_NAME, render_page
from benchkit.runs import records
from benchkit.runs.records import (
    JudgementManifest,
    Manifest,
    MetricSummary,
    PlannedJudge,
    PlannedRow,
    PlanRecord,
)
from benchkit.runs.store import Run, Store

NASTY = (
    "<script>window.owned = 1</script></script>\"'&amp;50% _#{x}$~^\\"
    " \u202eabc \u2028 推荐 😀 مرحبا"
)
RUBRIC = {
    "name": "small",
    "title": "Small",
    "missing": None,
    "criteria": [{"name": n, "low": 1, "high": 5} for n in ("fit", "trust")],
}
JUDGE = PlannedJudge(label="strict", judge_id="0" * 16, rubric="small")
CHANCE = {"hr@1": 1 / 30, "hr@5": 1 / 6, "ndcg@5": 0.0983, "mrr": 0.1332}
FAMILIES = ("cf", "sft", "preference", "control")


def make_store(
    root: Path,
    labels: Sequence[str],
    tasks: Sequence[str] = ("toys",),
    metrics: Sequence[str] = ("hr@1", "ndcg@5"),
    users: int = 40,
    *,
    failed: Sequence[str] = (),
    text: str = "because",
    judge: bool = False,
    title: str = "Made up",
) -> Store:
    """Rows `labels` on `tasks`, one seed, protocol scored; the first of them is the best.

    failed: labels whose runs failed. text: rationale, sample, remark and, with `judge`, the titles
    and the judge's reason.
    """
    store = Store(root).create()
    rows = []
    for task in tasks:
        for place, label in enumerate(labels):
            family = FAMILIES[place % len(FAMILIES)]
            run_id = f"{tasks.index(task):04x}{place:012x}"
            run = store.run("made", task, label, run_id)
            caveats = (text,) if place == 0 else ()
            manifest = Manifest(
                run_id=run_id, row_id=run_id[::-1], status="started", suite="made", task=task,
                label=label, family=family, seed=0, caveats=caveats,
                identity={
                    "method": "Made", "config": {"train": {"epochs": 3}, "text": text},
                    "packages": {"numpy": "2.0"}, "code": "c0de", "harness": "ha12",
                    "train": "f00d", "test": "f00d", "device": "cpu", "protocols": ["scored"],
                },
                provenance={"python": "3.11", "packages": {"benchkit": "1"}, "git": "abc"},
                started="2026-01-01T00:00:00+00:00",
            )  # fmt: skip
            if label in failed:
                update = {"status": "failed", "error": f"it raised {text}\nmore"}
                run.write_manifest(manifest.model_copy(update=update))
            else:
                _complete(run, manifest, metrics, users, 1 - 0.7 * place / len(labels), text)
                if judge:
                    _judge(run, text)
            rows.append(PlannedRow(task=task, label=label, family=family, seed=0,
                                   run_id=run_id, caveats=caveats))  # fmt: skip
    store.update_plan(
        PlanRecord(
            suite="made", title=title, primary=metrics[-1], metrics=list(metrics),
            protocols=["scored"], tasks=list(tasks), labels=list(labels), rows=rows,
            judges=[JUDGE] if judge else [],
        )
    )  # fmt: skip
    return store


def _complete(
    run: Run, manifest: Manifest, metrics: Sequence[str], users: int, skill: float, text: str
) -> None:
    rng = np.random.default_rng([len(text), int(manifest.run_id, 16)])
    ids = [f"test:{user}" for user in range(users)]
    parts, summary = [], []
    for place, metric in enumerate(metrics):
        values = (rng.random(users) < skill * 0.6).astype(float)
        mean, error = float(values.mean()), float(1.96 * values.std() / users**0.5)
        summary.append(
            MetricSummary(
                protocol="scored",
                metric=metric,
                n=users,
                users=users,
                mean=mean,
                low=mean - error,
                high=mean + error,
                chance=CHANCE.get(metric, 0.05 + 0.01 * place),
                p_chance=0.0001 if skill > 0.5 else 0.6,
            )
        )
        columns = {"case_id": ids, "protocol": "scored", "metric": metric, "value": values}
        parts.append(pl.DataFrame(columns, schema=records.METRICS_SCHEMA))
    predictions = pl.DataFrame(
        {
            "case_id": ids,
            "user": ids,
            "target": ["a"] * users,
            "status": ["ok"] * users,
            "scores": rng.random((users, 3)).tolist(),
            "samples": [[{"text": text, "item": "a", "rationale": text, "status": "ok"}]] * users,
            "sampled_status": ["ok"] * users,
            "rationale": [text] * users,
            "usage": [json.dumps({"scored": {"prompt_tokens": 10, "scored_tokens": 5}})] * users,
            "history_length": [4] * users,
        },
        schema={k: v for k, v in records.PREDICTIONS_SCHEMA.items() if k != "lengths"},
    )
    cost = {
        "fit_seconds": 1.5,
        "scored_seconds": 0.4,
        "scored_tokens": 15.0 * users,
        "peak_memory_mb": 812.0,
    }
    done = manifest.model_copy(update={"status": "complete", "cost": cost, "summary": summary})
    run.finish(done, {"metrics": pl.concat(parts), "predictions": predictions})


def _judge(run: Run, text: str) -> None:
    manifest = run.manifest()
    done = JudgementManifest(
        judge_id=JUDGE.judge_id, run_id=manifest.run_id, suite=manifest.suite, task=manifest.task,
        label="strict", judge="llm", status="complete", rubric=RUBRIC, caveats=(text,),
        rubric_hash="0", answers="sampled", cases=2, identity={}, provenance={}, started="",
    )  # fmt: skip
    rows = {
        "case_id": ["test:1", "test:2"],
        "user": ["1", "2"],
        "item": ["a", None],
        "title": [text, None],
        "target": ["a", "a"],
        "target_title": [text, text],
        "reference": [text, None],
        "similarity": [0.5, None],
        "rationale": [text, None],
        "named_outside": [0, None],
        "history": [[text, "Green Tea"], ["Tea"]],
        "history_length": [2, 1],
        "stage": ["judged", "missing"],
        "status": ["scored", "unscored"],
        "reason": [None, text],
        "grades": [
            [{"criterion": "fit", "grade": 3.0}, {"criterion": "trust", "grade": 2.0}], []
        ],
        "text": [text, None],
        "evidence": ["{}", "{}"],
        "flags": [[], []],
        "usage": ["{}", "{}"],
    }  # fmt: skip
    lacking = {name: [None, None] for name in records.JUDGEMENTS_SCHEMA if name not in rows}
    run.write_judgement(done, pl.DataFrame(rows | lacking, schema=records.JUDGEMENTS_SCHEMA))


def write_page(results, store, folder, questions=None):
    """Write the page of a suite to FOLDER/index.html, with the figures of FOLDER/../published."""
    path = folder / PAGE_NAME
    html = render_page(results, store, folder=folder.parent / "published", questions=questions)
    io.write_text(path, html)
    return path

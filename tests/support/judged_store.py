"""A made-up store whose answers were judged: any stages and grades, no method and no judge runs."""

import json

import polars as pl

from benchkit.runs import records
from benchkit.runs.records import JudgementManifest, Manifest, PlannedJudge, PlannedRow, PlanRecord
from benchkit.runs.store import Store

RUBRIC = {
    "name": "small", "title": "Small, 0 to 3", "invalid": 0, "wrong": 0, "missing": 1,
    "criteria": [{"name": "rating", "low": 0, "high": 3}],
}  # fmt: skip


def answers(stage, grades, rationale="because of the tea", outside=0, history=3, evidence=None):
    """One answer for each grade; None: unscored. outside: of a rationale, whether it is judged or
    not; None for a record that lacks the column."""
    item = {"invalid": None, "unanswered": None, "wrong": "b"}.get(stage, "a")
    return [
        {
            "item": item, "stage": stage, "rationale": rationale, "history_length": history,
            "grades": [] if grade is None else [{"criterion": "rating", "grade": float(grade)}],
            "named_outside": outside, "evidence": json.dumps(evidence or {}),
        }
        for grade in grades
    ]  # fmt: skip


def judge(label="strict", number=0, rubric="small"):
    return PlannedJudge(label=label, judge_id=f"{number:016x}", rubric=rubric)


class Judged:
    """A store under construction; `plan` writes what makes up its tables."""

    def __init__(self, root):
        self.store, self.rows = Store(root).create(), []

    def run(self, label, seed=0, rationale="because", left_out=None, complete=True):
        """A run, which nobody has judged so far."""
        run_id = None if left_out else f"{len(self.rows):016x}"
        self.rows.append(PlannedRow(task="tea", label=label, family="cf", seed=seed, run_id=run_id,
                                    skip_reason=left_out))  # fmt: skip
        if left_out:
            return None
        run = self.store.run("made", "tea", label, run_id)
        manifest = Manifest(
            run_id=run_id, row_id=label, status="started", suite="made", task="tea", label=label,
            family="cf", seed=seed, identity={"test": "f00d", "decoding": {}}, provenance={},
            started="",
        )  # fmt: skip
        sample = {"text": "", "item": "a", "rationale": rationale, "status": "ok"}
        answer = {"case_id": "c0", "target": "a", "status": "ok", "samples": [sample],
                  "sampled_status": "ok", "history_length": 3}  # fmt: skip
        if complete:
            predictions = pl.DataFrame([answer], schema=records.PREDICTIONS_SCHEMA)
            metrics = pl.DataFrame(schema=records.METRICS_SCHEMA)
            done = manifest.model_copy(update={"status": "complete"})
            run.finish(done, {"predictions": predictions, "metrics": metrics})
        else:
            run.write_manifest(manifest)
        return run

    def judged(self, label, answers, seed=0, by=None, kind="heuristic", status="complete", **more):
        """A run with what a judge made of it: `answers` are the answers to cases c0, c1, ..."""
        return self.verdicts(self.run(label, seed), answers, by or judge(), kind, status, **more)

    def verdicts(self, run, answers, by, kind="heuristic", status="complete", **more):
        """Writes a judgement. kind: the judge's registered name; more: of its manifest."""
        rubric = more.pop("rubric", RUBRIC)
        manifest = JudgementManifest(
            judge_id=by.judge_id, run_id=run.path.name, suite="made", task="tea", label=by.label,
            judge=kind, status=status, rubric=rubric, rubric_hash="0", answers="sampled",
            cases=len(answers), identity={}, provenance={}, started="", **more,
        )  # fmt: skip
        common = {"target": "a", "title": "A", "target_title": "A", "flags": [], "usage": "{}"}
        rows = [
            {"case_id": f"c{place}", "status": "scored" if row["grades"] else "unscored", **common,
             **row}
            for place, row in enumerate(answers)
        ]  # fmt: skip
        table = pl.DataFrame(rows, schema=records.JUDGEMENTS_SCHEMA)
        if any(row["named_outside"] is None and row["rationale"] for row in answers):
            table = table.drop("named_outside")  # as older records are
        run.write_judgement(manifest, table)
        return run

    def plan(self, *judges, buckets=()):
        labels = list(dict.fromkeys(row.label for row in self.rows))
        plan = PlanRecord(
            suite="made", title="Made", primary="hr@1", metrics=["hr@1"], protocols=["sampled"],
            tasks=["tea"], labels=labels, rows=self.rows, judges=list(judges or [judge()]),
            history_buckets=list(buckets),
        )  # fmt: skip
        return self.store.update_plan(plan)

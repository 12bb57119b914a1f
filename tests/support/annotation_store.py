"""A made-up store of judged runs: grades as wanted, no method runs and no judge is asked."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from benchkit.judging.rubric import Rubric, load_rubric
from benchkit.runs.records import (
    JUDGEMENTS_SCHEMA,
    JudgementManifest,
    Manifest,
    PlannedJudge,
    PlannedRow,
    PlanRecord,
)
from benchkit.runs.store import Run, Store

NASTY = (
    "</script><script>window.owned = 1</script> \"'&amp; <b>50%</b> \u202eabc\u202c \u2028"
    " 推荐 😀 مرحبا بالعالم"
)
# (task, method) -> grades; grade 5 is rare, and one method has few answers.
RUNS = {
    ("toys", "zeta-rec"): [3] * 40 + [4] * 9 + [5],
    ("toys", "quux-rec"): [1] * 30 + [2] * 20,
    ("tea", "zeta-rec"): [2] * 47 + [None] * 3,
    ("tea", "quux-rec"): [1, 4],
}
Grades = list[int | None]  # a case each; None: the judge left it unscored


def add_run(store: Store, task: str, method: str, suite: str = "plum") -> Run:
    """A run that is complete, without its tables."""
    run_id = f"{task}-{method}-id"
    run = store.run(suite, task, method, run_id)
    run.write_manifest(
        Manifest(
            run_id=run_id, row_id=run_id, status="complete", suite=suite, task=task, label=method,
            family="made", seed=0, identity={}, provenance={}, started="2026-01-01",
        )
    )  # fmt: skip
    return run


def add_judgement(
    run: Run,
    grades: Grades,
    judge: str = "stern",
    rubric: Rubric | None = None,
    *,
    judge_id: str = "j1",
    wrong: int = 0,
    text: str = "because it is like tea",
    status: str = "complete",
) -> Path:
    """Verdicts on cases c0, c1, ...; every criterion has the case's grade. Returns their file.

    wrong: of the first cases, how many recommend an item that was not taken. One more case, `off`,
    is of stage `missing`.
    """
    rubric = rubric or load_rubric("rationale-quality")
    of_run = run.manifest()
    assert of_run is not None
    manifest = JudgementManifest(
        judge_id=judge_id, run_id=of_run.run_id, suite=of_run.suite, task=of_run.task, label=judge,
        judge=judge, status=status, rubric=rubric.model_dump(mode="json"),
        rubric_hash=rubric.hash, answers="sampled", cases=300, identity={}, provenance={},
        started="2026-01-01",
    )  # fmt: skip
    rows = [
        _row(f"c{place}", rubric, grade, place < wrong, f"{text} {of_run.task} {place}")
        for place, grade in enumerate(grades)
    ]
    off = _row("off", rubric, 1, False, "")
    rows.append(off | {"stage": "missing", "rationale": None})
    run.write_judgement(manifest, pl.DataFrame(rows, schema=JUDGEMENTS_SCHEMA))
    return run.path / "judgements" / f"{judge}-{judge_id}.parquet"


def _row(case: str, rubric: Rubric, grade: int | None, wrong: bool, text: str) -> dict:
    grades = [] if grade is None else [
        {"criterion": criterion.name, "grade": float(grade)} for criterion in rubric.criteria
    ]  # fmt: skip
    return {
        "case_id": case, "item": "i-tea", "title": f"Green Tea {text}",
        "target": "i-cup" if wrong else "i-tea", "target_title": f"Taken Cup {text}",
        "rationale": text, "history": [f"Kettle | Good | {text}", "Pot"], "history_length": 2,
        "stage": "judged", "status": "unscored" if grade is None else "scored",
        "reason": None, "grades": grades, "text": "reply", "evidence": "{}", "flags": [],
        "usage": "{}",
    }  # fmt: skip


def make_store(root: Path, runs: Mapping[tuple[str, str], Grades], **options: object) -> Store:
    """A store with suite `plum`: (task, method) -> grades by the judge `stern`."""
    store = Store(root).create()
    rows = []
    for (task, method), grades in runs.items():
        run = add_run(store, task, method)
        add_judgement(run, grades, **options)
        run_id = f"{task}-{method}-id"
        rows.append(PlannedRow(task=task, label=method, family="made", seed=0, run_id=run_id))
    store.update_plan(
        PlanRecord(
            suite="plum", title="Made", primary="hr@1", metrics=["hr@1"], protocols=["sampled"],
            tasks=sorted({task for task, _ in runs}), labels=sorted({name for _, name in runs}),
            rows=rows, judges=[PlannedJudge(label="stern", judge_id="j1", rubric="any")],
        )
    )  # fmt: skip
    return store

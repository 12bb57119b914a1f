"""What a row opens: its manifest, its judges' summary and examples of what it answered."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from benchkit.records import Manifest, Plan, PlannedJudge
from benchkit.report.model import Row, Table
from benchkit.report.site import cases, verdicts
from benchkit.report.site.cases import Question, Questions
from benchkit.store import Run, Store

_HASHES = ("code", "harness", "train", "test")
_APART = {"method", "config", "packages", "decoding", "seed", *_HASHES}
_MACHINE = ("python", "system", "processor", "cores", "memory_gb", "git")

Lines = list[list[str]]  # [name, value]


@dataclass(frozen=True)
class Source:
    """The runs of one method on one task, one a seed, and the judges whose verdicts are shown. It
    keeps no table: a page reads hundreds."""

    runs: tuple[Run, ...]
    manifests: tuple[Manifest, ...]
    judges: tuple[PlannedJudge, ...] = ()

    def case_ids(self) -> list[str]:
        return self._predictions(0).select("case_id").collect()["case_id"].to_list()

    def answers(self, cases: Sequence[str]) -> pl.DataFrame:
        """Predictions of the first seed for some cases."""
        return self._predictions(0).filter(pl.col("case_id").is_in(list(cases))).collect()

    def _predictions(self, seed: int) -> pl.LazyFrame:
        return pl.scan_parquet(self.runs[seed].path / "predictions.parquet")


def sources(store: Store, plan: Plan, tables: Sequence[Table]) -> dict[tuple[str, str], Source]:
    """(task, label) -> its runs, for rows that have results in some table."""
    found: dict[tuple[str, str], Source] = {}
    for row in (row for table in tables for row in table.rows):
        if row.run_ids and (row.task, row.label) not in found:
            runs = [store.run(plan.suite, row.task, row.label, run) for run in row.run_ids]
            manifests = [manifest for run in runs if (manifest := run.manifest())]
            found[row.task, row.label] = Source(tuple(runs), tuple(manifests), tuple(plan.judges))
    return found


def chosen_cases(found: Mapping[tuple[str, str], Source], task: str) -> list[str]:
    """The example cases of a task, the same for all its rows."""
    own = [source for (name, _), source in found.items() if name == task]
    known = {case for source in own for case in source.case_ids()}
    judged = {case for source in own for case in verdicts.case_ids(source.runs[0], source.judges)}
    return cases.chosen(known, judged, cases.examples_a_row(len(found)))


def asked(
    source: Source, task: str, chosen: Sequence[str], questions: Questions | None
) -> Mapping[str, Question]:
    """What the example cases of a row showed, if the caller knows."""
    if questions is None:
        return {}
    return questions(task, str(source.manifests[0].identity["test"]), chosen)


def detail(
    row: Row, source: Source | None, chosen: Sequence[str], questions: Mapping[str, Question]
) -> dict[str, Any]:
    """One row's panel; for a row without results only why there are none."""
    if source is None:
        return {"status": row.status, "remarks": list(row.remarks)}
    first = source.manifests[0]
    identity = first.identity
    said = verdicts.read(source.runs, source.judges)
    return {
        "remarks": list(row.remarks),
        "runs": [{"id": m.run_id, "seed": m.seed} for m in source.manifests],
        "row_id": first.row_id,
        "method": str(identity.get("method", "")),
        "config": flat(identity.get("config", {})),
        "decoding": flat(identity.get("decoding", {})),
        "settings": flat({k: v for k, v in identity.items() if k not in _APART}),
        "versions": flat({**first.provenance.get("packages", {}), **identity.get("packages", {})}),
        "hashes": flat({name: identity[name] for name in _HASHES if name in identity}),
        "machine": flat(
            {name: first.provenance[name] for name in _MACHINE if first.provenance.get(name)}
        ),
        "costs": flat(dict(row.cost)),
        "judges": [one.summary for one in said],
        "examples": cases.examples(
            source.answers(chosen), source.runs[0].metrics(), said, questions, chosen
        ),
    }


def flat(value: Any, prefix: str = "") -> Lines:
    """Nested settings as lines.

    >>> flat({"train": {"epochs": 3, "lora": None}, "metrics": ["hr@1"], "peft": None})
    [['train.epochs', '3'], ['train.lora', 'none'], ['metrics', 'hr@1'], ['peft', 'none']]
    """
    lines: Lines = []
    for name, entry in value.items():
        path = f"{prefix}{name}"
        if isinstance(entry, Mapping) and entry:
            lines += flat(entry, f"{path}.")
        else:
            lines.append([path, _text(entry)])
    return lines


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)

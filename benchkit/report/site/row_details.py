"""The panel of a row: its manifest, judges' summaries and example answers."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from benchkit.report.core.method_runs import MethodRuns
from benchkit.report.core.results import ResultRow
from benchkit.report.incremental.memo import Memo
from benchkit.report.site import example_cases, judge_verdicts
from benchkit.report.site.case_answers import recall_case_answers, recall_example_cases
from benchkit.report.site.example_cases import CaseInput, CaseInputLookup

_HASHES = ("code", "harness", "train", "test")
_APART = {"method", "config", "packages", "decoding", "seed", *_HASHES}
_MACHINE = ("python", "system", "processor", "cores", "memory_gb", "git")

SettingLines = list[list[str]]  # [name, value]


def example_case_ids(
    method_runs: Mapping[tuple[str, str], MethodRuns], task: str, memo: Memo
) -> list[str]:
    """Return the example cases of a task, the same for all its rows."""
    sources = [source for (name, _), source in method_runs.items() if name == task]
    count = example_cases.examples_per_row(len(method_runs))
    judged = {
        case
        for source in sources
        for case in judge_verdicts.case_ids_with_verdicts(source.runs[0], source.judges)
    }
    if not judged:
        return recall_example_cases(memo, sources, count)
    known = {case for source in sources for case in source.case_ids()}
    return example_cases.select_example_cases(known, judged, count)


def example_inputs(
    source: MethodRuns, task: str, chosen: Sequence[str], questions: CaseInputLookup | None
) -> Mapping[str, CaseInput]:
    """Return the inputs of a row's example cases, if the caller can look them up."""
    if questions is None:
        return {}
    return questions(task, source.manifests[0].test_fingerprint, chosen)


def build_row_panel(
    row: ResultRow,
    source: MethodRuns | None,
    chosen: Sequence[str],
    questions: Mapping[str, CaseInput],
    memo: Memo,
) -> dict[str, Any]:
    """Return the panel of a row; for one without results, only the reason."""
    if source is None:
        return {"status": row.status, "remarks": list(row.caveats)}
    first = source.manifests[0]
    identity = first.identity
    verdicts = judge_verdicts.read_verdicts(source.runs, source.judges)
    answers = recall_case_answers(memo, source, chosen)
    return {
        "remarks": list(row.caveats),
        "runs": [{"id": m.run_id, "seed": m.seed} for m in source.manifests],
        "row_id": first.row_id,
        "method": str(identity.get("method", "")),
        "config": setting_lines(identity.get("config", {})),
        "decoding": setting_lines(identity.get("decoding", {})),
        "settings": setting_lines({k: v for k, v in identity.items() if k not in _APART}),
        "versions": setting_lines(
            {**first.provenance.get("packages", {}), **identity.get("packages", {})}
        ),
        "hashes": setting_lines({name: identity[name] for name in _HASHES if name in identity}),
        "machine": setting_lines(
            {name: first.provenance[name] for name in _MACHINE if first.provenance.get(name)}
        ),
        "costs": setting_lines(dict(row.cost)),
        "judges": [one.summary for one in verdicts],
        "examples": example_cases.build_examples(
            answers.rows, answers.ranks, verdicts, questions, chosen
        ),
    }


def setting_lines(value: Any, prefix: str = "") -> SettingLines:
    """Return nested settings as [dotted name, text] pairs.

    >>> setting_lines({"train": {"epochs": 3, "lora": None}, "metrics": ["hr@1"], "peft": None})
    [['train.epochs', '3'], ['train.lora', 'none'], ['metrics', 'hr@1'], ['peft', 'none']]
    """
    lines: SettingLines = []
    for name, entry in value.items():
        path = f"{prefix}{name}"
        if isinstance(entry, Mapping) and entry:
            lines += setting_lines(entry, f"{path}.")
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

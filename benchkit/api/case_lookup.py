"""What cases showed, looked up in the prepared datasets: run records name items by id."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchkit.data.preparation.cache import load_dataset
from benchkit.report.comparison.interference import TargetLookup
from benchkit.report.site.example_cases import CaseInput, CaseInputLookup


def make_case_lookup(data: Path) -> CaseInputLookup:
    """Return a lookup in the folder of prepared datasets; a missing dataset has no questions."""
    folders = _dataset_folders(data)

    def lookup(_task: str, fingerprint: str, cases: Sequence[str]) -> Mapping[str, CaseInput]:
        if fingerprint not in folders:
            return {}
        dataset = load_dataset(folders[fingerprint])
        place = {case: i for i, case in enumerate(dataset.test.ids)}
        inputs = {}
        for case in cases:
            if case not in place:
                continue
            (request,) = dataset.requests(dataset.test, place[case], place[case] + 1)
            titles = {item: dataset.catalog.text(item) or item for item in request.candidates}
            history = tuple(dataset.catalog.text(e.item) or e.item for e in request.history)
            inputs[case] = CaseInput(history, request.candidates, titles)
        return inputs

    return lookup


def find_target_places(data: Path) -> TargetLookup:
    """Return a lookup of where targets stand among candidates, in the same folder."""
    folders = _dataset_folders(data)

    def lookup(fingerprint: str) -> Mapping[str, int]:
        if fingerprint not in folders:
            return {}
        cases = load_dataset(folders[fingerprint]).test
        return dict(zip(cases.ids, cases.target_position.tolist(), strict=True))

    return lookup


def _dataset_folders(data: Path) -> dict[str, Path]:
    """Return fingerprint -> folder of the prepared datasets."""
    return {_fingerprint(path): path.parent for path in sorted(data.glob("*/dataset.json"))}


def _fingerprint(path: Path) -> str:
    return str(json.loads(path.read_text(encoding="utf-8"))["fingerprint"])

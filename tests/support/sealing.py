"""Records that a test changes by hand, with checksums that fit again: what a forger would do."""

import json
from pathlib import Path

from benchkit.runs.records import JudgementManifest, Manifest, PlanRecord
from benchkit.runs.store import Run, Store


def reseal(folder: Path) -> None:
    """Write the checksums of a changed run (with its judgements) anew, also in the ledger."""
    folder = Path(folder)
    store = folder.parents[3]
    run = Store(store).run_at(folder) if (store / "store.json").exists() else Run(folder)
    values = read_plain(folder / "manifest.json")
    run.write_manifest(Manifest.model_validate({**values, "files": {}}))
    for path in sorted(folder.glob("judgements/*.json")):
        judgement = JudgementManifest.model_validate(read_plain(path))
        table = path.with_suffix(".parquet")
        content = table.read_bytes() if table.exists() else None
        run.write_judgement(judgement, run.verdicts(judgement) if content else None)


def reseal_plan(path: Path) -> None:
    """Write the checksums of a changed plan anew."""
    Store(path.parents[1])._write_plan(PlanRecord.model_validate(read_plain(path)))


def read_plain(path: Path) -> dict:
    """A record without its checksum."""
    values = json.loads(Path(path).read_text(encoding="utf-8"))
    values.pop("checksum", None)
    return values

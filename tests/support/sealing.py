"""Records that a test changes by hand, with checksums that fit again: what a forger would do."""

import json
from pathlib import Path

from benchkit.files.checksums import checksum_file, sign_record
from benchkit.runs.records import JudgementManifest, Manifest
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


def sign_again(folder: Path) -> None:
    """Give a run folder that lies in no store checksums that fit, whatever its manifest says."""
    path = folder / "manifest.json"
    try:
        values = read_plain(path)
    except (OSError, ValueError):
        return
    for name in values.get("files", {}):
        if (folder / name).exists():
            values["files"][name] = checksum_file(folder / name).model_dump()
    path.write_text(json.dumps(sign_record(values)))


def age_store(root: Path, version: int = 3) -> None:
    """Take the checksums out of a store, as one of a former schema has none."""
    for path in root.glob("*/ledger.jsonl"):
        path.unlink()
    for path in [*root.glob("*/plan.json"), *root.glob("*/*/*/*/manifest.json")]:
        values = {**read_plain(path), "schema_version": version}
        values.pop("files", None)
        path.write_text(json.dumps(values))


def read_plain(path: Path) -> dict:
    """A record without its checksum."""
    values = json.loads(Path(path).read_text(encoding="utf-8"))
    values.pop("checksum", None)
    return values

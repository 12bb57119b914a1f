"""Write the files of demo data below a data folder of their own, and say that they are synthetic.

DATA/demo-300/raw holds generated files in the layout of DATA/raw, for 300 users, and SYNTHETIC.json
what each was made by. They are written anew when that changes, or when somebody has changed them.
"""

import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from benchkit import io
from benchkit.data.demo import DEMO_FORMATS
from benchkit.fingerprint import hash_file, hash_json
from benchkit.source_hash import hash_sources

MANIFEST = "SYNTHETIC.json"
CAVEAT = (
    "SYNTHETIC: generated data stand in for this dataset, so its figures say nothing of the real"
    " one, nor of published ones"
)


def demo_folder(root: Path, users: int) -> Path:
    """Return the data folder of demo data for so many users, below the one of real data."""
    return root / f"demo-{users}"


def identify_demo(source: str, options: Mapping[str, Any], users: int) -> str:
    """Return the hash of all that decides what is generated, without generating it."""
    demo = DEMO_FORMATS.load(source)
    code = Path(str(inspect.getsourcefile(demo.generate)))
    return hash_json({"options": dict(options), "users": users, "code": hash_sources(code)})


def write_demo_files(source: str, options: Mapping[str, Any], users: int, raw: Path) -> None:
    """Generate the files that `options` name below `raw`, unless they are there as generated."""
    key = identify_demo(source, options, users)
    with io.wrap_io_errors(raw):
        raw.mkdir(parents=True, exist_ok=True)
    with FileLock(raw / f".{MANIFEST}.lock"):
        entries = _read_entries(raw)
        present = {path: entry for path, entry in entries.items() if entry["key"] == key}
        if present and all(hash_file(raw / path) == e["sha256"] for path, e in present.items()):
            return
        files = DEMO_FORMATS.load(source).generate(users, **options)
        for path, content in files.items():
            io.write_bytes(raw / path, content)
            entries[path] = {
                "source": source,
                "users": users,
                "key": key,
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        io.write_json(raw / MANIFEST, {"what": CAVEAT, "files": entries})


def _read_entries(raw: Path) -> dict[str, dict[str, Any]]:
    """Return path -> what wrote it; nothing where the manifest is not one of ours."""
    try:
        entries: dict[str, dict[str, Any]] = json.loads((raw / MANIFEST).read_text("utf-8"))[
            "files"
        ]
        return (
            entries if all({"key", "sha256"} <= entry.keys() for entry in entries.values()) else {}
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}

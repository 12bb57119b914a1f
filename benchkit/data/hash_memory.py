"""Hashes of large input files, remembered from one process to the next."""

import json
from pathlib import Path

from benchkit import fingerprint, io

_WORTH_BYTES = 1 << 20  # smaller files are hashed faster than looked up


class HashMemory:
    """Hashes of files, each with the state (`fingerprint.file_state`) in which it was computed."""

    def __init__(self, path: Path) -> None:
        """Read what is remembered at `path`, if anything is."""
        self.path = path
        self.changed = False
        try:
            self.entries = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            self.entries = {}

    def hash_file(self, path: Path) -> str | None:
        """Return the SHA-256 of a file's content, None for a file that cannot be read."""
        try:
            state = fingerprint.file_state(path)
        except OSError:
            return None
        if state is None or state[0] < _WORTH_BYTES:
            return fingerprint.hash_file(path)
        key = str(path.resolve())
        entry = self.entries.get(key)
        if isinstance(entry, dict) and entry.get("state") == list(state):
            return str(entry["sha256"])
        content_hash = fingerprint.hash_file(path)
        self.entries[key] = {"state": list(state), "sha256": content_hash}
        self.changed = True
        return content_hash

    def write(self) -> None:
        """Store what was computed since, if anything was."""
        if self.changed:
            io.write_json(self.path, self.entries)
            self.changed = False
